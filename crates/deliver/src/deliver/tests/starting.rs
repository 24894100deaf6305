//! Subscriptions that begin with the last value of every key.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidings_catalog::{Start, SubscriptionId, Topic};
use tidings_event::{Clock, Offset, PartitionId, Position, TopicId, TopicPartition, v1};
use tidings_log::{PartitionLog, Table, TableChange};

use super::rig::{Rig, TENANT, filter, next, next_delivery, nothing, offsets, summary};
use super::streaming::confirmed;
use crate::cursor::{self, Cursor, RUNS_MAX};
use crate::runs::RunSet;
use crate::{Delivery, EventOutcome, Outgoing, Run, Session};

const KEYS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];

/// One event: its key, its interval, whether that is final.
type Told = (usize, u64, bool);

/// What was, or is to be delivered, by topic and partition.
type Offsets = BTreeMap<(TopicId, u32), Vec<u64>>;

/// What was published, by topic and partition, in offset order.
type Published = BTreeMap<(TopicId, u32), Vec<Told>>;

fn event(offset: usize, (key, interval, is_final): Told) -> Vec<u8> {
    let plain = summary(offset as u64, KEYS[key], "XNAS", is_final);
    let mut event = <v1::Event as prost::Message>::decode(plain.as_slice()).unwrap();
    (event.interval_start, event.interval_end) = (60 * interval + 60, 60 * interval + 120);
    tidings_event::encode(&event)
}

/// Publishes some events; a key is in one partition of each topic.
async fn publish(rig: &Rig, topics: &[Arc<Topic>], all: &mut Published, random: &mut SmallRng) {
    for _ in 0..random.random_range(0..12) {
        let topic = &topics[random.random_range(0..topics.len())];
        let partition = random.random_range(0..2);
        let events = all.entry((topic.id, partition)).or_default();
        let block: Vec<Vec<u8>> = (0..random.random_range(1..6))
            .map(|_| {
                let key = 2 * random.random_range(0..3usize) + partition as usize;
                let told = (key, random.random_range(0..8), random.random_bool(0.6));
                events.push(told);
                event(events.len() - 1, told)
            })
            .collect();
        rig.append(topic, partition, &block).await;
    }
}

/// The naive version: of each key the last value, and else the last finished one, then everything.
fn expected(events: &[Told], boundary: usize, takes: impl Fn(Told) -> bool) -> Vec<u64> {
    let below = &events[..boundary];
    let best = |key: usize, final_only: bool| {
        let of_key = below.iter().enumerate();
        let of_key = of_key.filter(|(_, told)| told.0 == key && (told.2 || !final_only));
        of_key.max_by_key(|(at, told)| (told.1, *at)).map(|(at, _)| at)
    };
    let last = |key| [best(key, false), best(key, true)].into_iter().flatten();
    let mut lasts: Vec<u64> = (0..KEYS.len())
        .filter_map(|key| last(key).find(|&at| takes(below[at])))
        .map(|at| at as u64)
        .collect();
    lasts.sort_unstable();
    lasts.extend((boundary..events.len()).filter(|&at| takes(events[at])).map(|at| at as u64));
    lasts
}

fn ack(session: &Session, delivery: &Delivery, count: usize) -> Vec<u64> {
    let taken: Vec<u64> = offsets(delivery).into_iter().take(count).collect();
    let at = |offset| Position {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: Offset(offset),
    };
    session.ack(vec![], taken.iter().map(|&offset| Run::of(at(offset))).collect());
    taken
}

async fn subscribe(rig: &Rig, text: Option<&str>) {
    while rig.deliver.last_values().check_rebuilt().is_err() {
        tokio::task::yield_now().await;
    }
    let filter = text.map(filter);
    rig.subscribe_with("s", "a/**", |spec| {
        spec.start = Start::LastPerKey;
        spec.filter = filter;
        spec.max_in_flight = 5;
    })
    .await;
}

/// Consumes and acknowledges so many.
async fn consume(rig: &Rig, got: &mut Offsets, count: usize) {
    let mut session = rig.attach("s").await;
    let (mut left, mut unconfirmed) = (count, count as u64);
    while unconfirmed > 0 {
        match next(&mut session).await {
            Outgoing::Delivery(delivery) if left > 0 => {
                let taken = ack(&session, &delivery, left);
                left -= taken.len();
                got.entry((delivery.topic.id, delivery.partition.0)).or_default().extend(taken);
            }
            Outgoing::Delivery(_) => {}
            Outgoing::Confirmed { runs, stale } => {
                assert_eq!(stale, []);
                unconfirmed -= runs.iter().map(Run::count).sum::<u64>();
            }
            other => panic!("{other:?}"),
        }
    }
}

fn count(all: &Offsets) -> usize {
    all.values().map(Vec::len).sum()
}

#[tokio::test]
async fn a_start_at_the_last_values_is_the_last_of_each_key_and_then_everything() {
    type Takes = fn(Told) -> bool;
    let filters: [(Option<&str>, Takes); 4] = [
        (None, |_| true),
        (Some("is_final"), |told| told.2),
        (Some(r#"instrument in ["A", "B", "F"]"#), |told| [0, 1, 5].contains(&told.0)),
        (Some("!is_final"), |told| !told.2),
    ];
    for seed in 0..48 {
        let mut random = SmallRng::seed_from_u64(seed);
        let (text, takes) = filters[random.random_range(0..filters.len())];
        let mut rig = Rig::new().await;
        let topics = [rig.topic("a/b", 2).await, rig.topic("a/c", 2).await];
        let mut all = Published::new();
        publish(&rig, &topics, &mut all, &mut random).await;
        if random.random_bool(0.5) {
            rig = rig.crash().await;
        }
        publish(&rig, &topics, &mut all, &mut random).await;
        subscribe(&rig, text).await;
        let boundary: BTreeMap<_, _> = all.iter().map(|(at, told)| (*at, told.len())).collect();
        let wanted = |all: &Published| -> Offsets {
            let of = |(at, events): (&_, &Vec<Told>)| {
                (*at, expected(events, boundary.get(at).copied().unwrap_or(0), takes))
            };
            all.iter().map(of).filter(|(_, offsets)| !offsets.is_empty()).collect()
        };
        let mut got = Offsets::new();
        for _ in 0..3 {
            publish(&rig, &topics, &mut all, &mut random).await;
            let left = count(&wanted(&all)) - count(&got);
            consume(&rig, &mut got, random.random_range(0..9).min(left)).await;
            rig = rig.crash().await;
        }
        let expected = wanted(&all);
        let left = count(&expected) - count(&got);
        consume(&rig, &mut got, left).await;
        assert_eq!(got, expected, "seed {seed}, {text:?}");
        nothing(&mut rig.attach("s").await).await;
    }
}

#[tokio::test]
async fn last_values_that_were_not_acknowledged_come_again_after_a_crash() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let told = |key, interval| (key, interval, true);
    let events = [told(0, 1), told(1, 1), told(0, 2), told(2, 1), told(1, 0), told(2, 2)];
    let bodies: Vec<_> = events.iter().enumerate().map(|(at, told)| event(at, *told)).collect();
    rig.append(&topic, 0, &bodies).await;
    subscribe(&rig, None).await;
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.low_water[0].offset), (3, Offset(1)));
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    assert_eq!((offsets(&first), first.redelivered.len()), (vec![1, 2, 5], 0));
    nothing(&mut session).await;
    let outcome = |rig: &Rig, offset| {
        let (epoch, offset) = (first.epoch, Offset(offset));
        let at = Position { topic: topic.id, epoch, partition: first.partition, offset };
        rig.deliver.outcome(TENANT, "s", &at).unwrap()
    };
    assert_eq!(outcome(&rig, 0), EventOutcome::BeforeStart);
    assert_eq!(outcome(&rig, 2), EventOutcome::InFlight);
    ack(&session, &first, 1);
    assert_eq!(confirmed(&mut session).await.0, [(1, 1)]);
    drop(session);
    let rig = rig.crash().await;
    rig.append(&topic, 0, &[event(6, told(0, 0))]).await;
    let mut session = rig.attach("s").await;
    let again = next_delivery(&mut session).await;
    assert_eq!(offsets(&again), [2, 5]);
    assert_eq!(again.redelivered, [(Offset(2), 1), (Offset(5), 1)]);
    assert_eq!(offsets(&next_delivery(&mut session).await), [6]);
}

#[tokio::test]
async fn more_last_values_than_a_cursor_may_have_runs_are_all_sent() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let count = RUNS_MAX as u64 + 10;
    for block in 0..count / 10 {
        // Each key twice: every other event is the last of its key.
        let of_key = |key: u64| {
            let name = format!("K{}", block * 10 + key);
            let at = 2 * (block * 10 + key);
            [summary(at, &name, "XNAS", true), summary(at + 1, &name, "XNAS", true)]
        };
        rig.append(&topic, 0, &(0..10).flat_map(of_key).collect::<Vec<_>>()).await;
    }
    rig.subscribe_with("s", "a/b", |spec| spec.start = Start::LastPerKey).await;
    rig.publish(&topic, 0, 1).await;
    let mut session = rig.attach("s").await;
    let mut got = Vec::new();
    while got.last() != Some(&(2 * count)) {
        let delivery = next_delivery(&mut session).await;
        got.extend(offsets(&delivery));
        // Nothing is acknowledged before the last value is there: until then a cursor is too long.
        if got.last() == Some(&(2 * count - 1)) {
            let last = offsets(&delivery).last().copied().map(Offset).unwrap();
            let at = Position {
                topic: topic.id,
                epoch: rig.log.epoch(),
                partition: delivery.partition,
                offset: last,
            };
            session.ack(vec![at], vec![]);
        }
    }
    let expected: Vec<u64> = (0..count).map(|key| 2 * key + 1).chain([2 * count]).collect();
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_last_value_that_retention_passes_is_told() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    for (offset, told) in [(0, 1, true), (0, 2, true), (1, 1, true)].into_iter().enumerate() {
        rig.append(&topic, 0, &[event(offset, told)]).await;
    }
    subscribe(&rig, None).await;
    rig.clock.advance(Duration::from_secs(30 * 86_400));
    rig.append(&topic, 0, &[event(3, (2, 0, true))]).await;
    rig.log.trim(rig.clock.wall()).await;
    let mut session = rig.attach("s").await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.count), (1, 2, 2));
    assert_eq!(offsets(&next_delivery(&mut session).await), [3]);
    // What is not kept is not among the values that a later one begins with.
    rig.subscribe_with("later", "a/b", |spec| spec.start = Start::LastPerKey).await;
    assert_eq!(rig.deliver.status(TENANT, "later").unwrap().lag_events, 1);
}

#[tokio::test]
async fn cursors_of_a_subscription_that_was_not_made_are_forgotten() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let at = TopicPartition { topic: topic.id, partition: PartitionId(0) };
    let key = cursor::key(SubscriptionId(77), at);
    let value = Some(Cursor::encode(5, &RunSet::default()));
    let change = TableChange { table: Table::CURSORS, key: key.clone(), value };
    rig.log.commit(rig.log.term(), vec![change]).unwrap().await.unwrap();
    let rig = rig.crash().await;
    while rig.log.get(Table::CURSORS, &key).is_some() {
        tokio::task::yield_now().await;
    }
}

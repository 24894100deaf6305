//! Subscriptions with filters that are behind: they read the past together, and each is sent exactly
//! what its filter takes, in order.

use std::time::Duration;

use tidings_catalog::{Precondition, Topic};
use tidings_event::{Clock, PartitionId, TopicPartition};
use tidings_log::PartitionLog;
use tidings_telemetry::Counter;

use super::rig::{Rig, TENANT, filter, next, next_delivery, offsets, read, settle, summary};
use crate::{DeliverSettings, GapReason, Outgoing};

const KEYS: u64 = 4;
const BLOCKS: u64 = 50;
const EVENTS: u64 = 12;

/// Blocks whose events are of each key in turn; a stretch has one of them.
async fn behind() -> (Rig, std::sync::Arc<Topic>) {
    let settings = DeliverSettings { read_bytes: 1_200, ..DeliverSettings::default() };
    let rig = Rig::with(settings).await;
    let topic = rig.topic("a/b", 1).await;
    publish(&rig, &topic, BLOCKS).await;
    (rig, topic)
}

async fn publish(rig: &Rig, topic: &Topic, blocks: u64) {
    publish_to(rig, topic, 0, blocks).await;
}

async fn publish_to(rig: &Rig, topic: &Topic, partition: u32, blocks: u64) {
    let at = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
    for _ in 0..blocks {
        let base = rig.log.bounds(at).unwrap().tail.0;
        let events =
            (base..base + EVENTS).map(|n| summary(n, &format!("K{}", n % KEYS), "XNAS", true));
        rig.append(topic, partition, &events.collect::<Vec<_>>()).await;
    }
}

async fn subscribe(rig: &Rig, name: &str, key: u64) {
    let wanted = filter(&format!("instrument == 'K{key}'"));
    rig.subscribe_with(name, "a/b", |spec| {
        spec.filter = Some(wanted);
        spec.max_in_flight = 10_000;
    })
    .await;
}

/// The offsets of one key in so many blocks, from one on.
fn of_key(key: u64, from: u64, blocks: u64) -> Vec<u64> {
    (from..blocks * EVENTS).filter(|at| at % KEYS == key).collect()
}

fn counted(rig: &Rig) -> (u64, u64) {
    let of = |counter| rig.deliver.stage.recorder.counted(counter);
    (of(Counter::DeliverCatchUpReads), of(Counter::DeliverCatchUpShared))
}

#[tokio::test]
async fn many_that_are_behind_read_the_log_once() {
    let (rig, topic) = behind().await;
    let mut sessions = Vec::new();
    for number in 0..20 {
        subscribe(&rig, &format!("s{number}"), number % KEYS).await;
    }
    for number in 0..20 {
        sessions.push((number % KEYS, rig.attach(&format!("s{number}")).await, Vec::new()));
    }
    // Side by side, a few events each at a time.
    for part in 1..=BLOCKS {
        let until = usize::try_from(part * EVENTS / KEYS).unwrap();
        for (_, session, got) in &mut sessions {
            read(session, got, until).await;
        }
    }
    let (reads, shared) = counted(&rig);
    // Alone each would read every block.
    assert!(reads < 2 * BLOCKS, "{reads} reads");
    for (key, _, got) in &sessions {
        assert_eq!(*got, of_key(*key, 0, BLOCKS));
    }
    // From here on they are handed blocks as they come.
    publish(&rig, &topic, 1).await;
    for (key, session, got) in &mut sessions {
        read(session, got, of_key(*key, 0, BLOCKS + 1).len()).await;
        assert_eq!(*got, of_key(*key, 0, BLOCKS + 1));
    }
    assert_eq!(counted(&rig), (reads, shared));
}

#[tokio::test]
async fn they_walk_together_through_many_partitions() {
    const PARTITIONS: u32 = 8;
    let settings = DeliverSettings { read_bytes: 1_200, ..DeliverSettings::default() };
    let rig = Rig::with(settings).await;
    let topic = rig.topic("a/b", PARTITIONS).await;
    for partition in 0..PARTITIONS {
        publish_to(&rig, &topic, partition, BLOCKS).await;
    }
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..30 {
        let name = format!("s{number}");
        subscribe(&rig, &name, number % KEYS).await;
        let mut session = rig.attach(&name).await;
        readers.spawn(async move {
            let mut got = vec![Vec::new(); PARTITIONS as usize];
            while got.iter().map(Vec::len).sum::<usize>() < of_key(0, 0, BLOCKS).len() * got.len() {
                let delivery = next_delivery(&mut session).await;
                got[delivery.partition.0 as usize].extend(offsets(&delivery));
                settle(&mut session, &delivery);
            }
            (number % KEYS, got)
        });
    }
    for (key, got) in readers.join_all().await {
        got.iter().for_each(|got| assert_eq!(*got, of_key(key, 0, BLOCKS)));
    }
    let ((reads, shared), once) = (counted(&rig), u64::from(PARTITIONS) * BLOCKS);
    assert!(reads < 2 * once, "{reads} reads, of {once} stretches");
    assert!(shared > reads, "{shared} shares of {reads} reads");
}

#[tokio::test]
async fn who_comes_when_a_stretch_was_looked_up_misses_nothing_of_it() {
    let (rig, _) = behind().await;
    subscribe(&rig, "early", 1).await;
    let mut early = rig.attach("early").await;
    let mut got = Vec::new();
    read(&mut early, &mut got, 30).await;
    let before = counted(&rig).0;
    subscribe(&rig, "late", 2).await;
    let mut late = rig.attach("late").await;
    let mut of_late = Vec::new();
    read(&mut late, &mut of_late, 30).await;
    assert_eq!(of_late, of_key(2, 0, BLOCKS)[..30]);
    assert!(counted(&rig).0 > before);
}

#[tokio::test]
async fn who_takes_nothing_of_the_past_passes_it() {
    let (rig, topic) = behind().await;
    subscribe(&rig, "one", 1).await;
    subscribe(&rig, "none", KEYS).await;
    let (mut one, mut none) = (rig.attach("one").await, rig.attach("none").await);
    let mut got = Vec::new();
    read(&mut one, &mut got, of_key(1, 0, BLOCKS).len()).await;
    let last = summary(BLOCKS * EVENTS, &format!("K{KEYS}"), "XNAS", true);
    rig.append(&topic, 0, &[last]).await;
    assert_eq!(offsets(&next_delivery(&mut none).await), [BLOCKS * EVENTS]);
}

#[tokio::test]
async fn a_changed_filter_decides_from_its_boundary_on() {
    let (rig, topic) = behind().await;
    for name in ["changes", "stays"] {
        subscribe(&rig, name, 1).await;
    }
    let (mut changes, mut stays) = (rig.attach("changes").await, rig.attach("stays").await);
    let (mut got, mut others) = (Vec::new(), Vec::new());
    read(&mut changes, &mut got, 30).await;
    read(&mut stays, &mut others, 30).await;
    let wanted = filter("instrument == 'K3'");
    let change = move |spec: &tidings_catalog::SubscriptionSpec| {
        let mut spec = spec.clone();
        spec.filter = Some(wanted);
        Ok(spec)
    };
    let changed =
        rig.catalog.update_subscription(TENANT, "changes", change, Precondition::default());
    let changed = changed.await.unwrap().into_inner();
    let boundary = changed.revision().unwrap().boundary.iter().next().unwrap().1.0;
    assert_eq!(boundary, BLOCKS * EVENTS);
    publish(&rig, &topic, BLOCKS).await;
    let of_both = [of_key(1, 0, BLOCKS), of_key(3, boundary, 2 * BLOCKS)].concat();
    read(&mut changes, &mut got, of_both.len()).await;
    assert_eq!(got, of_both);
    read(&mut stays, &mut others, of_key(1, 0, 2 * BLOCKS).len()).await;
    assert_eq!(others, of_key(1, 0, 2 * BLOCKS));
}

#[tokio::test]
async fn what_is_here_goes_before_the_log_is_read() {
    let (rig, _) = behind().await;
    let other = rig.topic("a/c", 1).await;
    let wanted = filter("instrument == 'K1'");
    rig.subscribe_with("s", "a/*", |spec| {
        spec.filter = Some(wanted);
        spec.max_in_flight = 10_000;
    })
    .await;
    let mut session = rig.attach("s").await;
    publish(&rig, &other, 1).await;
    while rig.deliver.registry.find(TENANT, "s").unwrap().lock().queued_bytes == 0 {
        tokio::task::yield_now().await;
    }
    let first = next_delivery(&mut session).await;
    assert_eq!((first.topic.name.path(), counted(&rig).0), ("a/c", 0));
    let second = next_delivery(&mut session).await;
    assert_eq!((second.topic.name.path(), offsets(&second)), ("a/b", of_key(1, 0, 1)));
}

#[tokio::test]
async fn what_retention_took_is_told_and_the_rest_is_read_together() {
    let (rig, topic) = behind().await;
    for name in ["one", "two"] {
        subscribe(&rig, name, 1).await;
    }
    rig.clock.advance(Duration::from_secs(30 * 86_400));
    rig.log.trim(rig.clock.wall()).await;
    publish(&rig, &topic, BLOCKS).await;
    let from = BLOCKS * EVENTS;
    for name in ["one", "two"] {
        let mut session = rig.attach(name).await;
        let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
        assert_eq!((gap.from.0, gap.to.0, gap.reason), (0, from - 1, GapReason::Retention));
        let mut got = Vec::new();
        read(&mut session, &mut got, of_key(1, from, 2 * BLOCKS).len()).await;
        assert_eq!(got, of_key(1, from, 2 * BLOCKS));
    }
}

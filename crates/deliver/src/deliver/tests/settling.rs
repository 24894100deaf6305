//! What is written down of deliveries: every event that was to be delivered, once, before its
//! cursor, and in few bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use tidings_catalog::{InternalTopic, Retry, Start};
use tidings_event::block::events;
use tidings_event::v1::settlement::Outcome;
use tidings_event::{Offset, PartitionId, Position, TopicPartition, v1};
use tidings_log::{PartitionLog, Table};
use tidings_telemetry::Counter;

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets, settle, summary};
use crate::{DeliverSettings, Delivery, Outgoing, Run, Session};

/// Every settlement about a partition, in order.
async fn settlements(rig: &Rig, partition: u32) -> Vec<v1::Settlement> {
    let at = InternalTopic::SETTLEMENTS.about(PartitionId(partition));
    let (mut all, mut from) = (Vec::new(), Offset(0));
    loop {
        let blocks = rig.log.read(at, from, 1 << 20).await.unwrap();
        let Some(last) = blocks.last() else { return all };
        from = last.end_offset();
        let items = blocks.iter().flat_map(|block| events(&block.block.body).map(Result::unwrap));
        all.extend(items.map(|item| v1::Settlement::decode(item).unwrap()));
    }
}

/// Headers and bodies of what the service wrote down about every partition.
async fn settlement_bytes(rig: &Rig) -> usize {
    let mut bytes = 0;
    for partition in 0..InternalTopic::SETTLEMENTS.partitions {
        let at = InternalTopic::SETTLEMENTS.about(PartitionId(partition));
        let blocks = rig.log.read(at, Offset(0), 64 << 20).await.unwrap();
        let block =
            |b: &tidings_event::hop::Committed| b.block.header.encoded_bytes() + b.block.body.len();
        bytes += blocks.iter().map(block).sum::<usize>();
    }
    bytes
}

fn run_of(delivery: &Delivery, first: u64, last: u64) -> Run {
    let position = Position {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: Offset(first),
    };
    Run { last: Offset(last), ..Run::of(position) }
}

/// Waits until so many events are confirmed.
async fn confirmed(session: &mut Session, count: u64) {
    let mut sum = 0;
    while sum < count {
        if let Outgoing::Confirmed { runs, .. } = next(session).await {
            sum += runs.iter().map(Run::count).sum::<u64>();
        }
    }
}

#[tokio::test]
async fn the_outcomes_of_everything_that_was_to_be_delivered_add_up() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let retry = Retry { max_attempts: 1, ..Retry::default() };
    rig.subscribe_with("s", "a/b", |spec| spec.retry = retry).await;
    let keys = ["A", "B", "C"];
    let all: Vec<_> =
        (0..20u64).map(|n| summary(n, keys[(n % 3) as usize], "XNAS", true)).collect();
    rig.append(&topic, 0, &all).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first).len(), 20);
    // Two die, two are redelivered to the next session, the others are acknowledged at once.
    session.nack(vec![run_of(&first, 3, 4)], Duration::ZERO);
    session.ack(Vec::new(), vec![run_of(&first, 0, 2), run_of(&first, 5, 17)]);
    confirmed(&mut session, 16).await;
    drop(session);
    let mut session = rig.attach("s").await;
    let again = next_delivery(&mut session).await;
    assert_eq!(offsets(&again), [18, 19]);
    session.ack(Vec::new(), vec![run_of(&again, 18, 19)]);
    confirmed(&mut session, 2).await;
    while rig.deliver.status(TENANT, "s").unwrap().lag_events > 0 {
        tokio::task::yield_now().await;
    }
    rig.deliver.close().await;
    let mut told: BTreeMap<u64, (Outcome, u32)> = BTreeMap::new();
    let mut count = 0;
    for said in settlements(&rig, 0).await {
        assert_eq!(said.count, said.last - said.first + 1);
        assert!(said.settled_at >= said.first_sent && said.first_sent > 0, "{said:?}");
        assert_eq!((said.revision, said.consumer.as_str()), (1, "test"));
        count += said.count;
        told.extend((said.first..=said.last).map(|at| (at, (said.outcome(), said.attempts))));
    }
    assert_eq!((count, told.len()), (20, 20), "each once");
    for (offset, outcome) in told {
        let wanted = match offset {
            3 | 4 => (Outcome::DeadLettered, 1),
            18 | 19 => (Outcome::Delivered, 2),
            _ => (Outcome::Delivered, 1),
        };
        assert_eq!(outcome, wanted, "{offset}");
    }
}

#[tokio::test]
async fn a_settlement_is_durable_before_its_cursor_and_said_again_after_a_crash_between() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 3).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    let place = InternalTopic::SETTLEMENTS.about(PartitionId(0));
    rig.log.hold();
    session.ack(Vec::new(), vec![run_of(&first, 0, 2)]);
    while rig.log.bounds(place).unwrap().tail == Offset(0) {
        tokio::task::yield_now().await;
    }
    assert!(rig.log.table(Table::CURSORS).is_empty(), "no cursor before its settlement");
    rig.log.release_all();
    rig.log.hold();
    assert_eq!(rig.log.bounds(place).unwrap().durable_tail, Offset(1));
    drop(session);
    let rig = rig.crash().await;
    let mut session = rig.attach("s").await;
    let again = next_delivery(&mut session).await;
    assert_eq!(offsets(&again), [0, 1, 2], "its cursor was not durable");
    session.ack(Vec::new(), vec![run_of(&again, 0, 2)]);
    confirmed(&mut session, 3).await;
    let all = settlements(&rig, 0).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().all(|said| (said.first, said.last) == (0, 2)));
}

#[tokio::test]
async fn readers_without_a_cursor_are_not_settled() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.publish(&topic, 0, 3).await;
    let patterns = vec![tidings_catalog::TopicPattern::parse("**").unwrap()];
    let start = tidings_catalog::Start::Earliest;
    let mut session = rig.deliver.ephemeral(TENANT, patterns, start).await.unwrap();
    session.grant(100, 1 << 20);
    assert_eq!(offsets(&next_delivery(&mut session).await), [0, 1, 2]);
    drop(session);
    rig.deliver.close().await;
    assert_eq!(settlement_bytes(&rig).await, 0);
}

#[tokio::test]
async fn eight_subscriptions_write_less_than_a_tenth_of_what_they_read() {
    const BLOCKS: u64 = 8;
    const EVENTS: u64 = 300;
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 4).await;
    let mut sessions = Vec::new();
    for name in 0..8 {
        rig.subscribe(&format!("s{name}"), "a/b", 65_536).await;
        sessions.push(rig.attach(&format!("s{name}")).await);
    }
    let (mut log_bytes, mut cursor_bytes) = (0, 0);
    for block in 0..BLOCKS {
        let partition = (block % 4) as u32;
        let at = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
        let base = rig.log.bounds(at).unwrap().tail.0;
        let all: Vec<_> =
            (base..base + EVENTS).map(|n| padded(summary(n, "AAPL", "XNAS", true))).collect();
        rig.append(&topic, partition, &all).await;
        log_bytes += all.iter().map(|event| event.len() + 3).sum::<usize>() + 100;
        for session in &mut sessions {
            let delivery = next_delivery(session).await;
            assert_eq!(u64::from(delivery.count), EVENTS);
            session.ack(Vec::new(), vec![run_of(&delivery, base, base + EVENTS - 1)]);
            confirmed(session, EVENTS).await;
            // A cursor and its key, and what surrounds a change in a journal.
            let stored = rig.log.table(Table::CURSORS);
            cursor_bytes += stored.iter().map(|(k, v)| k.len() + v.len()).max().unwrap_or(0) + 64;
        }
    }
    let settlement_bytes = settlement_bytes(&rig).await;
    let written = settlement_bytes + cursor_bytes;
    assert!(written * 10 <= log_bytes, "{settlement_bytes} + {cursor_bytes} of {log_bytes}");
    assert!(settlement_bytes > 0);
}

/// An event of 206 bytes.
fn padded(event: Vec<u8>) -> Vec<u8> {
    let missing = 206 - event.len();
    let decoded = v1::Event::decode(&event[..]).unwrap();
    let source = format!("{}{}", decoded.source, "x".repeat(missing));
    tidings_event::encode(&v1::Event { source, ..decoded })
}

#[tokio::test]
async fn the_metrics_count_how_deliveries_ended() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 3).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    session.ack(Vec::new(), vec![run_of(&first, 0, 2)]);
    confirmed(&mut session, 3).await;
    let counted = |counter| rig.deliver.stage.recorder.counted(counter);
    assert_eq!(counted(Counter::SettleDelivered), 3);
    assert!(counted(Counter::SettleRecordBytes) > 0);
}

#[tokio::test]
async fn what_a_seek_passes_over_is_settled() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 4).await;
    rig.publish(&topic, 0, 10).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first), [0, 1, 2, 3]);
    let at = |offset| Position {
        topic: topic.id,
        epoch: first.epoch,
        partition: first.partition,
        offset: Offset(offset),
    };
    session.ack(vec![], vec![Run::of(at(1))]);
    rig.deliver.seek(TENANT, "s", Start::Positions(vec![at(8)])).await.unwrap();
    let rest = next_delivery(&mut session).await;
    session.ack(vec![at(9)], vec![]);
    assert_eq!(offsets(&rest), [8, 9]);
    rig.deliver.close().await;
    let mut told: Vec<_> = settlements(&rig, 0)
        .await
        .into_iter()
        .map(|said| {
            (
                said.first,
                said.last,
                said.count,
                said.outcome().as_str_name().to_owned(),
                said.reason,
            )
        })
        .collect();
    told.sort();
    let run = |first, last, outcome: &str, reason: &str| {
        (first, last, last - first + 1, outcome.to_owned(), reason.to_owned())
    };
    assert_eq!(
        told,
        [
            run(0, 0, "SKIPPED", "SOUGHT"),
            run(1, 1, "DELIVERED", ""),
            run(2, 7, "SKIPPED", "SOUGHT"),
            run(8, 9, "DELIVERED", ""),
        ]
    );
}

#[tokio::test]
async fn who_would_be_held_back_has_its_acks_saved_before_the_interval_is_over() {
    let settings = DeliverSettings {
        cursor_interval: Duration::from_secs(3_600),
        ..DeliverSettings::default()
    };
    let rig = Rig::with(settings).await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("all", "a/b", 10).await;
    let mut session = rig.attach("all").await;
    for count in [6, 6, 10] {
        rig.publish(&topic, 0, count).await;
        let delivery = next_delivery(&mut session).await;
        settle(&mut session, &delivery);
        let Outgoing::Confirmed { runs, .. } = next(&mut session).await else { panic!() };
        assert_eq!(runs.iter().map(|run| run.last.0 - run.first.0 + 1).sum::<u64>(), count);
    }
    // Half of what may be unconfirmed is no reason.
    rig.publish(&topic, 0, 5).await;
    let delivery = next_delivery(&mut session).await;
    settle(&mut session, &delivery);
    nothing(&mut session).await;
}

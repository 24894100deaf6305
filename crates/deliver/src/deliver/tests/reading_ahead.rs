//! A consumer that is behind: what it is sent next is read while it is busy with what it has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Sharing, Topic};
use tidings_event::Clock;
use tidings_log::PartitionLog;
use tidings_telemetry::Counter;

use super::rig::{Rig, filter, next, next_delivery, offsets, settle};
use crate::{DeliverSettings, GapReason, Outgoing};

const BLOCKS: u64 = 12;
const EVENTS: u64 = 5;

/// Partitions with blocks, of which one read brings one.
async fn behind(partitions: u32) -> (Rig, Arc<Topic>) {
    with(1, partitions).await
}

async fn with(read_ahead_events: u64, partitions: u32) -> (Rig, Arc<Topic>) {
    let settings =
        DeliverSettings { read_bytes: 1, read_ahead_events, ..DeliverSettings::default() };
    let rig = Rig::with(settings).await;
    let topic = rig.topic("a/b", partitions).await;
    for _ in 0..BLOCKS {
        for partition in 0..partitions {
            rig.publish(&topic, partition, EVENTS).await;
        }
    }
    (rig, topic)
}

fn reads(rig: &Rig) -> u64 {
    rig.deliver.stage.recorder.counted(Counter::DeliverCatchUpReads)
}

/// Lets tasks that only need the log in memory come to their end.
async fn others_run() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_follows_is_read_while_nobody_asks_for_it() {
    for partitions in [1, 4] {
        let (rig, _) = behind(partitions).await;
        rig.subscribe("all", "a/b", 10_000).await;
        let mut session = rig.attach("all").await;
        let mut got: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for number in 1..=BLOCKS * u64::from(partitions) {
            let delivery = next_delivery(&mut session).await;
            others_run().await;
            // One more than was sent, up to the end.
            assert_eq!(reads(&rig), (number + 1).min(BLOCKS * u64::from(partitions)));
            got.entry(delivery.partition.0).or_default().extend(offsets(&delivery));
            settle(&mut session, &delivery);
        }
        let all: Vec<u64> = (0..BLOCKS * EVENTS).collect();
        assert_eq!(got.len(), partitions as usize);
        assert!(got.values().all(|offsets| *offsets == all), "{got:?}");
    }
}

#[tokio::test]
async fn the_last_events_are_not_read_ahead() {
    let (rig, _) = with(3 * EVENTS, 1).await;
    rig.subscribe("all", "a/b", 10_000).await;
    let mut session = rig.attach("all").await;
    for number in 1..=BLOCKS {
        let delivery = next_delivery(&mut session).await;
        others_run().await;
        assert_eq!(offsets(&delivery)[0], (number - 1) * EVENTS);
        let ahead = u64::from(number + 3 <= BLOCKS);
        assert_eq!(reads(&rig), number + ahead, "block {number}");
    }
}

#[tokio::test]
async fn partitions_have_their_turns() {
    let (rig, _) = behind(4).await;
    rig.subscribe("all", "a/b", 10_000).await;
    let mut session = rig.attach("all").await;
    let mut came = [0; 4];
    for _ in 0..BLOCKS * 4 {
        came[next_delivery(&mut session).await.partition.0 as usize] += 1;
        let (least, most) = (came.iter().min().unwrap(), came.iter().max().unwrap());
        assert!(most - least <= 3, "{came:?}");
    }
}

#[tokio::test]
async fn who_reads_with_others_reads_nothing_alone_ahead() {
    let (rig, _) = behind(1).await;
    let wanted = filter("instrument == 'AAPL'");
    rig.subscribe_with("filtered", "a/b", |spec| spec.filter = Some(wanted)).await;
    rig.subscribe_with("shared", "a/b", |spec| spec.sharing = Sharing::Group).await;
    for name in ["filtered", "shared"] {
        let mut session = rig.attach(name).await;
        next_delivery(&mut session).await;
        let before = reads(&rig);
        others_run().await;
        assert_eq!(reads(&rig), before, "{name}");
    }
}

#[tokio::test]
async fn a_consumer_that_is_gone_has_nothing_read() {
    let (rig, _) = behind(1).await;
    rig.subscribe("all", "a/b", 10_000).await;
    let mut session = rig.attach("all").await;
    next_delivery(&mut session).await;
    drop(session);
    others_run().await;
    let mut again = rig.attach("all").await;
    // Nothing was settled: it begins anew.
    assert_eq!(offsets(&next_delivery(&mut again).await), (0..EVENTS).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_retention_took_ahead_is_told_once_when_it_is_its_turn() {
    let (rig, topic) = behind(1).await;
    rig.subscribe("all", "a/b", 10_000).await;
    let mut session = rig.attach("all").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), (0..EVENTS).collect::<Vec<_>>());
    // The read of what follows has not run yet.
    rig.clock.advance(Duration::from_secs(30 * 86_400));
    rig.log.trim(rig.clock.wall()).await;
    others_run().await;
    let end = BLOCKS * EVENTS;
    rig.publish(&topic, 0, EVENTS).await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.reason), (EVENTS, end - 1, GapReason::Retention));
    assert_eq!(
        offsets(&next_delivery(&mut session).await),
        (end..end + EVENTS).collect::<Vec<_>>()
    );
}

//! Stream consumers.

use std::time::Duration;

use tidings_event::{Code, Epoch, Offset, PartitionId, Position, TopicName};
use tidings_log::PartitionLog;

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets};
use crate::{DeliverSettings, Delivery, GapReason, Outgoing, Run};

fn position(delivery: &Delivery, offset: u64) -> Position {
    let (topic, epoch) = (delivery.topic.id, delivery.epoch);
    Position { topic, epoch, partition: delivery.partition, offset: Offset(offset) }
}

fn run(delivery: &Delivery, first: u64, last: u64) -> Run {
    Run { last: Offset(last), ..Run::of(position(delivery, first)) }
}

pub(super) async fn confirmed(session: &mut crate::Session) -> (Vec<(u64, u64)>, Vec<(u64, u64)>) {
    let plain = |runs: Vec<Run>| runs.iter().map(|run| (run.first.0, run.last.0)).collect();
    match next(session).await {
        Outgoing::Confirmed { runs, stale } => (plain(runs), plain(stale)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn after_a_crash_everything_after_the_last_confirmed_ack_comes_again() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/**", 100).await;
    rig.publish(&topic, 0, 10).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first), (0..10).collect::<Vec<_>>());
    assert!(first.redelivered.is_empty() && first.attempts.is_empty());
    session.ack(vec![position(&first, 3)], vec![run(&first, 6, 7)]);
    assert_eq!(confirmed(&mut session).await, (vec![(0, 3), (6, 7)], vec![]));
    let rig = rig.crash().await;
    let mut session = rig.attach("s").await;
    let again = next_delivery(&mut session).await;
    let flagged = vec![(Offset(4), 2), (Offset(8), 2)];
    assert_eq!((offsets(&again), again.redelivered), (vec![4, 5, 8, 9], flagged));
    rig.publish(&topic, 0, 1).await;
    let new = next_delivery(&mut session).await;
    assert_eq!((offsets(&new), new.redelivered), (vec![10], vec![]));
}

#[tokio::test]
async fn an_ack_is_confirmed_only_when_its_cursor_is_durable() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 2).await;
    rig.publish(&topic, 0, 4).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first), [0, 1]);
    nothing(&mut session).await;
    rig.log.hold();
    session.ack(vec![position(&first, 1)], vec![]);
    // The ack frees the window at once.
    let second = next_delivery(&mut session).await;
    assert_eq!(offsets(&second), [2, 3]);
    nothing(&mut session).await;
    let crashed = rig.log.reopen();
    rig.log.release_all();
    assert_eq!(confirmed(&mut session).await.0, [(0, 1)]);
    assert!(crashed.table(tidings_log::Table::CURSORS).is_empty());
}

#[tokio::test]
async fn a_cursor_that_cannot_be_saved_ends_the_stream_and_confirms_nothing() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 10).await;
    rig.publish(&topic, 0, 4).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    rig.log.fail();
    session.ack(vec![position(&first, 1)], vec![]);
    let Outgoing::Closed(refusal) = next(&mut session).await else { panic!("not closed") };
    assert!(matches!(refusal.code, Code::LogReadOnly | Code::UnknownOutcome));
    assert!(session.next().await.is_none());
}

#[tokio::test]
async fn deliveries_are_cut_to_credit() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 10).await;
    let mut session = rig.deliver.attach(TENANT, "s", "c").await.unwrap();
    nothing(&mut session).await;
    session.grant(3, 0);
    nothing(&mut session).await;
    session.grant(0, 1 << 20);
    assert_eq!(offsets(&next_delivery(&mut session).await), [0, 1, 2]);
    nothing(&mut session).await;
    session.grant(100, 0);
    assert_eq!(offsets(&next_delivery(&mut session).await), (3..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn one_stream_at_a_time_and_the_next_gets_what_it_left() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    let refusal = rig.deliver.attach(TENANT, "s", "other").await.unwrap_err();
    assert_eq!(refusal.code, Code::SubscriptionBusy);
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().in_flight, 5);
    session.ack(vec![], vec![run(&first, 1, 1)]);
    drop(session);
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.in_flight, status.lag_events, status.consumer), (0, 4, None));
    let mut session = rig.attach("s").await;
    let again = next_delivery(&mut session).await;
    assert_eq!(offsets(&again), [0, 2, 3, 4]);
    assert_eq!(again.attempts, [(Offset(0), 1, 2), (Offset(2), 3, 2)]);
    assert_eq!(again.redelivered, [(Offset(0), 1), (Offset(2), 3)]);
    let refusal = rig.deliver.attach(TENANT, "none", "other").await.unwrap_err();
    assert_eq!(refusal.code, Code::SubscriptionUnknown);
}

#[tokio::test]
async fn acks_of_what_is_not_in_flight_are_stale() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 2).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    let elsewhere = Run { partition: PartitionId(1), ..run(&first, 0, 0) };
    session.ack(
        vec![],
        vec![run(&first, 7, 9), Run { epoch: Epoch(9), ..run(&first, 0, 0) }, elsewhere],
    );
    assert_eq!(confirmed(&mut session).await, (vec![], vec![(7, 9), (0, 0), (0, 0)]));
    session.ack(vec![], vec![run(&first, 3, 6)]);
    assert_eq!(confirmed(&mut session).await, (vec![(3, 4)], vec![(5, 6)]));
    session.ack(vec![position(&first, 4)], vec![]);
    assert_eq!(confirmed(&mut session).await, (vec![(0, 2)], vec![]));
}

#[tokio::test]
async fn what_is_given_back_comes_first() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 4).await;
    rig.publish(&topic, 0, 8).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    session.nack(vec![run(&first, 1, 2)], Duration::ZERO);
    nothing(&mut session).await;
    rig.clock.advance(Duration::from_secs(1));
    let again = next_delivery(&mut session).await;
    assert_eq!((offsets(&again), again.attempts), (vec![1], vec![(Offset(1), 1, 2)]));
    // What went out again came later than that; it may not have been seen yet.
    session.ack(vec![position(&first, 3)], vec![]);
    nothing_but_confirmations(&mut session).await;
    session.ack(vec![position(&first, 1)], vec![]);
    let again = next_delivery(&mut session).await;
    assert_eq!((offsets(&again), again.attempts), (vec![2], vec![(Offset(2), 1, 2)]));
    nothing_but_confirmations(&mut session).await;
    session.ack(vec![], vec![run(&first, 2, 2)]);
    assert_eq!(offsets(&next_delivery(&mut session).await), [4, 5, 6, 7]);
}

#[tokio::test]
async fn a_consumer_that_falls_behind_reads_the_log_and_misses_nothing() {
    let settings = DeliverSettings {
        live_bytes: 2_000,
        read_bytes: 1_000,
        cursor_interval: Duration::from_millis(1),
        ..DeliverSettings::default()
    };
    let rig = Rig::with(settings).await;
    let topic = rig.topic("a/b", 2).await;
    rig.subscribe("s", "a/b", 50).await;
    let mut session = rig.attach("s").await;
    let mut seen = [0, 0];
    for round in 0..60u64 {
        rig.publish(&topic, 0, 1 + round % 7).await;
        rig.publish(&topic, 1, 3).await;
        if round % 3 == 0 {
            take(&mut session, &mut seen).await;
        }
    }
    let total: u64 = (0..60).map(|round| 1 + round % 7).sum();
    while seen != [total, 180] {
        take(&mut session, &mut seen).await;
    }
    nothing_but_confirmations(&mut session).await;
}

async fn take(session: &mut crate::Session, seen: &mut [u64; 2]) {
    let delivery = next_delivery(session).await;
    let partition = delivery.partition.0 as usize;
    let got = offsets(&delivery);
    let next = seen[partition];
    assert_eq!(got, (next..next + got.len() as u64).collect::<Vec<_>>());
    seen[partition] += got.len() as u64;
    session.ack(vec![position(&delivery, seen[partition] - 1)], vec![]);
}

pub(super) async fn nothing_but_confirmations(session: &mut crate::Session) {
    let left = tidings_telemetry::Timer.limit(Duration::from_millis(50), async {
        loop {
            match session.next().await {
                Some(Outgoing::Confirmed { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert!(left.await.is_err());
}

#[tokio::test]
async fn a_topic_that_comes_later_starts_at_its_first_event() {
    let rig = Rig::new().await;
    rig.subscribe("s", "a/*", 100).await;
    let mut session = rig.attach("s").await;
    let topic = rig.topic("a/new", 1).await;
    rig.publish(&topic, 0, 3).await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [0, 1, 2]);
}

#[tokio::test]
async fn what_is_gone_is_told() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 2).await;
    rig.publish(&topic, 0, 5).await;
    rig.clock.advance(Duration::from_secs(30 * 86_400));
    rig.log.trim(tidings_event::Clock::wall(rig.clock.as_ref())).await;
    rig.publish(&topic, 0, 2).await;
    let mut session = rig.attach("s").await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.count, gap.reason), (0, 4, 5, GapReason::Retention));
    assert_eq!(offsets(&next_delivery(&mut session).await), [5, 6]);
    rig.catalog.delete_topic(&TopicName::default_tenant("a/b").unwrap()).await.unwrap();
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.count, gap.reason), (5, 6, 2, GapReason::TopicDeleted));
    rig.catalog.delete_subscription(TENANT, "s").await.unwrap();
    let Outgoing::Closed(refusal) = next(&mut session).await else { panic!("not closed") };
    assert_eq!(refusal.code, Code::SubscriptionGone);
}

#[tokio::test]
async fn what_is_gone_while_nobody_listens_is_told_to_who_comes_next() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 2).await;
    rig.publish(&topic, 0, 5).await;
    rig.catalog.delete_topic(&TopicName::default_tenant("a/b").unwrap()).await.unwrap();
    let mut session = rig.attach("s").await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.count, gap.reason), (0, 4, 5, GapReason::TopicDeleted));
}

#[tokio::test]
async fn a_clean_stop_saves_what_was_acknowledged() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    session.ack(vec![position(&first, 4)], vec![]);
    rig.deliver.close().await;
    assert_eq!(confirmed(&mut session).await.0, [(0, 4)]);
    assert!(
        matches!(next(&mut session).await, Outgoing::Closed(r) if r.code == Code::ShuttingDown)
    );
    let rig = rig.crash().await;
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 0);
}

#[tokio::test]
async fn a_damaged_range_is_told_and_passed_over() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let live = rig.deliver.registry.find(TENANT, "s").unwrap();
    let partition = tidings_event::TopicPartition { topic: topic.id, partition: PartitionId(0) };
    let lost = tidings_log::ReadError::DataLoss { partition, from: Offset(0), to: Offset(2) };
    live.lock().filled((partition, 0, crate::slot::ReadFor::Fresh), Err(lost));
    let mut session = rig.attach("s").await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.count, gap.reason), (0, 2, 3, GapReason::DataLoss));
    assert_eq!(offsets(&next_delivery(&mut session).await), [3, 4]);
}

#[tokio::test]
async fn the_metric_of_what_is_in_flight_returns_to_zero() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let in_flight = || rig.deliver.stage.recorder.gauge(tidings_telemetry::Gauge::DeliverInFlight);
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    assert_eq!(in_flight(), 5);
    session.ack(vec![position(&first, 1)], vec![]);
    assert_eq!(in_flight(), 3);
    drop(session);
    assert_eq!(in_flight(), 0);
}

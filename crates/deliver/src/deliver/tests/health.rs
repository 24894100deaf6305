//! How subscriptions do, as the lookout and the status tell it.

use std::time::Duration;

use tidings_event::Position;
use tidings_telemetry::{Counter, Gauge};

use super::rig::{Rig, TENANT, next_delivery};
use crate::{Health, Session, SubscriptionStatus};

async fn looks(rig: &Rig, seconds: u64) -> Health {
    for _ in 0..seconds {
        rig.clock.advance(Duration::from_secs(1));
        rig.deliver.lookout.look().await;
    }
    rig.deliver.status(TENANT, "s").unwrap().health
}

async fn status(rig: &Rig) -> SubscriptionStatus {
    rig.deliver.examine(TENANT, "s").await.unwrap()
}

fn ack(rig: &Rig, session: &Session, topic: &tidings_catalog::Topic, offset: u64) {
    let position = Position {
        topic: topic.id,
        epoch: rig.deliver.stage.log.epoch(),
        partition: tidings_event::PartitionId(0),
        offset: tidings_event::Offset(offset),
    };
    session.ack(vec![position], Vec::new());
}

#[tokio::test]
async fn a_connection_that_stays_open_and_acknowledges_nothing_is_stalled() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    assert_eq!(looks(&rig, 2).await, Health::Gone);
    let mut session = rig.attach("s").await;
    assert_eq!(looks(&rig, 30).await, Health::Idle);
    rig.publish(&topic, 0, 5).await;
    next_delivery(&mut session).await;
    assert_eq!(looks(&rig, 20).await, Health::Connected);
    assert_eq!(looks(&rig, 9).await, Health::Stalled, "told within 30 s");
    let recorder = &rig.deliver.stage.recorder;
    let changes = recorder.counted(Counter::DeliverHealthChanges);
    assert_eq!(looks(&rig, 100).await, Health::Stalled);
    assert_eq!(recorder.counted(Counter::DeliverHealthChanges), changes, "it is told once");
    assert_eq!((recorder.gauge(Gauge::DeliverStalled), recorder.gauge(Gauge::DeliverIdle)), (1, 0));
    ack(&rig, &session, &topic, 4);
    assert_eq!(looks(&rig, 1).await, Health::Active);
    drop(session);
    assert_eq!(looks(&rig, 1).await, Health::Gone);
    assert_eq!((recorder.gauge(Gauge::DeliverStalled), recorder.gauge(Gauge::DeliverGone)), (0, 1));
}

#[tokio::test]
async fn a_slow_consumer_lags_by_the_age_of_its_oldest_event() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    let mut session = rig.attach("s").await;
    for second in 0..40 {
        rig.publish(&topic, 0, 2).await;
        next_delivery(&mut session).await;
        ack(&rig, &session, &topic, second / 4);
        looks(&rig, 1).await;
    }
    let status = status(&rig).await;
    assert_eq!((status.health, status.lag_events), (Health::Lagging, 70));
    // Its oldest event is number 10, of the sixth second; the last look was a second ago.
    assert_eq!(status.lag, Some(Duration::from_secs(35)));
}

#[tokio::test]
async fn the_age_of_what_nobody_consumes_is_read() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 2).await;
    rig.subscribe("s", "a/b", 100).await;
    assert_eq!(status(&rig).await.lag, Some(Duration::ZERO));
    rig.publish(&topic, 0, 3).await;
    rig.clock.advance(Duration::from_secs(7));
    rig.publish(&topic, 1, 3).await;
    rig.clock.advance(Duration::from_secs(2));
    let seen = status(&rig).await;
    assert_eq!((seen.lag_events, seen.lag), (6, Some(Duration::from_secs(9))));
    let mut session = rig.attach("s").await;
    for _ in 0..2 {
        next_delivery(&mut session).await;
    }
    ack(&rig, &session, &topic, 2);
    let seen = status(&rig).await;
    assert_eq!((seen.lag_events, seen.lag), (3, Some(Duration::from_secs(2))));
    assert_eq!(seen.members.len(), 1);
    assert_eq!((seen.members[0].is_active, seen.members[0].in_flight), (true, 3));
}

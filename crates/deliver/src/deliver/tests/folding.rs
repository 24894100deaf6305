//! Bursts of look-alike anomalies.

use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Folding, Precondition, Topic};
use tidings_event::{Offset, Position, v1};
use tidings_telemetry::{Counter, Timer};

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets};
use crate::{Delivery, Outgoing, PullRequest, Pulled, Session};

fn anomaly(offset: u64, r#type: &str, severity: v1::Severity) -> Vec<u8> {
    let mut id = vec![7; 16];
    id[..8].copy_from_slice(&offset.to_le_bytes());
    let anomaly = v1::Anomaly { r#type: r#type.into(), ..v1::Anomaly::default() };
    tidings_event::encode(&v1::Event {
        id: id.into(),
        source: "test".into(),
        kind: v1::Kind::Anomaly as i32,
        instrument: "AAPL".into(),
        venue: "XNAS".into(),
        produced_at: 1,
        key_seq: Some(offset),
        severity: severity as i32,
        payload: Some(v1::event::Payload::Anomaly(anomaly)),
        ..v1::Event::default()
    })
}

async fn rig() -> (Rig, Arc<Topic>) {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let folding = Some(Folding { window: Duration::from_millis(200) });
    rig.subscribe_with("s", "a/b", |spec| spec.folding = folding).await;
    (rig, topic)
}

async fn alike(rig: &Rig, topic: &Topic, offsets: std::ops::Range<u64>) {
    let events: Vec<_> =
        offsets.map(|offset| anomaly(offset, "VOLUME_SPIKE", v1::Severity::High)).collect();
    rig.append(topic, 0, &events).await;
}

async fn soon(session: &mut Session) -> Option<Delivery> {
    match Timer.limit(Duration::from_millis(20), session.next()).await {
        Ok(Some(Outgoing::Delivery(delivery))) => Some(delivery),
        Ok(other) => panic!("{other:?}"),
        Err(_) => None,
    }
}

fn ack(rig: &Rig, session: &Session, topic: &Topic, offset: u64) {
    let position = Position {
        topic: topic.id,
        epoch: rig.deliver.stage.log.epoch(),
        partition: tidings_event::PartitionId(0),
        offset: Offset(offset),
    };
    session.ack(vec![position], Vec::new());
}

fn lag(rig: &Rig) -> u64 {
    rig.deliver.status(TENANT, "s").unwrap().lag_events
}

#[tokio::test]
async fn a_storm_of_look_alikes_is_the_first_and_a_few_digests() {
    let (rig, topic) = rig().await;
    let mut session = rig.attach("s").await;
    let mut told = Vec::new();
    for part in 0..50 {
        alike(&rig, &topic, part * 100..part * 100 + 100).await;
        if part == 0 {
            let first = next_delivery(&mut session).await;
            assert_eq!((offsets(&first), first.digests.len()), (vec![0], 0), "it goes at once");
        }
        told.extend(soon(&mut session).await);
        rig.clock.advance(Duration::from_millis(40));
    }
    rig.clock.advance(Duration::from_millis(200));
    told.extend(soon(&mut session).await);
    assert!(told.iter().all(|delivery| delivery.count == 1 && delivery.digests.len() == 1));
    let digests: Vec<_> = told.iter().map(|delivery| &delivery.digests[0]).collect();
    assert!(digests.len() <= 20, "{}", digests.len());
    assert_eq!(digests.iter().map(|(_, digest)| digest.count).sum::<u64>(), 4_999);
    let (newest, last) = digests.last().unwrap();
    assert_eq!((newest.0, last.runs.last().unwrap().1), (4_999, 5_000));
    assert_eq!(last.ids.len() as u64, last.count.min(1_000));
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().in_flight, digests.len() as u64 + 1);
    ack(&rig, &session, &topic, 4_999);
    assert_eq!(lag(&rig), 0);
    let folded = rig.deliver.stage.recorder.counted(Counter::SettleFolded);
    assert_eq!(folded, 4_999 - told.len() as u64);
    // After a restart nothing of it comes again.
    assert!(matches!(next(&mut session).await, Outgoing::Confirmed { .. }));
    drop(session);
    let rig = rig.crash().await;
    nothing(&mut rig.attach("s").await).await;
}

#[tokio::test]
async fn a_restart_before_a_digest_is_acknowledged_loses_nothing() {
    let (rig, topic) = rig().await;
    alike(&rig, &topic, 0..10).await;
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [0]);
    nothing(&mut session).await;
    rig.clock.advance(Duration::from_millis(200));
    let digest = next_delivery(&mut session).await;
    assert_eq!((offsets(&digest), digest.digests[0].1.count), (vec![9], 9));
    drop(session);
    let rig = rig.crash().await;
    assert_eq!(lag(&rig), 10);
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [0]);
    nothing(&mut session).await;
    rig.clock.advance(Duration::from_millis(200));
    let digest = next_delivery(&mut session).await;
    assert_eq!((digest.redelivered.clone(), digest.digests[0].1.count), (vec![(Offset(9), 1)], 9));
    ack(&rig, &session, &topic, 9);
    assert_eq!(lag(&rig), 0);
}

#[tokio::test]
async fn a_digest_that_was_not_settled_is_told_again() {
    let (rig, topic) = rig().await;
    alike(&rig, &topic, 0..5).await;
    let mut session = rig.attach("s").await;
    next_delivery(&mut session).await;
    ack(&rig, &session, &topic, 0);
    rig.clock.advance(Duration::from_millis(200));
    let digest = next_delivery(&mut session).await;
    drop(session);
    assert_eq!(lag(&rig), 4);
    // Whoever comes next, and however it takes it.
    let request = PullRequest { max: 10, wait: Duration::ZERO, consumer: "c".into() };
    let pulled = rig.deliver.pull(TENANT, "s", request).await.unwrap();
    let [Pulled::Event(event)] = &pulled[..] else { panic!("{pulled:?}") };
    assert_eq!((event.position.offset.0, event.attempt), (4, 2));
    assert_eq!(event.digest.as_ref(), Some(&digest.digests[0].1));
    let acks = crate::AckRequest { up_to: Vec::new(), ack_ids: vec![event.ack_id] };
    rig.deliver.ack(TENANT, "s", acks).await.unwrap();
    assert_eq!(lag(&rig), 0);
}

#[tokio::test]
async fn only_anomalies_of_one_key_type_and_severity_are_alike() {
    let (rig, topic) = rig().await;
    let events = [
        anomaly(0, "VOLUME_SPIKE", v1::Severity::High),
        anomaly(1, "VOLUME_SPIKE", v1::Severity::Low),
        anomaly(2, "PRICE_GAP", v1::Severity::High),
        super::rig::summary(3, "AAPL", "XNAS", true),
        super::rig::summary(4, "AAPL", "XNAS", true),
        anomaly(5, "VOLUME_SPIKE", v1::Severity::High),
    ];
    rig.append(&topic, 0, &events).await;
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [0, 1, 2, 3, 4]);
    nothing(&mut session).await;
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().folded, 1);
    rig.clock.advance(Duration::from_millis(200));
    assert_eq!(offsets(&next_delivery(&mut session).await), [5]);
    // Nothing came for another window: the next goes at once.
    rig.clock.advance(Duration::from_millis(400));
    nothing(&mut session).await;
    alike(&rig, &topic, 6..7).await;
    let alone = next_delivery(&mut session).await;
    assert_eq!((offsets(&alone), alone.digests.len()), (vec![6], 0));
}

#[tokio::test]
async fn folding_can_be_switched_on_and_off() {
    let (rig, topic) = rig().await;
    alike(&rig, &topic, 0..5).await;
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [0]);
    nothing(&mut session).await;
    let set = |folding| {
        move |spec: &tidings_catalog::SubscriptionSpec| {
            Ok(tidings_catalog::SubscriptionSpec { folding, ..spec.clone() })
        }
    };
    rig.catalog.update_subscription(TENANT, "s", set(None), Precondition::None).await.unwrap();
    alike(&rig, &topic, 5..8).await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [5, 6, 7]);
    // What was folded before is told all the same.
    rig.clock.advance(Duration::from_millis(200));
    assert_eq!(next_delivery(&mut session).await.digests[0].1.count, 4);
    let folding = Some(Folding { window: Duration::from_millis(100) });
    rig.catalog.update_subscription(TENANT, "s", set(folding), Precondition::None).await.unwrap();
    alike(&rig, &topic, 8..12).await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [8]);
    nothing(&mut session).await;
    rig.clock.advance(Duration::from_millis(100));
    assert_eq!(offsets(&next_delivery(&mut session).await), [11]);
}

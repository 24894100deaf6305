//! Pull consumers.

use std::time::Duration;

use tidings_event::Code;
use tidings_telemetry::Timer;

use super::rig::{Rig, TENANT};
use crate::{AckId, AckRequest, AckState, PullRequest, Pulled, PulledEvent};

pub(super) async fn pull(rig: &Rig, max: u32, consumer: &str) -> Vec<PulledEvent> {
    let request = PullRequest { max, wait: Duration::ZERO, consumer: consumer.to_owned() };
    let pulled = rig.deliver.pull(TENANT, "s", request).await.unwrap();
    let event = |pulled| match pulled {
        Pulled::Event(event) => event,
        Pulled::Gap(gap) => panic!("{gap:?}"),
    };
    pulled.into_iter().map(event).collect()
}

fn offsets(pulled: &[PulledEvent]) -> Vec<u64> {
    pulled.iter().map(|event| event.position.offset.0).collect()
}

pub(super) async fn ack(rig: &Rig, up_to: &[AckId], ack_ids: &[AckId]) -> Vec<AckState> {
    let request = AckRequest { up_to: up_to.to_vec(), ack_ids: ack_ids.to_vec() };
    let answers = rig.deliver.ack(TENANT, "s", request).await.unwrap();
    answers.into_iter().map(|(_, state)| state).collect()
}

async fn rig(events: u64) -> Rig {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, events).await;
    rig
}

#[tokio::test]
async fn pulled_events_are_settled_by_their_ids_for_good() {
    let rig = rig(10).await;
    let first = pull(&rig, 4, "c").await;
    assert_eq!(offsets(&first), [0, 1, 2, 3]);
    assert_eq!(offsets(&pull(&rig, 100, "c").await), (4..10).collect::<Vec<_>>());
    assert_eq!(ack(&rig, &[first[1].ack_id], &[first[3].ack_id]).await, [AckState::Confirmed; 2]);
    assert_eq!(ack(&rig, &[], &[first[0].ack_id]).await, [AckState::Stale]);
    let rig = rig.crash().await;
    let again = pull(&rig, 100, "c").await;
    assert_eq!(offsets(&again), [2, 4, 5, 6, 7, 8, 9]);
    assert!(again.iter().all(|event| event.redelivered));
    assert_eq!(ack(&rig, &[], &[first[2].ack_id]).await, [AckState::Stale]);
}

#[tokio::test]
async fn an_event_whose_deadline_passed_comes_again_and_a_late_ack_still_counts() {
    let rig = rig(3).await;
    let first = pull(&rig, 3, "c").await;
    rig.clock.advance(Duration::from_secs(29));
    assert!(pull(&rig, 3, "c").await.is_empty());
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(ack(&rig, &[], &[first[1].ack_id]).await, [AckState::Stale]);
    rig.clock.advance(Duration::from_secs(1));
    let again = pull(&rig, 3, "c").await;
    assert_eq!(offsets(&again), [0]);
    assert!(again.iter().all(|event| event.redelivered && event.attempt == 2));
    // Of an earlier attempt, but the same consumer has it.
    assert_eq!(ack(&rig, &[], &[first[0].ack_id]).await, [AckState::Stale]);
    let again = pull(&rig, 3, "c").await;
    assert_eq!((offsets(&again), again[0].attempt), (vec![2], 2));
    assert_eq!(ack(&rig, &[], &[again[0].ack_id]).await, [AckState::Confirmed]);
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 0);
}

#[tokio::test]
async fn what_is_given_back_waits_its_delay() {
    let rig = rig(3).await;
    let first = pull(&rig, 2, "c").await;
    let ids = vec![first[0].ack_id, first[0].ack_id];
    let answers = rig.deliver.nack(TENANT, "s", ids, Duration::from_secs(5)).await.unwrap();
    assert_eq!(
        answers.iter().map(|a| a.1).collect::<Vec<_>>(),
        [AckState::Confirmed, AckState::Stale]
    );
    assert!(pull(&rig, 5, "c").await.is_empty());
    rig.clock.advance(Duration::from_secs(5));
    let again = pull(&rig, 5, "c").await;
    assert_eq!((offsets(&again), again[0].attempt), (vec![0], 2));
    assert_eq!(ack(&rig, &[], &[again[0].ack_id]).await, [AckState::Confirmed]);
    let held = pull(&rig, 5, "c").await;
    assert_eq!((offsets(&held), held[0].attempt, held[0].redelivered), (vec![2], 1, false));
}

#[tokio::test]
async fn more_time_for_an_event_moves_its_deadline() {
    let rig = rig(2).await;
    let first = pull(&rig, 2, "c").await;
    rig.clock.advance(Duration::from_secs(29));
    let more = rig.deliver.extend(TENANT, "s", vec![first[1].ack_id], Duration::from_secs(60));
    assert_eq!(more.unwrap()[0].1, AckState::Confirmed);
    rig.clock.advance(Duration::from_secs(2));
    assert!(pull(&rig, 5, "c").await.is_empty());
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(offsets(&pull(&rig, 5, "c").await), [0]);
    assert_eq!(ack(&rig, &[], &[first[1].ack_id]).await, [AckState::Confirmed]);
    let late = rig.deliver.extend(TENANT, "s", vec![first[1].ack_id], Duration::from_secs(60));
    assert_eq!(late.unwrap()[0].1, AckState::Stale);
}

#[tokio::test]
async fn another_consumer_waits_until_nothing_is_in_flight() {
    let rig = rig(3).await;
    pull(&rig, 2, "c").await;
    let request = PullRequest { max: 1, wait: Duration::ZERO, consumer: "other".into() };
    let refusal = rig.deliver.pull(TENANT, "s", request.clone()).await.unwrap_err();
    assert_eq!(refusal.code, Code::SubscriptionBusy);
    assert_eq!(
        rig.deliver.attach(TENANT, "s", "x").await.unwrap_err().code,
        Code::SubscriptionBusy
    );
    rig.clock.advance(Duration::from_secs(31));
    assert!(rig.deliver.pull(TENANT, "s", request.clone()).await.unwrap().is_empty());
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.deliver.pull(TENANT, "s", request).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_pull_waits_for_the_first_event_and_a_dropped_one_loses_nothing() {
    let rig = rig(0).await;
    let topic = rig.topic("a/b", 1).await;
    let wait = Duration::from_secs(20);
    let request = PullRequest { max: 10, wait, consumer: "c".into() };
    let pulling = rig.deliver.pull(TENANT, "s", request.clone());
    assert!(Timer.limit(Duration::from_millis(20), pulling).await.is_err());
    let (pulled, ()) =
        tokio::join!(rig.deliver.pull(TENANT, "s", request), rig.publish(&topic, 0, 3));
    assert_eq!(pulled.unwrap().len(), 3);
}

#[tokio::test]
async fn a_pull_names_its_consumer() {
    let rig = rig(1).await;
    let request = PullRequest { max: 1, wait: Duration::ZERO, consumer: String::new() };
    let refusal = rig.deliver.pull(TENANT, "s", request).await.unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldMissing, "consumer"));
}

//! Subscriptions with filters: what they take, what they pass, and what changes of them do.

use tidings_catalog::{Precondition, Topic};
use tidings_event::Offset;
use tidings_telemetry::Counter;

use super::rig::{Rig, TENANT, filter, next_delivery, nothing, offsets, summary};
use super::streaming::nothing_but_confirmations;
use crate::{Delivery, GapReason, Outgoing, Run, Session, SubscriptionState};

/// Events of instruments A, B, C in turn, the first of which is the offset's.
async fn publish(rig: &Rig, topic: &Topic, count: u64) {
    let at =
        tidings_event::TopicPartition { topic: topic.id, partition: tidings_event::PartitionId(0) };
    let base = tidings_log::PartitionLog::bounds(rig.log.as_ref(), at).unwrap().tail.0;
    let keys = ["A", "B", "C"];
    let events: Vec<_> = (base..base + count)
        .map(|n| summary(n, keys[usize::try_from(n % 3).unwrap()], "XNAS", true))
        .collect();
    rig.append(topic, 0, &events).await;
}

async fn subscribe(rig: &Rig, text: &str) {
    let wanted = filter(text);
    rig.subscribe_with("s", "a/**", |spec| spec.filter = Some(wanted)).await;
}

async fn change(rig: &Rig, text: &str) -> u64 {
    let wanted = filter(text);
    let change = move |spec: &tidings_catalog::SubscriptionSpec| {
        let mut spec = spec.clone();
        spec.filter = Some(wanted);
        Ok(spec)
    };
    let changed =
        rig.catalog.update_subscription(TENANT, "s", change, Precondition::default()).await;
    let changed = changed.unwrap().into_inner();
    changed.revision().unwrap().boundary.iter().next().unwrap().1.0
}

fn ack_all(session: &Session, delivery: &Delivery) {
    let runs = delivery.offsets.iter().map(|&(first, count)| Run {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        first,
        last: Offset(first.0 + u64::from(count) - 1),
    });
    session.ack(Vec::new(), runs.collect());
}

/// What comes, until that many came; acknowledged.
async fn take(session: &mut Session, count: usize) -> Vec<u64> {
    let mut all = Vec::new();
    while all.len() < count {
        let delivery = next_delivery(session).await;
        all.extend(offsets(&delivery));
        ack_all(session, &delivery);
    }
    all
}

fn every_third(from: u64, end: u64) -> Vec<u64> {
    (from..end).filter(|at| at % 3 == from % 3).collect()
}

#[tokio::test]
async fn a_subscription_is_sent_what_its_filter_takes_live_and_from_the_log() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    subscribe(&rig, "instrument == 'B'").await;
    publish(&rig, &topic, 30).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    // One delivery for the block, its events gathered.
    assert_eq!(offsets(&first), every_third(1, 30));
    ack_all(&session, &first);
    publish(&rig, &topic, 30).await;
    publish(&rig, &topic, 1).await;
    assert_eq!(take(&mut session, 10).await, every_third(31, 60));
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.in_flight), (0, 0));
    assert_eq!(status.low_water[0].offset, Offset(61));
}

#[tokio::test]
async fn what_nobody_takes_is_passed_without_reading_the_log() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    subscribe(&rig, "instrument == 'NONE'").await;
    let mut session = rig.attach("s").await;
    for _ in 0..20 {
        publish(&rig, &topic, 30).await;
    }
    nothing(&mut session).await;
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.low_water[0].offset), (0, Offset(600)));
    assert_eq!(rig.deliver.stage.recorder.counted(Counter::DeliverCatchUpReads), 0);
    // What is passed is saved with the next stop, and not looked at again.
    rig.deliver.close().await;
    let rig = rig.crash().await;
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 0);
}

#[tokio::test]
async fn a_change_of_the_filter_is_exact_at_its_boundary() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    subscribe(&rig, "instrument == 'A'").await;
    let mut session = rig.attach("s").await;
    publish(&rig, &topic, 30).await;
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first), every_third(0, 30));
    publish(&rig, &topic, 30).await;
    let boundary = change(&rig, "instrument == 'B' || instrument == 'C'").await;
    assert_eq!(boundary, 60);
    publish(&rig, &topic, 30).await;
    let wanted: Vec<u64> = (30..90).filter(|at| (at % 3 == 0) == (*at < 60)).collect();
    assert_eq!(take(&mut session, 30).await, wanted);
    // What is handed over live, too.
    publish(&rig, &topic, 30).await;
    let wanted: Vec<u64> = (90..120).filter(|at| at % 3 != 0).collect();
    assert_eq!(take(&mut session, 20).await, wanted);
    // What was in flight is not touched.
    ack_all(&session, &first);
    nothing_but_confirmations(&mut session).await;
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.low_water[0].offset), (0, Offset(120)));
}

#[tokio::test]
async fn nothing_is_judged_while_a_subscription_is_held() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    subscribe(&rig, "instrument == 'A'").await;
    let mut session = rig.attach("s").await;
    publish(&rig, &topic, 30).await;
    assert_eq!(take(&mut session, 10).await, every_third(0, 30));
    let id = rig.catalog.snapshot().subscription(TENANT, "s").unwrap().id;
    rig.deliver.registry.hold(id);
    publish(&rig, &topic, 30).await;
    // Neither the consumer nor who asks how far it is has anything judged.
    nothing_but_confirmations(&mut session).await;
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.low_water[0].offset, status.in_flight), (Offset(30), 0));
    let boundary = change(&rig, "instrument == 'B'").await;
    assert_eq!(boundary, 60);
    // Who held it besides the change lets it go.
    nothing_but_confirmations(&mut session).await;
    rig.deliver.registry.let_go(id);
    assert_eq!(take(&mut session, 10).await, every_third(30, 60));
    publish(&rig, &topic, 30).await;
    assert_eq!(take(&mut session, 10).await, every_third(61, 90));
}

#[tokio::test]
async fn nothing_is_sent_by_the_old_filter_once_nobody_knows_whether_a_new_one_is_stored() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    subscribe(&rig, "instrument == 'A'").await;
    publish(&rig, &topic, 30).await;
    let mut session = rig.deliver.attach(TENANT, "s", "test").await.unwrap();
    let select = |text: &str| {
        let wanted = filter(text);
        let change = move |spec: &tidings_catalog::SubscriptionSpec| {
            Ok(tidings_catalog::SubscriptionSpec { filter: Some(wanted), ..spec.clone() })
        };
        rig.catalog.update_subscription(TENANT, "s", change, Precondition::None)
    };
    rig.log.hold();
    let fail = async {
        let live = rig.deliver.registry.find(TENANT, "s").unwrap();
        while live.lock().changes == 0 {
            tokio::task::yield_now().await;
        }
        rig.log.fail();
    };
    let (changed, ()) = tokio::join!(select("instrument == 'B'"), fail);
    assert_eq!(changed.unwrap_err().code, tidings_event::Code::UnknownOutcome);
    // Nor does a change that is certainly not stored undo this.
    let refused = select("instrument == 'C'").await.unwrap_err();
    assert_eq!(refused.code, tidings_event::Code::LogReadOnly);
    session.grant(1 << 40, 1 << 40);
    nothing(&mut session).await;
}

#[tokio::test]
async fn after_a_restart_each_revision_judges_its_own_events() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    subscribe(&rig, "instrument == 'A'").await;
    publish(&rig, &topic, 30).await;
    change(&rig, "instrument == 'B'").await;
    publish(&rig, &topic, 30).await;
    let rig = rig.crash().await;
    let mut session = rig.attach("s").await;
    let wanted: Vec<u64> = every_third(0, 30).into_iter().chain(every_third(31, 60)).collect();
    assert_eq!(take(&mut session, 20).await, wanted);
}

#[tokio::test]
async fn what_expired_before_its_turn_is_told_and_not_sent() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    let old = |n| super::rig::expiring(n, 2_000_000_000);
    let events = [old(0), old(1), summary(2, "A", "XNAS", true), old(3)];
    rig.append_expiring(&topic, &events).await;
    rig.clock.advance(std::time::Duration::from_secs(10));
    rig.append_expiring(&topic, &[super::rig::expiring(4, 60_000_000_000)]).await;
    let mut session = rig.attach("s").await;
    let (mut told, mut sent) = (Vec::new(), Vec::new());
    while told.len() < 2 || sent.len() < 2 {
        match super::rig::next(&mut session).await {
            Outgoing::Gap(gap) => {
                assert_eq!(gap.reason, GapReason::Expired);
                told.push((gap.from.0, gap.to.0, gap.count));
            }
            Outgoing::Delivery(delivery) => {
                sent.extend(offsets(&delivery));
                ack_all(&session, &delivery);
            }
            _ => {}
        }
    }
    assert_eq!((told, sent), (vec![(0, 1, 2), (3, 3, 1)], vec![2, 4]));
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.low_water[0].offset), (0, Offset(5)));
}

#[tokio::test]
async fn a_paused_subscription_sends_nothing_and_takes_acks() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    publish(&rig, &topic, 3).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    rig.catalog.set_paused(TENANT, "s", true, Precondition::default()).await.unwrap();
    while rig.deliver.status(TENANT, "s").unwrap().state != SubscriptionState::Paused {
        tokio::task::yield_now().await;
    }
    publish(&rig, &topic, 3).await;
    nothing(&mut session).await;
    ack_all(&session, &first);
    nothing_but_confirmations(&mut session).await;
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 3);
    rig.catalog.set_paused(TENANT, "s", false, Precondition::default()).await.unwrap();
    assert_eq!(take(&mut session, 3).await, [3, 4, 5]);
}

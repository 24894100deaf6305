//! Consumers that go on after their connection died, and readers without a cursor.

use tidings_catalog::Start;
use tidings_event::{Code, Epoch, Offset, PartitionId, Position, Timestamp};
use tidings_match::TopicPattern;

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets};
use crate::{AckState, Attach, Delivery, GapReason, Outgoing, Run, Session};

fn runs(delivery: &Delivery, first: u64, last: u64) -> Vec<Run> {
    let (topic, epoch) = (delivery.topic.id, delivery.epoch);
    let partition = delivery.partition;
    vec![Run { topic, epoch, partition, first: Offset(first), last: Offset(last) }]
}

fn attach(rig: &Rig, attach: Attach) -> Session {
    let session = rig.deliver.attach_with(TENANT, "s", attach).unwrap();
    session.grant(1 << 40, 1 << 40);
    session
}

async fn read(rig: &Rig, pattern: &str, start: Start) -> Session {
    let patterns = vec![TopicPattern::parse(pattern).unwrap()];
    let session = rig.deliver.ephemeral(TENANT, patterns, start).await.unwrap();
    session.grant(1 << 40, 1 << 40);
    session
}

#[tokio::test]
async fn what_an_ended_session_was_sent_counts_until_somebody_else_has_it() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 6).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    let earlier = session.number();
    drop(session);
    let late = vec![runs(&first, 0, 1), runs(&first, 1, 1), runs(&first, 4, 9)];
    let states = rig.deliver.ack_sent(TENANT, "s", earlier, late).await.unwrap();
    assert_eq!(states, [AckState::Confirmed, AckState::Stale, AckState::Confirmed]);
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [2, 3]);
    let late = vec![runs(&first, 2, 3)];
    let states = rig.deliver.ack_sent(TENANT, "s", earlier, late).await.unwrap();
    assert_eq!(states, [AckState::Stale]);
    drop(session);
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 2);
}

#[tokio::test]
async fn a_consumer_that_names_its_last_session_takes_over_at_once() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 3).await;
    let mut old = rig.attach("s").await;
    let first = next_delivery(&mut old).await;
    let busy = rig.deliver.attach_with(TENANT, "s", Attach::default()).unwrap_err();
    assert_eq!(busy.code, Code::SubscriptionBusy);
    let follows = Some(old.number());
    let mut new = attach(&rig, Attach { follows, ..Attach::default() });
    let Outgoing::Closed(refusal) = next(&mut old).await else { panic!("not closed") };
    assert_eq!(refusal.code, Code::SessionTaken);
    old.ack(vec![], runs(&first, 0, 2));
    drop(old);
    assert_eq!(offsets(&next_delivery(&mut new).await), [0, 1, 2]);
    let again = rig.deliver.attach_with(TENANT, "s", Attach { follows, ..Attach::default() });
    assert_eq!(again.unwrap_err().code, Code::SubscriptionBusy);
}

#[tokio::test]
async fn a_full_window_is_told_when_it_holds_events_back_and_when_it_opens() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 2).await;
    let wanted = Attach { max_in_flight: Some(2), hears_pauses: true, ..Attach::default() };
    let mut session = attach(&rig, wanted);
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first), [0, 1]);
    // Full, but nothing is held back.
    nothing(&mut session).await;
    rig.publish(&topic, 0, 1).await;
    assert!(matches!(next(&mut session).await, Outgoing::Paused { in_flight: 2 }));
    nothing(&mut session).await;
    rig.log.hold();
    session.ack(vec![], runs(&first, 0, 0));
    assert!(matches!(next(&mut session).await, Outgoing::Resumed { in_flight: 1 }));
    assert_eq!(offsets(&next_delivery(&mut session).await), [2]);
}

#[tokio::test]
async fn a_reader_without_a_cursor_goes_on_exactly_where_its_positions_say() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 2).await;
    rig.publish(&topic, 0, 3).await;
    let mut latest = read(&rig, "a/**", Start::Latest).await;
    nothing(&mut latest).await;
    rig.publish(&topic, 0, 2).await;
    assert_eq!(offsets(&next_delivery(&mut latest).await), [3, 4]);
    let positions = latest.positions();
    assert_eq!(positions.iter().map(|p| (p.partition.0, p.offset.0)).collect::<Vec<_>>(), [(0, 5)]);
    latest.ack(vec![], vec![Run::of(positions[0])]);
    assert!(matches!(next(&mut latest).await, Outgoing::Confirmed { runs, .. } if runs.is_empty()));
    drop(latest);
    rig.publish(&topic, 0, 1).await;
    rig.publish(&topic, 1, 2).await;
    let later = rig.topic("a/c", 1).await;
    rig.publish(&later, 0, 1).await;
    let mut again = read(&rig, "a/**", Start::Positions(positions)).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let delivery = next_delivery(&mut again).await;
        seen.push((delivery.topic.id, delivery.partition.0, offsets(&delivery)));
        assert!(delivery.redelivered.is_empty());
    }
    seen.sort();
    assert_eq!(seen, [(topic.id, 0, vec![5]), (topic.id, 1, vec![0, 1]), (later.id, 0, vec![0])]);
    assert_eq!(again.lag(), 0);
    let newest = rig.topic("a/d", 1).await;
    rig.publish(&newest, 0, 1).await;
    assert_eq!(next_delivery(&mut again).await.topic.id, newest.id);
    let mut all = read(&rig, "a/b", Start::Earliest).await;
    assert_eq!(offsets(&next_delivery(&mut all).await), [0, 1, 2]);
}

#[tokio::test]
async fn a_reader_is_told_what_retention_took_and_refused_what_never_was() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.publish(&topic, 0, 3).await;
    let at = |offset, epoch| Position {
        topic: topic.id,
        epoch,
        partition: PartitionId(0),
        offset: Offset(offset),
    };
    let epoch = tidings_log::PartitionLog::epoch(&*rig.log);
    for (position, code) in
        [(at(4, epoch), Code::OffsetOutOfRange), (at(1, Epoch(epoch.0 + 1)), Code::PositionInvalid)]
    {
        let patterns = vec![TopicPattern::parse("a/b").unwrap()];
        let start = Start::Positions(vec![position]);
        let refused = rig.deliver.ephemeral(TENANT, patterns, start).await;
        assert_eq!(refused.unwrap_err().code, code);
    }
    let none = rig.deliver.ephemeral(TENANT, vec![], Start::Latest).await;
    assert_eq!(none.unwrap_err().code, Code::FieldMissing);
    let mut session = read(&rig, "a/b", Start::Positions(vec![at(1, epoch)])).await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [1, 2]);
    drop(session);
    let far = Timestamp(u64::MAX / 2);
    tidings_log::PartitionLog::trim(&*rig.log, far).await;
    rig.publish(&topic, 0, 1).await;
    let mut session = read(&rig, "a/b", Start::Positions(vec![at(1, epoch)])).await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from, gap.to, gap.reason), (Offset(1), Offset(2), GapReason::Retention));
    assert_eq!(offsets(&next_delivery(&mut session).await), [3]);
}

//! Moving a subscription.

use std::time::Duration;

use tidings_catalog::Start;
use tidings_event::{Clock, Code, Offset, Position};
use tidings_log::PartitionLog;

use super::rig::{Rig, TENANT, next, next_delivery, offsets};
use super::streaming::confirmed;
use crate::{GapReason, Outgoing, Run};

#[tokio::test]
async fn a_seek_is_durable_and_makes_acks_of_before_stale() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 2).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 10).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    let at = |offset| Position {
        topic: topic.id,
        epoch: first.epoch,
        partition: first.partition,
        offset: Offset(offset),
    };
    session.ack(vec![at(9)], vec![]);
    assert_eq!(confirmed(&mut session).await.0, [(0, 9)]);
    let went = rig.deliver.seek(TENANT, "s", Start::Positions(vec![at(4)])).await.unwrap();
    assert_eq!(went, [at(4)]);
    let again = next_delivery(&mut session).await;
    assert_eq!((offsets(&again), again.redelivered), ((4..10).collect(), vec![(Offset(4), 6)]));
    rig.deliver.seek(TENANT, "s", Start::Latest).await.unwrap();
    session.ack(vec![], vec![Run::of(at(5))]);
    assert_eq!(confirmed(&mut session).await, (vec![], vec![(5, 5)]));
    rig.deliver.seek(TENANT, "s", Start::Earliest).await.unwrap();
    assert_eq!(offsets(&next_delivery(&mut session).await), (0..10).collect::<Vec<_>>());
    rig.deliver.seek(TENANT, "s", Start::Latest).await.unwrap();
    let rig = rig.crash().await;
    let status = rig.deliver.status(TENANT, "s").unwrap();
    assert_eq!((status.lag_events, status.low_water[0].offset), (0, Offset(10)));
}

#[tokio::test]
async fn a_seek_to_a_place_that_is_not_refuses_and_moves_nothing() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let other = rig.topic("b/c", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 3).await;
    rig.publish(&other, 0, 3).await;
    let epoch = rig.log.epoch();
    let at = |topic: &tidings_catalog::Topic, offset| {
        let partition = tidings_event::PartitionId(0);
        Position { topic: topic.id, epoch, partition, offset: Offset(offset) }
    };
    for (positions, code) in [
        (vec![at(&topic, 1), at(&other, 1)], Code::PositionInvalid),
        (vec![at(&topic, 4)], Code::OffsetOutOfRange),
    ] {
        let to = Start::Positions(positions.clone());
        let refused = rig.deliver.seek(TENANT, "s", to).await;
        let (refused, last) = (refused.unwrap_err(), positions.len() - 1);
        let field = format!("to.positions[{last}]");
        assert_eq!((refused.code, refused.field), (code, field));
    }
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().lag_events, 3);
    rig.clock.advance(std::time::Duration::from_secs(30 * 86_400));
    rig.publish(&topic, 0, 1).await;
    tidings_log::PartitionLog::trim(rig.log.as_ref(), Clock::wall(rig.clock.as_ref())).await;
    let refused = rig.deliver.seek(TENANT, "s", Start::Positions(vec![at(&topic, 2)])).await;
    assert_eq!(refused.unwrap_err().code, Code::OffsetTrimmed);
}

#[tokio::test]
async fn a_subscription_that_nobody_uses_is_deleted_after_its_time() {
    let rig = Rig::new().await;
    rig.topic("a/b", 1).await;
    let after = std::time::Duration::from_secs(60);
    rig.subscribe_with("s", "a/b", |spec| spec.expires_after = Some(after)).await;
    rig.subscribe("stays", "a/b", 10).await;
    let pass = async |seconds| {
        rig.clock.advance(std::time::Duration::from_secs(seconds));
        rig.deliver.unused.look().await;
        rig.deliver.status(TENANT, "s").is_ok()
    };
    rig.deliver.unused.look().await;
    assert!(pass(59).await);
    let session = rig.attach("s").await;
    assert!(pass(600).await);
    drop(session);
    assert!(pass(59).await);
    assert!(!pass(1).await);
    assert!(rig.deliver.status(TENANT, "stays").is_ok());
}

#[tokio::test]
async fn a_seek_to_the_earliest_tells_what_retention_took() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    let at = |offset| Position {
        topic: topic.id,
        epoch: first.epoch,
        partition: first.partition,
        offset: Offset(offset),
    };
    session.ack(vec![at(1)], vec![]);
    assert_eq!(confirmed(&mut session).await.0, [(0, 1)]);
    drop(session);
    rig.clock.advance(Duration::from_secs(30 * 86_400));
    rig.log.trim(rig.clock.wall()).await;
    rig.publish(&topic, 0, 2).await;
    let went = rig.deliver.seek(TENANT, "s", Start::Earliest).await.unwrap();
    assert_eq!(went, [at(5)]);
    let mut session = rig.attach("s").await;
    let Outgoing::Gap(gap) = next(&mut session).await else { panic!("no gap") };
    assert_eq!((gap.from.0, gap.to.0, gap.count, gap.reason), (2, 4, 3, GapReason::Retention));
    assert_eq!(offsets(&next_delivery(&mut session).await), [5, 6]);
}

#[tokio::test]
async fn a_seek_that_cannot_be_saved_moves_nothing() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe("s", "a/b", 100).await;
    rig.publish(&topic, 0, 5).await;
    let session = rig.attach("s").await;
    rig.log.fail();
    // The first finds out, the second knows.
    for to in [Start::Latest, Start::Latest] {
        let refused = rig.deliver.seek(TENANT, "s", to).await.unwrap_err();
        assert_eq!(refused.code, Code::LogReadOnly);
        let status = rig.deliver.status(TENANT, "s").unwrap();
        assert_eq!((status.low_water[0].offset, status.lag_events), (Offset(0), 5));
    }
    drop(session);
}

//! Events that begin anew, by a seek or as redriven letters: what was said of them before counts for
//! nothing, and the two may come together.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidings_catalog::{Retry, Start};
use tidings_event::{Offset, PartitionId, Position};
use tidings_log::PartitionLog;
use tidings_telemetry::Timer;

use super::pulling::{ack, pull};
use super::rig::{Rig, TENANT, next_delivery, nothing, offsets, summary};
use super::streaming::{confirmed, nothing_but_confirmations};
use crate::{AckState, Delivery, Outgoing, Run, Selection, Session};

/// Events of three keys, in turn, none of which is tried twice.
async fn rig(events: u8) -> Rig {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let retry = Retry { max_attempts: 1, ..Retry::default() };
    rig.subscribe_with("s", "a/b", |spec| spec.retry = retry).await;
    let keys = ["A", "B", "C"];
    let event = |n| summary(u64::from(n), keys[usize::from(n) % 3], "XNAS", true);
    rig.append(&topic, 0, &(0..events).map(event).collect::<Vec<_>>()).await;
    rig
}

async fn dead(rig: &Rig, count: u64) {
    while rig.deliver.dead_letter_counts(TENANT, "s").unwrap().letters != count {
        tokio::task::yield_now().await;
    }
}

fn run(delivery: &Delivery, offset: u64) -> Run {
    Run::of(Position {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: Offset(offset),
    })
}

#[tokio::test]
async fn an_ack_of_before_a_redrive_counts_for_nothing() {
    let rig = rig(1).await;
    let first = pull(&rig, 1, "c").await.remove(0);
    rig.deliver.nack(TENANT, "s", vec![first.ack_id], Duration::ZERO).await.unwrap();
    dead(&rig, 1).await;
    for attempt in 2..4 {
        rig.deliver.redrive(TENANT, "s", Selection::All).await.unwrap();
        let again = pull(&rig, 1, "c").await.remove(0);
        assert!(again.redriven && again.redelivered);
        assert_eq!(again.attempt, attempt);
        assert_eq!(ack(&rig, &[first.ack_id], &[first.ack_id]).await, [AckState::Stale; 2]);
        assert_eq!(rig.deliver.status(TENANT, "s").unwrap().in_flight, 1);
        if attempt == 2 {
            rig.deliver.nack(TENANT, "s", vec![again.ack_id], Duration::ZERO).await.unwrap();
            while rig.deliver.dead_letter_counts(TENANT, "s").unwrap().redriving > 0 {
                tokio::task::yield_now().await;
            }
        } else {
            assert_eq!(ack(&rig, &[], &[again.ack_id]).await, [AckState::Confirmed]);
            dead(&rig, 0).await;
        }
    }
}

#[tokio::test]
async fn an_ack_of_before_a_seek_counts_for_nothing() {
    let rig = rig(3).await;
    let first = pull(&rig, 3, "c").await;
    rig.deliver.seek(TENANT, "s", Start::Earliest).await.unwrap();
    let again = pull(&rig, 3, "c").await;
    assert!(again.iter().all(|event| event.attempt == 2 && event.redelivered));
    assert_eq!(ack(&rig, &[first[2].ack_id], &[first[0].ack_id]).await, [AckState::Stale; 2]);
    assert_eq!(rig.deliver.status(TENANT, "s").unwrap().in_flight, 3);
    assert_eq!(ack(&rig, &[again[2].ack_id], &[]).await, [AckState::Confirmed]);
    drop(rig);

    let rig = self::rig(3).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    rig.deliver.seek(TENANT, "s", Start::Earliest).await.unwrap();
    let again = next_delivery(&mut session).await;
    let id = |delivery, offset, attempt| {
        let Run { topic, epoch, partition, first, .. } = run(delivery, offset);
        session.ack_id(Position { topic, epoch, partition, offset: first }, attempt)
    };
    session.ack_ids(&[id(&first, 2, 1)], &[id(&first, 0, 1), id(&again, 1, 2)]);
    assert_eq!(confirmed(&mut session).await, (vec![], vec![(2, 2), (0, 0)]));
    assert_eq!(confirmed(&mut session).await, (vec![(1, 1)], vec![]));
}

#[tokio::test]
async fn a_letter_comes_once_whichever_way_a_seek_goes() {
    for (to, comes) in [(Start::Earliest, (0..6).collect::<Vec<u64>>()), (Start::Latest, vec![1])] {
        let rig = rig(6).await;
        let mut session = rig.deliver.attach(TENANT, "s", "c").await.unwrap();
        session.grant(2, 1 << 20);
        let first = next_delivery(&mut session).await;
        session.nack(vec![run(&first, 1)], Duration::ZERO);
        dead(&rig, 1).await;
        rig.deliver.redrive(TENANT, "s", Selection::All).await.unwrap();
        rig.deliver.seek(TENANT, "s", to).await.unwrap();
        rig.deliver.redriver.wake();
        let live = rig.deliver.registry.find(TENANT, "s").unwrap();
        while live.lock().redriven() == 0 {
            tokio::task::yield_now().await;
        }
        session.grant(100, 0);
        let (mut came, mut redriven) = (Vec::new(), Vec::new());
        while came.len() < comes.len() {
            let delivery = next_delivery(&mut session).await;
            came.extend(offsets(&delivery).into_iter().map(|offset| run(&delivery, offset)));
            redriven.extend(delivery.redriven);
        }
        nothing(&mut session).await;
        assert_eq!(came.iter().map(|run| run.first.0).collect::<Vec<_>>(), comes);
        assert_eq!(redriven, [(Offset(1), 1)]);
        session.ack(vec![], came);
        dead(&rig, 0).await;
        nothing_but_confirmations(&mut session).await;
    }
}

/// Takes what comes, and does something to each event of it.
async fn take(session: &mut Session, random: &mut SmallRng, nacks: bool) -> bool {
    let soon = Timer.limit(Duration::from_millis(5), session.next()).await;
    let Ok(Some(outgoing)) = soon else { return false };
    let Outgoing::Delivery(delivery) = outgoing else { return true };
    for offset in offsets(&delivery) {
        match random.random_range(0..3) {
            0 if nacks => session.nack(vec![run(&delivery, offset)], Duration::ZERO),
            1 if nacks => {}
            _ => session.ack(vec![], vec![run(&delivery, offset)]),
        }
    }
    true
}

#[tokio::test]
async fn seeks_and_redrives_in_any_order_leave_nothing_behind() {
    for seed in 0..40 {
        let mut random = SmallRng::seed_from_u64(seed);
        let rig = rig(12).await;
        let topic = rig.catalog.snapshot().all_topics().next().unwrap().id;
        let mut session = rig.attach("s").await;
        for _ in 0..12 {
            match random.random_range(0..6) {
                0 => {
                    let (epoch, partition) = (rig.log.epoch(), PartitionId(0));
                    let offset = Offset(random.random_range(0..13));
                    let at = Position { topic, epoch, partition, offset };
                    rig.deliver.seek(TENANT, "s", Start::Positions(vec![at])).await.unwrap();
                }
                1 => {
                    rig.deliver.redrive(TENANT, "s", Selection::All).await.unwrap();
                }
                2 => {
                    drop(session);
                    session = rig.attach("s").await;
                }
                _ => {
                    take(&mut session, &mut random, true).await;
                }
            }
        }
        drop(session);
        let mut session = rig.attach("s").await;
        loop {
            while take(&mut session, &mut random, false).await {}
            rig.deliver.redrive(TENANT, "s", Selection::All).await.unwrap();
            let status = rig.deliver.status(TENANT, "s").unwrap();
            let letters = rig.deliver.dead_letter_counts(TENANT, "s").unwrap().letters;
            let left = (status.lag_events, status.in_flight, status.failing, status.held, letters);
            if left == (0, 0, 0, 0, 0) {
                break;
            }
        }
        let live = rig.deliver.registry.find(TENANT, "s").unwrap();
        assert_eq!(live.lock().redriven(), 0, "seed {seed}");
    }
}

//! Dead letters that come back: where they re-enter, what they carry, and when they are gone.

use std::time::Duration;

use tidings_catalog::Retry;
use tidings_event::block::events;
use tidings_event::{Offset, Position};
use tidings_log::PartitionLog;

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets, summary};
use crate::{DeadLetterCounts, Delivery, LetterState, Outgoing, Run, Selection, Session};

struct Dead {
    rig: Rig,
    session: Session,
    first: Delivery,
}

fn at(delivery: &Delivery, offset: u64) -> Position {
    Position {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: Offset(offset),
    }
}

/// Ten events of three keys, in turn; the first four were sent, and the second is a dead letter.
async fn dead() -> Dead {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let retry = Retry { max_attempts: 1, ..Retry::default() };
    rig.subscribe_with("s", "a/b", |spec| spec.retry = retry).await;
    let keys = ["A", "B", "C"];
    let all: Vec<_> =
        (0..10u8).map(|n| summary(u64::from(n), keys[usize::from(n) % 3], "XNAS", true)).collect();
    rig.append(&topic, 0, &all).await;
    let mut session = rig.deliver.attach(TENANT, "s", "c").await.unwrap();
    session.grant(4, 1 << 20);
    let first = next_delivery(&mut session).await;
    assert_eq!(offsets(&first), [0, 1, 2, 3]);
    session.nack(vec![Run::of(at(&first, 1))], Duration::ZERO);
    let dead = Dead { rig, session, first };
    dead.wait(|counts| counts.letters == 1).await;
    dead
}

impl Dead {
    fn counts(&self) -> DeadLetterCounts {
        self.rig.deliver.dead_letter_counts(TENANT, "s").unwrap()
    }

    async fn wait(&self, is_so: impl Fn(DeadLetterCounts) -> bool) {
        while !is_so(self.counts()) {
            tokio::task::yield_now().await;
        }
    }

    fn ack(&self, offsets: &[u64]) {
        let runs = offsets.iter().map(|&offset| Run::of(at(&self.first, offset)));
        self.session.ack(Vec::new(), runs.collect());
    }

    /// Redrives everything: the subscription has it then.
    async fn redrive(&self) {
        let chosen = self.rig.deliver.redrive(TENANT, "s", Selection::All).await.unwrap();
        assert_eq!(chosen.letters, 1);
        let live = self.rig.deliver.registry.find(TENANT, "s").unwrap();
        assert_eq!(live.lock().redriven(), 1);
    }
}

#[tokio::test]
async fn a_letter_re_enters_behind_what_was_sent_and_ahead_of_what_was_not() {
    let mut dead = dead().await;
    dead.redrive().await;
    dead.session.grant(100, 1 << 20);
    // Of its key, 4 and 7 wait for it; it waits for 0, 2 and 3.
    let others = next_delivery(&mut dead.session).await;
    assert_eq!((offsets(&others), others.redriven.len()), (vec![5, 6, 8, 9], 0));
    nothing(&mut dead.session).await;
    dead.ack(&[0, 2, 3]);
    let letter = next_delivery(&mut dead.session).await;
    assert_eq!(offsets(&letter), [1]);
    assert_eq!(letter.redriven, [(Offset(1), 1)]);
    assert_eq!(letter.attempts, [(Offset(1), 1, 2)]);
    assert_eq!(letter.redelivered, [(Offset(1), 1)]);
    assert!(matches!(next(&mut dead.session).await, Outgoing::Confirmed { .. }));
    nothing(&mut dead.session).await;
    assert_eq!(dead.counts().letters, 1, "it stays until it is settled");
    dead.ack(&[1]);
    let rest = next_delivery(&mut dead.session).await;
    assert_eq!((offsets(&rest), rest.redriven.len()), (vec![4, 7], 0));
    dead.wait(|counts| counts.letters == 0).await;
    dead.ack(&[4, 5, 6, 7, 8, 9]);
    let lag = || dead.rig.deliver.status(TENANT, "s").unwrap().lag_events;
    while lag() > 0 || dead.rig.deliver.status(TENANT, "s").unwrap().in_flight > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_letter_that_fails_again_is_dead_again_with_all_that_was_tried() {
    let mut dead = dead().await;
    dead.redrive().await;
    dead.ack(&[0, 2, 3]);
    dead.session.grant(1, 0);
    assert_eq!(offsets(&next_delivery(&mut dead.session).await), [1]);
    dead.session.nack(vec![Run::of(at(&dead.first, 1))], Duration::ZERO);
    dead.wait(|counts| counts.redriving == 0).await;
    let letters = dead.rig.deliver.dead_letters(TENANT, "s", None, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].state), (1, LetterState::Dead));
    assert_eq!(letters[0].attempts.len(), 2);
    dead.session.grant(100, 0);
    let next = next_delivery(&mut dead.session).await;
    assert_eq!((next.offsets[0].0, next.skipped_to_dead_letter), (Offset(4), vec![Offset(1)]));
}

#[tokio::test]
async fn a_letter_outlives_its_topics_retention_and_a_restart() {
    let dead = dead().await;
    dead.ack(&[0, 2, 3]);
    dead.rig.clock.advance(Duration::from_secs(8 * 86_400));
    dead.rig.log.trim(tidings_event::Clock::wall(&*dead.rig.clock)).await;
    dead.redrive().await;
    let Dead { rig, session, first } = dead;
    drop(session);
    let rig = rig.crash().await;
    let session = rig.attach("s").await;
    let mut dead = Dead { rig, session, first };
    let letter = loop {
        // What the topic has no more is told.
        if let Outgoing::Delivery(delivery) = next(&mut dead.session).await {
            break delivery;
        }
    };
    assert_eq!(letter.redriven, [(Offset(1), 1)]);
    let event = events(&letter.body).next().unwrap().unwrap();
    assert_eq!(event, summary(1, "B", "XNAS", true));
    dead.ack(&[1]);
    dead.wait(|counts| counts.letters == 0).await;
}

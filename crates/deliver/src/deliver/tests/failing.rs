//! Events that fail: back-off, what they hold back, and where they end.

use std::time::Duration;

use tidings_catalog::{Mode, OnParkFull, Retry, Start};
use tidings_event::{Clock, Offset, Position};
use tidings_log::{PartitionLog, Table};

use super::rig::{Rig, TENANT, next, next_delivery, nothing, offsets, summary};
use crate::dead_letter::Buried;
use crate::{
    AttemptOutcome, DeadLetter, DeliverSettings, Delivery, EventOutcome, Nack, Outgoing, Reason,
    Run, Selection, Session, SubscriptionState,
};

struct Failing {
    rig: Rig,
    session: Session,
}

/// Ten events of three keys, in turn.
async fn failing(retry: Retry, mode: Mode) -> Failing {
    let settings = DeliverSettings {
        cursor_interval: Duration::from_millis(1),
        dead_letters_max: 1,
        ..DeliverSettings::default()
    };
    let rig = Rig::with(settings).await;
    let topic = rig.topic("a/b", 1).await;
    rig.subscribe_with("s", "a/b", |spec| {
        spec.retry = retry;
        spec.mode = mode;
    })
    .await;
    let keys = ["A", "B", "C"];
    let events: Vec<_> =
        (0..10u8).map(|n| summary(u64::from(n), keys[usize::from(n) % 3], "XNAS", true)).collect();
    rig.append(&topic, 0, &events).await;
    let session = rig.attach("s").await;
    Failing { rig, session }
}

fn at(delivery: &Delivery, offset: u64) -> Run {
    Run::of(Position { offset: Offset(offset), ..at_position(delivery) })
}

fn at_position(delivery: &Delivery) -> Position {
    Position {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: Offset(0),
    }
}

async fn letters(rig: &Rig) -> Vec<DeadLetter> {
    rig.deliver.dead_letters(TENANT, "s", None, 10).await.unwrap()
}

impl Failing {
    async fn letters(&self) -> Vec<DeadLetter> {
        letters(&self.rig).await
    }

    async fn sent(&mut self) -> Vec<u64> {
        offsets(&next_delivery(&mut self.session).await)
    }

    fn pass(&self, seconds: u64) {
        self.rig.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_failing_event_holds_back_its_key_alone() {
    let mut f = failing(Retry::default(), Mode::Ordered).await;
    f.session = {
        drop(f.session);
        let narrow = f.rig.deliver.attach(TENANT, "s", "c").await.unwrap();
        narrow.grant(4, 1 << 20);
        narrow
    };
    let first = next_delivery(&mut f.session).await;
    assert_eq!(offsets(&first), [0, 1, 2, 3]);
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    f.session.grant(100, 0);
    // 4 and 7 are of the key of 1.
    assert_eq!(f.sent().await, [5, 6, 8, 9]);
    nothing(&mut f.session).await;
    let stands = |offset| {
        let position = Position { offset: Offset(offset), ..at_position(&first) };
        f.rig.deliver.outcome(TENANT, "s", &position).unwrap()
    };
    assert!(matches!(stands(1), EventOutcome::Retrying(attempts) if attempts.len() == 1));
    let (in_flight, held) = (EventOutcome::InFlight, EventOutcome::Held);
    assert_eq!([stands(0), stands(4), stands(7)], [in_flight, held.clone(), held]);
    f.pass(1);
    let again = next_delivery(&mut f.session).await;
    assert_eq!((offsets(&again), again.attempts), (vec![1], vec![(Offset(1), 1, 2)]));
    nothing(&mut f.session).await;
    f.session.ack(vec![], vec![at(&first, 1)]);
    let held = next_delivery(&mut f.session).await;
    assert_eq!((offsets(&held), held.redelivered, held.attempts), (vec![4, 7], vec![], vec![]));
}

#[tokio::test]
async fn in_parallel_mode_nothing_is_held_back() {
    let mut f = failing(Retry::default(), Mode::Parallel).await;
    f.session = {
        drop(f.session);
        let narrow = f.rig.deliver.attach(TENANT, "s", "c").await.unwrap();
        narrow.grant(2, 1 << 20);
        narrow
    };
    let first = next_delivery(&mut f.session).await;
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    f.session.grant(100, 0);
    assert_eq!(f.sent().await, (2..10).collect::<Vec<_>>());
    f.pass(1);
    assert_eq!(f.sent().await, [1]);
}

#[tokio::test]
async fn a_nack_may_ask_for_more_time_than_the_back_off() {
    let mut f = failing(Retry::default(), Mode::Ordered).await;
    let first = next_delivery(&mut f.session).await;
    f.session.nack(vec![at(&first, 1)], Duration::from_secs(60));
    f.pass(59);
    nothing(&mut f.session).await;
    f.pass(1);
    assert_eq!(f.sent().await, [1]);
}

#[tokio::test]
async fn after_the_last_attempt_an_event_is_dead_lettered_and_its_key_goes_on() {
    let retry = Retry { max_attempts: 2, ..Retry::default() };
    let mut f = failing(retry, Mode::Ordered).await;
    let first = next_delivery(&mut f.session).await;
    f.session.ack(vec![], vec![at(&first, 0), at(&first, 2), at(&first, 3)]);
    f.session.nack(vec![at(&first, 1), at(&first, 4)], Duration::ZERO);
    f.pass(1);
    assert_eq!(f.sent().await, [1]);
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    let next = next_delivery(&mut f.session).await;
    assert_eq!((offsets(&next), next.skipped_to_dead_letter), (vec![4], vec![Offset(1)]));
    let letters = f.letters().await;
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.position.offset, letter.reason), (Offset(1), Reason::AttemptsExhausted));
    assert_eq!(letter.event.as_deref(), Some(&summary(1, "B", "XNAS", true)[..]));
    let attempts: Vec<_> =
        letter.attempts.iter().map(|a| (a.consumer.as_ref(), a.outcome)).collect();
    assert_eq!(attempts, [("test", AttemptOutcome::Nacked); 2]);
}

#[tokio::test]
async fn an_event_that_fails_too_long_after_its_first_attempt_is_dead_lettered() {
    let retry = Retry { max_age: Some(Duration::from_secs(10)), ..Retry::default() };
    let mut f = failing(retry, Mode::Ordered).await;
    let first = next_delivery(&mut f.session).await;
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    f.pass(10);
    assert_eq!(f.sent().await, [1]);
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    nothing(&mut f.session).await;
    let letters = f.letters().await;
    assert_eq!((letters.len(), letters[0].reason), (1, Reason::MaxAge));
}

#[tokio::test]
async fn full_dead_letters_stop_the_subscription_and_drop_nothing() {
    let retry = Retry { max_attempts: 1, ..Retry::default() };
    let mut f = failing(retry, Mode::Parallel).await;
    let first = next_delivery(&mut f.session).await;
    let topic = std::sync::Arc::clone(&first.topic);
    // There is room for one.
    f.session.nack(vec![at(&first, 1), at(&first, 2)], Duration::ZERO);
    let state = || f.rig.deliver.status(TENANT, "s").unwrap().state;
    while state() != SubscriptionState::PausedByDeadLetters {
        tokio::task::yield_now().await;
    }
    f.rig.publish(&topic, 0, 1).await;
    nothing(&mut f.session).await;
    f.rig.deliver.discard(TENANT, "s", Selection::All).await.unwrap();
    assert_eq!(f.sent().await, [10]);
    let letters = f.letters().await;
    assert_eq!((letters.len(), letters[0].position.offset), (1, Offset(2)));
}

#[tokio::test]
async fn when_too_much_is_held_the_terms_say_what_goes() {
    let on_park_full = OnParkFull::DeadLetter;
    let mut f = failing(Retry { on_park_full, ..Retry::default() }, Mode::Ordered).await;
    let first = next_delivery(&mut f.session).await;
    let topic = std::sync::Arc::clone(&first.topic);
    f.session.nack(vec![at(&first, 0)], Duration::from_secs(3_000));
    for _ in 0..40 {
        let events: Vec<_> = (0..2_500).map(|n| summary(n, "A", "XNAS", true)).collect();
        f.rig.append(&topic, 0, &events).await;
    }
    let next = next_delivery(&mut f.session).await;
    assert_eq!((next.offsets[0].0, next.skipped_to_dead_letter), (Offset(10), vec![Offset(0)]));
    assert_eq!(f.letters().await[0].reason, Reason::ParkFull);
}

#[tokio::test]
async fn what_a_consumer_says_is_kept_with_the_attempt() {
    let mut f = failing(Retry { max_attempts: 2, ..Retry::default() }, Mode::Ordered).await;
    let first = next_delivery(&mut f.session).await;
    f.session.nack(vec![at(&first, 1)], Nack::new(Duration::ZERO, "no room"));
    let position = Position { offset: Offset(1), ..at_position(&first) };
    let stands = f.rig.deliver.outcome(TENANT, "s", &position).unwrap();
    assert!(matches!(stands, EventOutcome::Retrying(tried) if &*tried[0].detail == "no room"));
    f.pass(1);
    assert_eq!(f.sent().await, [1]);
    // Cut between two letters.
    let long = format!("x{}", "ä".repeat(200));
    f.session.nack(vec![at(&first, 1)], Nack::new(Duration::ZERO, &long));
    while f.letters().await.is_empty() {
        tokio::task::yield_now().await;
    }
    let Failing { rig, session } = f;
    drop(session);
    let letter = letters(&rig.crash().await).await.remove(0);
    let said: Vec<&str> = letter.attempts.iter().map(|attempt| &*attempt.detail).collect();
    assert_eq!(said, ["no room", &long[..255]]);
}

#[tokio::test]
async fn what_fails_when_retention_comes_is_dead_lettered_and_its_key_goes_on() {
    for is_due in [false, true] {
        let Failing { rig, session } = failing(Retry::default(), Mode::Ordered).await;
        drop(session);
        let session = rig.deliver.attach(TENANT, "s", "c").await.unwrap();
        let mut f = Failing { rig, session };
        f.session.grant(4, 1 << 20);
        let first = next_delivery(&mut f.session).await;
        f.session.nack(vec![at(&first, 1)], Duration::ZERO);
        f.session.grant(100, 0);
        assert_eq!(f.sent().await, [5, 6, 8, 9]);
        f.session.ack(vec![], vec![Run { last: Offset(9), ..at(&first, 0) }]);
        let Failing { rig, session } = f;
        drop(session);
        // Nobody consumes until shortly before the events are a week old.
        rig.clock.advance(Duration::from_secs(7 * 86_400 - 61));
        rig.deliver.lookout.look().await;
        if is_due {
            rig.deliver.status(TENANT, "s").unwrap();
        }
        assert!(letters(&rig).await.is_empty());
        rig.clock.advance(Duration::from_secs(2));
        rig.deliver.lookout.look().await;
        while letters(&rig).await.is_empty() {
            tokio::task::yield_now().await;
        }
        let session = rig.attach("s").await;
        let mut f = Failing { rig, session };
        let held = next_delivery(&mut f.session).await;
        assert_eq!(
            (offsets(&held), &held.skipped_to_dead_letter[..]),
            (vec![4, 7], &[Offset(1)][..])
        );
        f.session.ack(vec![], vec![at(&held, 4), at(&held, 7)]);
        f.pass(60);
        f.rig.log.trim(f.rig.clock.wall()).await;
        let letter = f.letters().await.remove(0);
        assert_eq!((letter.position.offset, letter.reason), (Offset(1), Reason::Retention));
        assert_eq!(
            (letter.event.as_deref(), letter.attempts.len()),
            (Some(&summary(1, "B", "XNAS", true)[..]), 1)
        );
        assert_eq!(f.rig.deliver.status(TENANT, "s").unwrap().lag_events, 0);
        super::streaming::nothing_but_confirmations(&mut f.session).await;
    }
}

#[tokio::test]
async fn what_was_sent_above_events_that_wait_is_flagged_after_a_crash() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    let retry = Retry { min_backoff: Duration::from_secs(30), ..Retry::default() };
    rig.subscribe_with("s", "a/b", |spec| {
        spec.retry = retry;
        spec.max_in_flight = 2;
    })
    .await;
    // One that fails, nineteen that it holds back, and one of another key that goes out above them.
    let mut events: Vec<_> = (0..20).map(|n| summary(n, "A", "XNAS", true)).collect();
    events.push(summary(20, "B", "XNAS", true));
    rig.append(&topic, 0, &events[..1]).await;
    let mut session = rig.attach("s").await;
    let first = next_delivery(&mut session).await;
    session.nack(vec![at(&first, 0)], Duration::ZERO);
    rig.append(&topic, 0, &events[1..]).await;
    assert_eq!(offsets(&next_delivery(&mut session).await), [20]);
    drop(session);
    let rig = rig.crash().await;
    let mut session = rig.attach("s").await;
    let mut flagged = Vec::new();
    while flagged.len() < 21 {
        let delivery = next_delivery(&mut session).await;
        let runs = delivery.redelivered.iter();
        flagged.extend(runs.flat_map(|&(first, count)| first.0..first.0 + u64::from(count)));
        let last = Offset(*offsets(&delivery).last().unwrap());
        session.ack(vec![Position { offset: last, ..at_position(&delivery) }], vec![]);
    }
    assert_eq!(flagged, (0..21).collect::<Vec<_>>());
}

/// As a crash leaves it between a letter and the cursor that covers it, with so much acknowledged; the
/// letter was discarded or not.
async fn crashed_at_a_letter(acked: &[u64], discard: bool) -> (Rig, Delivery) {
    let f = failing(Retry::default(), Mode::Parallel).await;
    let Failing { rig, mut session } = f;
    let first = next_delivery(&mut session).await;
    if !acked.is_empty() {
        session.ack(vec![], acked.iter().map(|&offset| at(&first, offset)).collect());
        while !matches!(next(&mut session).await, Outgoing::Confirmed { .. }) {}
    }
    let id = rig.catalog.snapshot().subscription(TENANT, "s").unwrap().id;
    let buried = Buried {
        position: Position { offset: Offset(1), ..at_position(&first) },
        event: summary(1, "B", "XNAS", true).into(),
        reason: Reason::AttemptsExhausted,
        attempts: Vec::new(),
        sent: 3,
    };
    rig.deliver.letters.bury(id, vec![buried]).await.unwrap();
    if discard {
        rig.deliver.discard(TENANT, "s", Selection::All).await.unwrap();
    }
    drop(session);
    (rig.crash().await, first)
}

fn marks(rig: &Rig) -> usize {
    rig.log.table(Table::DEAD_LETTERS).iter().filter(|(key, _)| key.len() > 28).count()
}

#[tokio::test]
async fn a_letter_that_no_cursor_covered_at_a_crash_is_settled_and_comes_no_more() {
    for (acked, discard) in [(vec![0, 2, 3], false), (vec![], false), (vec![0], true)] {
        let (rig, first) = crashed_at_a_letter(&acked, discard).await;
        assert_eq!(letters(&rig).await.len(), usize::from(!discard));
        let session = rig.attach("s").await;
        let mut f = Failing { rig, session };
        let rest: Vec<_> = (0..10).filter(|n| *n != 1 && !acked.contains(n)).collect();
        let mut sent = Vec::new();
        while sent.len() < rest.len() {
            let delivery = next_delivery(&mut f.session).await;
            sent.extend(offsets(&delivery));
        }
        assert_eq!(sent, rest);
        f.session.ack(vec![Position { offset: Offset(9), ..at_position(&first) }], vec![]);
        while marks(&f.rig) > 0 || f.rig.deliver.status(TENANT, "s").unwrap().lag_events > 0 {
            tokio::task::yield_now().await;
        }
        // What it is after a further crash rests on the cursor alone.
        drop(f.session);
        let rig = f.rig.crash().await;
        assert_eq!(letters(&rig).await.len(), usize::from(!discard));
        nothing(&mut rig.attach("s").await).await;
    }
}

#[tokio::test]
async fn a_covered_letter_has_no_mark_and_a_seek_brings_its_event_again() {
    let retry = Retry { max_attempts: 1, ..Retry::default() };
    let mut f = failing(retry, Mode::Parallel).await;
    let first = next_delivery(&mut f.session).await;
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    while f.letters().await.is_empty() || marks(&f.rig) > 0 {
        tokio::task::yield_now().await;
    }
    f.rig.deliver.seek(TENANT, "s", Start::Earliest).await.unwrap();
    drop(f.session);
    let rig = f.rig.crash().await;
    let mut session = rig.attach("s").await;
    assert_eq!(offsets(&next_delivery(&mut session).await), (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn marks_of_what_is_gone_are_taken_away() {
    let (rig, first) = crashed_at_a_letter(&[0], false).await;
    assert_eq!(marks(&rig), 1);
    rig.catalog.delete_topic(&first.topic.name).await.unwrap();
    let rig = rig.crash().await;
    while marks(&rig) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_ack_of_what_a_seek_brought_again_takes_its_letter_away() {
    let retry = Retry { max_attempts: 1, ..Retry::default() };
    let mut f = failing(retry, Mode::Parallel).await;
    let first = next_delivery(&mut f.session).await;
    f.session.nack(vec![at(&first, 1)], Duration::ZERO);
    while f.letters().await.is_empty() {
        tokio::task::yield_now().await;
    }
    f.rig.deliver.seek(TENANT, "s", Start::Earliest).await.unwrap();
    drop(f.session);
    // Known by a service that did not bury it, too.
    let rig = f.rig.crash().await;
    let mut session = rig.attach("s").await;
    let again = next_delivery(&mut session).await;
    session.ack(vec![], vec![at(&again, 0), at(&again, 2)]);
    while !matches!(next(&mut session).await, Outgoing::Confirmed { .. }) {}
    assert_eq!(letters(&rig).await.len(), 1);
    session.ack(vec![], vec![at(&again, 1)]);
    while !matches!(next(&mut session).await, Outgoing::Confirmed { .. }) {}
    assert!(letters(&rig).await.is_empty());
    drop(session);
    assert!(letters(&rig.crash().await).await.is_empty());
}

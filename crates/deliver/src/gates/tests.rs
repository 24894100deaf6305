//! Bounds, and what the dead letters are told.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::key::KeyHash;

use super::{EVENTS_MAX, FailedAttempt, Gates, KEYS_MAX};
use crate::dead_letter::{AttemptOutcome, Reason};
use crate::window::{Due, Flight, Landed};

fn fail(gates: &mut Gates, offset: u64, key: u64, first_sent: u64) {
    let flight = Flight {
        end: offset + 1,
        attempt: 1,
        session: 1,
        bytes: 0,
        deadline: None,
        first_sent: Duration::from_secs(first_sent),
        sent: 0,
        again: false,
    };
    let attempt = FailedAttempt {
        at: Duration::ZERO,
        consumer: Arc::from("c"),
        outcome: AttemptOutcome::Nacked,
        detail: "".into(),
    };
    gates.fail(
        offset,
        &Landed { first: offset, flight, events: 1, holes: Vec::new() },
        &attempt,
        true,
    );
    gates.learn(offset, KeyHash(key));
    gates.wait(offset, Duration::from_secs(100 + first_sent));
}

fn held() -> Due {
    Due { end: 0, attempt: 1, last_session: 0, redelivered: false, first_sent: None }
}

#[test]
fn so_many_keys_fail_and_no_more() {
    let mut gates = Gates::default();
    for key in 0..KEYS_MAX as u64 {
        assert!(!gates.are_full());
        fail(&mut gates, key, key, 0);
    }
    assert!(gates.are_full());
    gates.drop_parked(0, 1, |_| true);
    assert!(!gates.are_full());
}

#[test]
fn so_many_events_are_held_and_no_more() {
    let mut gates = Gates::default();
    fail(&mut gates, 0, 1, 0);
    for offset in 1..EVENTS_MAX as u64 {
        assert!(!gates.are_full());
        gates.hold(offset, KeyHash(1), held());
    }
    assert!(gates.are_full());
    gates.bury(0, Reason::ParkFull);
    let (released, is_one) = gates.buried(0, KeyHash(1));
    assert!(is_one && !gates.are_full());
    assert_eq!(released.len(), EVENTS_MAX - 1);
}

#[test]
fn the_oldest_makes_room() {
    let mut gates = Gates::default();
    for (offset, first_sent) in [(5, 30), (6, 10), (7, 20)] {
        fail(&mut gates, offset, offset, first_sent);
    }
    assert_eq!(gates.oldest(), Some(6));
    gates.bury(6, Reason::ParkFull);
    assert_eq!((gates.oldest(), gates.is_burying()), (Some(7), true));
    // What is on its way to the dead letters is not tried again.
    let ready = gates.ready(Duration::from_secs(1_000));
    assert_eq!(ready.iter().map(|run| run.0).collect::<Vec<_>>(), [7, 5]);
}

#[test]
fn a_dead_letter_is_told_once_with_the_next_event_of_its_key() {
    let mut gates = Gates::default();
    fail(&mut gates, 3, 1, 0);
    gates.bury(3, Reason::AttemptsExhausted);
    assert!(gates.holds(4, KeyHash(1)) && !gates.holds(4, KeyHash(2)));
    gates.buried(3, KeyHash(1));
    assert!(!gates.holds(4, KeyHash(1)) && !gates.are_open());
    assert_eq!(gates.skipped(KeyHash(2)), [0; 0]);
    assert_eq!(gates.skipped(KeyHash(1)), [3]);
    assert!(gates.are_open() && gates.is_empty());
}

//! Bounds, what the dead letters are told, and the gates against one state per event.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tidings_event::key::KeyHash;

use super::{EVENTS_MAX, FailedAttempt, Gates, KEYS_MAX, Released};
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

/// Offsets of the model; every third has the same key.
const END: u64 = 15;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Parked(u64),
    Out,
    Burying,
}

#[derive(Clone, Debug)]
enum Act {
    Fail(u64),
    Come(u64),
    Pass(u64),
    Settle(u64, u64),
    Bury(u64),
    Buried(u64),
    Unbury(u64),
    Drop(u64, u64),
    Tell(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let range = || (0..END, 1u64..6);
    prop_oneof![
        4 => (0..END).prop_map(Act::Fail),
        6 => (0..END).prop_map(Act::Come),
        3 => (1u64..150).prop_map(Act::Pass),
        2 => range().prop_map(|(first, count)| Act::Settle(first, first + count)),
        2 => (0..END).prop_map(Act::Bury),
        2 => (0..END).prop_map(Act::Buried),
        1 => (0..END).prop_map(Act::Unbury),
        1 => range().prop_map(|(first, count)| Act::Drop(first, first + count)),
        1 => (0u64..3).prop_map(Act::Tell),
    ]
}

/// What fails with when it was first sent, what is held, and what was not told of: the definition.
#[derive(Default)]
struct Naive {
    failing: BTreeMap<u64, (State, u64)>,
    held: Vec<u64>,
    skipped: BTreeMap<u64, Vec<u64>>,
    now: u64,
}

impl Naive {
    /// The first failing event of a key.
    fn first(&self, key: u64) -> Option<u64> {
        self.failing.keys().copied().find(|at| at % 3 == key)
    }

    fn holds(&self, offset: u64) -> bool {
        self.first(offset % 3).is_some_and(|first| first < offset)
    }

    /// The waiting events that are the first of their keys: when, and which.
    fn waiting(&self) -> Vec<(u64, u64)> {
        let first = |key| {
            let at = self.first(key)?;
            let State::Parked(until) = self.failing[&at].0 else { return None };
            Some((until, at))
        };
        let mut all: Vec<_> = (0..3).filter_map(first).collect();
        all.sort_unstable();
        all
    }

    /// Takes out what nothing holds any more.
    fn released(&mut self) -> Vec<u64> {
        let held = std::mem::take(&mut self.held);
        let (held, free) = held.into_iter().partition(|&at| self.holds(at));
        self.held = held;
        free
    }

    fn is(&self, offset: u64, is: impl Fn(State) -> bool) -> bool {
        self.failing.get(&offset).is_some_and(|(state, _)| is(*state))
    }

    fn all(&self, is: impl Fn(State) -> bool) -> Vec<u64> {
        self.failing.keys().copied().filter(|&at| self.is(at, &is)).collect()
    }
}

fn places(released: &[Released]) -> Vec<u64> {
    let mut places: Vec<u64> = released.iter().map(|run| run.0).collect();
    places.sort_unstable();
    places
}

fn sorted(mut places: Vec<u64>) -> Vec<u64> {
    places.sort_unstable();
    places
}

fn is_parked(state: State) -> bool {
    matches!(state, State::Parked(_))
}

fn apply(gates: &mut Gates, naive: &mut Naive, act: &Act) -> Result<(), TestCaseError> {
    let now = naive.now;
    match *act {
        Act::Fail(at) if !naive.held.contains(&at) && !naive.is(at, |s| s != State::Out) => {
            fail(gates, at, at % 3, now);
            naive.failing.entry(at).or_insert((State::Out, now)).0 = State::Parked(100 + now);
        }
        Act::Come(at) if !naive.held.contains(&at) && !naive.is(at, |s| s != State::Out) => {
            prop_assert_eq!(gates.holds(at, KeyHash(at % 3)), naive.holds(at));
            if naive.holds(at) {
                gates.hold(at, KeyHash(at % 3), held());
                match naive.failing.get_mut(&at) {
                    Some((state, _)) => *state = State::Parked(0),
                    None => naive.held.push(at),
                }
            }
        }
        Act::Pass(ticks) => {
            naive.now += ticks;
            let due: Vec<_> =
                naive.waiting().into_iter().filter(|(until, _)| *until <= naive.now).collect();
            let ready = gates.ready(Duration::from_secs(naive.now));
            let said: Vec<u64> = ready.iter().map(|run| run.0).collect();
            prop_assert_eq!(said, due.iter().map(|(_, at)| *at).collect::<Vec<_>>());
            for (_, at) in due {
                naive.failing.entry(at).and_modify(|event| event.0 = State::Out);
            }
        }
        Act::Settle(first, end) => {
            naive.failing.retain(|at, (s, _)| !(first..end).contains(at) || *s != State::Out);
            let want = sorted(naive.released());
            prop_assert_eq!(places(&gates.settled(first, end)), want);
        }
        Act::Bury(at) if naive.is(at, is_parked) => {
            gates.bury(at, Reason::MaxAge);
            naive.failing.entry(at).and_modify(|event| event.0 = State::Burying);
        }
        Act::Buried(at) => {
            let is_one = naive.is(at, |s| s == State::Burying);
            if is_one {
                naive.failing.remove(&at);
                naive.skipped.entry(at % 3).or_default().push(at);
            }
            let (released, was_one) = gates.buried(at, KeyHash(at % 3));
            prop_assert_eq!(was_one, is_one);
            prop_assert_eq!(places(&released), sorted(naive.released()));
        }
        Act::Unbury(at) if naive.is(at, |s| s == State::Burying) => {
            gates.unbury(at);
            gates.wait(at, Duration::from_secs(now + 7));
            naive.failing.entry(at).and_modify(|event| event.0 = State::Parked(now + 7));
        }
        Act::Drop(first, end) => drop_some(gates, naive, first..end)?,
        Act::Tell(key) => {
            let told = naive.skipped.remove(&key).unwrap_or_default();
            prop_assert_eq!(gates.skipped(KeyHash(key)), told);
        }
        _ => {}
    }
    Ok(())
}

fn drop_some(gates: &mut Gates, naive: &mut Naive, range: Range<u64>) -> Result<(), TestCaseError> {
    let mut gone = naive.all(is_parked);
    gone.extend(&naive.held);
    gone.retain(|at| range.contains(at));
    naive.failing.retain(|at, _| !gone.contains(at));
    naive.held.retain(|at| !gone.contains(at));
    let (dropped, released) = gates.drop_parked(range.start, range.end, |_| true);
    prop_assert!(dropped.iter().all(|(at, due)| due.end == at + 1));
    let dropped: Vec<u64> = dropped.iter().map(|run| run.0).collect();
    prop_assert_eq!(dropped, sorted(gone));
    prop_assert_eq!(places(&released), sorted(naive.released()));
    Ok(())
}

fn looks(gates: &Gates, naive: &Naive) -> Result<(), TestCaseError> {
    prop_assert_eq!(gates.counts(), (naive.failing.len(), naive.held.len()));
    let next = naive.waiting().first().map(|(until, _)| Duration::from_secs(*until));
    prop_assert_eq!(gates.next_at(), next);
    let by_age = naive.all(is_parked).into_iter().min_by_key(|at| naive.failing[at].1);
    prop_assert_eq!(gates.oldest(), by_age);
    let burying = naive.all(|state| state == State::Burying);
    prop_assert_eq!(gates.is_burying(), !burying.is_empty());
    let mut stays = naive.all(|state| state != State::Burying);
    stays.retain(|&at| at < END / 2);
    prop_assert_eq!(gates.failing_below(END / 2), stays);
    let is_over = naive.failing.is_empty() && naive.skipped.is_empty();
    prop_assert_eq!((gates.are_open(), gates.is_empty()), (is_over, is_over));
    for at in 0..END {
        prop_assert_eq!(gates.is_held(at), naive.held.contains(&at));
        prop_assert_eq!(gates.get(at).is_some(), naive.failing.contains_key(&at));
        if !naive.held.contains(&at) && !naive.failing.contains_key(&at) {
            prop_assert_eq!(gates.holds(at, KeyHash(at % 3)), naive.holds(at));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn gates_agree_with_one_state_per_event(acts in prop::collection::vec(act(), 1..80)) {
        let (mut gates, mut naive) = (Gates::default(), Naive::default());
        for act in &acts {
            apply(&mut gates, &mut naive, act)?;
            looks(&gates, &naive)?;
        }
    }
}

/// As [`fail`], before its key is known.
fn fail_unread(gates: &mut Gates, offset: u64, is_ordered: bool) -> u32 {
    let flight = Flight {
        end: offset + 1,
        attempt: 4,
        session: 7,
        bytes: 0,
        deadline: None,
        first_sent: Duration::from_secs(3),
        sent: 0,
        again: false,
    };
    let landed = Landed { first: offset, flight, events: 1, holes: Vec::new() };
    gates.fail(offset, &landed, &attempt("no"), is_ordered)
}

fn attempt(detail: &str) -> FailedAttempt {
    FailedAttempt {
        at: Duration::ZERO,
        consumer: Arc::from("c"),
        outcome: AttemptOutcome::Nacked,
        detail: detail.into(),
    }
}

#[test]
fn what_failed_waits_until_its_key_is_known_where_order_matters() {
    let (mut gates, second) = (Gates::default(), Duration::from_secs(1));
    assert_eq!(fail_unread(&mut gates, 5, true), 1);
    assert_eq!(fail_unread(&mut gates, 8, false), 1);
    gates.wait(5, second);
    gates.wait(8, 2 * second);
    assert!(!gates.are_open());
    assert_eq!((gates.unlearned(), gates.next_at()), (Some(5), Some(2 * second)));
    assert_eq!([gates.unlearned_in(0, 6), gates.unlearned_in(6, 9)], [vec![5], vec![]]);
    // One whose key does not matter keeps nothing back, and goes out with its next attempt.
    let ready = gates.ready(3 * second);
    let due = Due {
        end: 0,
        attempt: 5,
        last_session: 7,
        redelivered: true,
        first_sent: Some(3 * second),
    };
    assert_eq!(ready, [(8, due)]);
    gates.learn(8, KeyHash(1));
    assert!(!gates.holds(9, KeyHash(1)), "it was not to be learnt");
    gates.learn(5, KeyHash(1));
    assert_eq!((gates.unlearned(), gates.next_at()), (None, Some(second)));
    assert!(gates.holds(9, KeyHash(1)) && !gates.holds(5, KeyHash(1)));
    gates.ready(3 * second);
    assert_eq!(fail_unread(&mut gates, 5, true), 2);
    assert_eq!(gates.unlearned(), None, "its key is known from before");
}

#[test]
fn the_last_attempts_of_an_event_are_remembered() {
    let mut gates = Gates::default();
    fail_unread(&mut gates, 5, true);
    fail_unread(&mut gates, 9, true);
    assert_eq!(gates.get(5).and_then(|event| event.ended()), None);
    for number in 0..40 {
        gates.lost(4, 9, &attempt(&number.to_string()));
    }
    let history = |offset| {
        let event = gates.get(offset).unwrap();
        event.history.iter().map(|attempt| attempt.detail.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(history(5), (8..40).map(|number| number.to_string()).collect::<Vec<_>>());
    assert_eq!(history(9), ["no"]);
    gates.bury(5, Reason::Rejected);
    let (reason, due, consumer) = gates.get(5).and_then(|event| event.ended()).unwrap();
    assert_eq!((reason, due.attempt, &*consumer), (Reason::Rejected, 5, "c"));
}

#[test]
fn a_letter_that_comes_back_closes_its_gate_and_is_told_of_as_itself() {
    let mut gates = Gates::default();
    fail(&mut gates, 3, 1, 0);
    gates.bury(3, Reason::MaxAge);
    gates.buried(3, KeyHash(1));
    gates.redrive(3, Some(KeyHash(1)), (Duration::from_secs(9), 6));
    assert!(gates.holds(4, KeyHash(1)));
    gates.hold(4, KeyHash(1), held());
    assert_eq!((gates.counts(), gates.oldest(), gates.next_at()), ((1, 1), None, None));
    assert_eq!(gates.failing_below(9), [0; 0], "it waits behind what was sent before");
    assert_eq!(gates.skipped(KeyHash(1)), [0; 0]);
    assert_eq!(gates.settled(0, 9), [], "it is not out");
    assert_eq!(gates.drop_parked(3, 4, |_| true), (vec![], vec![]));
    gates.wait(3, Duration::from_secs(9));
    let ready = gates.ready(Duration::from_secs(9));
    let first_sent = Some(Duration::from_secs(9));
    let due = Due { end: 0, attempt: 6, last_session: 0, redelivered: true, first_sent };
    assert_eq!(ready, [(3, due)]);
    assert_eq!(gates.forget_redriven(3), [(4, held())]);
    assert!(gates.are_open() && gates.is_empty());
    // In parallel mode it has no gate.
    gates.redrive(3, None, (Duration::ZERO, 2));
    assert!(gates.are_open() && !gates.is_empty());
}

#[test]
fn only_what_passes_is_dropped() {
    let mut gates = Gates::default();
    fail(&mut gates, 1, 1, 0);
    gates.hold(2, KeyHash(1), Due { last_session: 8, ..held() });
    gates.hold(3, KeyHash(1), Due { last_session: 9, ..held() });
    let (dropped, released) = gates.drop_parked(0, 9, |session| session == 8);
    assert_eq!(dropped.iter().map(|run| (run.0, run.1.end)).collect::<Vec<_>>(), [(2, 3)]);
    assert_eq!((released, gates.counts()), (vec![], (1, 1)));
    let (dropped, released) = gates.drop_parked(0, 3, |session| session == 1);
    assert_eq!(dropped.iter().map(|run| (run.0, run.1.end)).collect::<Vec<_>>(), [(1, 2)]);
    assert_eq!(released.iter().map(|run| run.0).collect::<Vec<_>>(), [3]);
    assert_eq!(gates.counts(), (0, 0));
}

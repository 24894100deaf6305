//! The window against one state per offset, over random sends, acks, nacks, losses and restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Cursor, Window};

const TAIL: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unsent,
    Flying { attempt: u32, session: u64, deadline: Option<u64> },
    Due { attempt: u32, session: u64, not_before: u64 },
    Settled,
}

#[derive(Clone, Debug)]
enum Act {
    Send { count: u64, session: u64, deadline: Option<u64> },
    UpTo { at: u64, session: u64 },
    Ack { first: u64, count: u64, session: u64 },
    Late { first: u64, count: u64, session: u64 },
    Nack { first: u64, count: u64, session: u64, delay: u64 },
    Detach(u64),
    Pass(u64),
    Skip { first: u64, count: u64 },
    Restart,
}

fn any_act() -> impl Strategy<Value = Act> {
    let session = || 1u64..3;
    prop_oneof![
        6 => (1u64..8, session(), proptest::option::of(1u64..6))
            .prop_map(|(count, session, deadline)| Act::Send { count, session, deadline }),
        2 => (0..TAIL, session()).prop_map(|(at, session)| Act::UpTo { at, session }),
        3 => (0..TAIL, 1u64..5, session()).prop_map(|(first, count, session)| Act::Ack { first, count, session }),
        2 => (0..TAIL, 1u64..9, session())
            .prop_map(|(first, count, session)| Act::Late { first, count, session }),
        2 => (0..TAIL, 1u64..5, session(), 0u64..4)
            .prop_map(|(first, count, session, delay)| Act::Nack { first, count, session, delay }),
        1 => session().prop_map(Act::Detach),
        2 => (1u64..4).prop_map(Act::Pass),
        1 => (0..TAIL, 1u64..5).prop_map(|(first, count)| Act::Skip { first, count }),
        1 => Just(Act::Restart),
    ]
}

/// One state per offset: the definition.
struct Naive {
    fates: BTreeMap<u64, Fate>,
    now: u64,
}

impl Naive {
    fn settle(&mut self, range: impl Iterator<Item = u64>, session: u64) -> Vec<u64> {
        let fates = &mut self.fates;
        let flying = range.filter(
            |at| matches!(fates.get(at), Some(Fate::Flying { session: s, .. }) if *s == session),
        );
        let hit: Vec<u64> = flying.collect();
        for at in &hit {
            self.fates.insert(*at, Fate::Settled);
        }
        hit
    }

    fn give_back(
        &mut self,
        which: impl Fn(u64, u64, Option<u64>) -> bool,
        not_before: u64,
    ) -> Vec<u64> {
        let mut hit = Vec::new();
        for (&at, fate) in &mut self.fates {
            if let Fate::Flying { attempt, session, deadline } = *fate
                && which(at, session, deadline)
            {
                *fate = Fate::Due { attempt: attempt + 1, session, not_before };
                hit.push(at);
            }
        }
        hit
    }

    /// What has to go out next: offset, attempt.
    fn next(&self) -> Option<(u64, u32)> {
        let due = self.fates.iter().find_map(|(&at, fate)| match *fate {
            Fate::Due { attempt, not_before, .. } => Some((at, attempt, not_before)),
            _ => None,
        });
        if let Some((at, attempt, not_before)) = due {
            return (not_before <= self.now).then_some((at, attempt));
        }
        self.fates.iter().find(|(_, fate)| **fate == Fate::Unsent).map(|(&at, _)| (at, 1))
    }

    fn count(&self, is: impl Fn(&Fate) -> bool) -> u64 {
        self.fates.values().filter(|fate| is(fate)).count() as u64
    }
}

fn flat(runs: Vec<(u64, u64)>) -> Vec<u64> {
    runs.into_iter().flat_map(|(first, end)| first..end).collect()
}

fn apply(window: &mut Window, naive: &mut Naive, act: &Act) -> Result<(), TestCaseError> {
    let at_now = |ticks: u64| Duration::from_secs(ticks);
    match *act {
        Act::Send { count, session, deadline } => send(window, naive, count, session, deadline)?,
        Act::UpTo { at, session } => {
            let (runs, freed) = window.ack(0, at + 1, session);
            let want = naive.settle(0..=at, session);
            prop_assert_eq!(freed.events, want.len() as u64);
            prop_assert_eq!(flat(runs), want);
        }
        Act::Ack { first, count, session } => {
            let (runs, _) = window.ack(first, first + count, session);
            prop_assert_eq!(flat(runs), naive.settle(first..first + count, session));
        }
        Act::Late { first, count, session } => {
            let due: Vec<u64> = (first..first + count)
                .filter(|at| {
                    matches!(naive.fates.get(at), Some(Fate::Due { session: s, .. }) if *s == session)
                })
                .collect();
            prop_assert_eq!(window.ack_late(first, first + count, session), due.len() as u64);
            naive.fates.extend(due.into_iter().map(|at| (at, Fate::Settled)));
        }
        Act::Nack { first, count, session, delay } => {
            let until = naive.now + delay;
            let (runs, _) = window.nack(first, first + count, session, at_now(until));
            let hit = naive
                .give_back(|at, s, _| s == session && (first..first + count).contains(&at), until);
            prop_assert_eq!(flat(runs), hit);
        }
        Act::Detach(session) => {
            let freed = window.detach(session);
            let hit = naive.give_back(|_, s, _| s == session, 0);
            prop_assert_eq!(freed.events, hit.len() as u64);
        }
        Act::Pass(ticks) => {
            naive.now += ticks;
            let now = naive.now;
            let freed = window.expire(at_now(now));
            let hit = naive.give_back(|_, _, deadline| deadline.is_some_and(|d| d <= now), 0);
            prop_assert_eq!(freed.events, hit.len() as u64);
        }
        Act::Skip { first, count } => {
            let end = (first + count).min(TAIL);
            let mut skipped = 0;
            for at in first..end {
                if matches!(naive.fates[&at], Fate::Unsent | Fate::Due { .. }) {
                    naive.fates.insert(at, Fate::Settled);
                    skipped += 1;
                }
            }
            prop_assert_eq!(window.skip(first, end), skipped);
        }
        Act::Restart => {
            let bytes = Cursor::encode(window.low(), window.settled());
            *window = Window::new(Cursor::decode(&bytes).unwrap(), 0, 0);
            for fate in naive.fates.values_mut().filter(|fate| **fate != Fate::Settled) {
                *fate = Fate::Unsent;
            }
        }
    }
    Ok(())
}

fn send(
    window: &mut Window,
    naive: &mut Naive,
    count: u64,
    session: u64,
    deadline: Option<u64>,
) -> Result<(), TestCaseError> {
    let run = window.sendable(TAIL, Duration::from_secs(naive.now));
    prop_assert_eq!(run.map(|run| (run.first, run.attempt)), naive.next());
    let Some(run) = run else { return Ok(()) };
    prop_assert_eq!(run.redelivered, run.attempt > 1);
    let end = run.end.min(run.first + count);
    let deadline = deadline.map(|after| naive.now + after);
    window.sent(run, end, session, (end - run.first) * 10, deadline.map(Duration::from_secs));
    for at in run.first..end {
        let fits = match naive.fates[&at] {
            Fate::Unsent => run.attempt == 1,
            Fate::Due { attempt, .. } => run.attempt == attempt,
            Fate::Flying { .. } | Fate::Settled => false,
        };
        prop_assert!(fits, "{at} was sent while {:?}", naive.fates[&at]);
        naive.fates.insert(at, Fate::Flying { attempt: run.attempt, session, deadline });
    }
    Ok(())
}

proptest! {
    #[test]
    fn window_agrees_with_one_state_per_offset(acts in proptest::collection::vec(any_act(), 1..60)) {
        let mut window = Window::new(Cursor::default(), 0, 0);
        let fates = (0..TAIL).map(|at| (at, Fate::Unsent)).collect();
        let mut naive = Naive { fates, now: 0 };
        for act in &acts {
            apply(&mut window, &mut naive, act)?;
            prop_assert_eq!(window.unsettled(TAIL), naive.count(|fate| *fate != Fate::Settled));
            let low = naive.fates.iter().find(|(_, f)| **f != Fate::Settled).map_or(TAIL, |(&at, _)| at);
            prop_assert_eq!(window.low(), low);
            let earliest = naive.fates.values().filter_map(|fate| match fate {
                Fate::Flying { deadline, .. } => deadline.map(Duration::from_secs),
                _ => None,
            }).min();
            prop_assert_eq!(window.deadline(), earliest);
        }
    }

    #[test]
    fn bytes_of_a_split_flight_are_conserved(cuts in proptest::collection::vec((0u64..100, 1u64..20), 0..20), bytes in 0u64..10_000) {
        let mut window = Window::new(Cursor::default(), 0, 0);
        let run = window.sendable(100, Duration::ZERO).unwrap();
        window.sent(run, 100, 1, bytes, None);
        let mut freed = 0;
        for (first, count) in cuts {
            freed += window.ack(first, (first + count).min(100), 1).1.bytes;
        }
        freed += window.detach(1).bytes;
        prop_assert_eq!(freed, bytes);
    }
}

#[test]
fn deliveries_after_a_restart_are_flagged_as_far_as_they_may_be_repeats() {
    let mut window = Window::new(Cursor { low: 5, ..Cursor::default() }, 12, 4);
    let run = window.sendable(20, Duration::ZERO).unwrap();
    assert_eq!((run.first, run.end, run.redelivered, run.attempt), (5, 9, true, 1));
    window.sent(run, 9, 1, 0, None);
    let run = window.sendable(20, Duration::ZERO).unwrap();
    assert_eq!((run.first, run.end, run.redelivered), (9, 20, false));
    let window = Window::new(Cursor { low: 5, ..Cursor::default() }, 7, 100);
    assert_eq!(window.sendable(20, Duration::ZERO).unwrap().end, 7);
}

#[test]
fn too_many_settled_runs_stop_first_deliveries() {
    let mut window = Window::new(Cursor::default(), 0, 0);
    let tail = 1 << 20;
    let run = window.sendable(tail, Duration::ZERO).unwrap();
    window.sent(run, 30_000, 1, 0, None);
    for at in (1..20_000).step_by(2) {
        window.ack(at, at + 1, 1);
    }
    assert!(window.is_stalled());
    assert_eq!(window.sendable(tail, Duration::ZERO), None);
    window.ack(0, 1, 1);
    assert!(!window.is_stalled());
    assert!(window.sendable(tail, Duration::ZERO).is_some());
}

//! The window against one state per offset, over random sends, filters, failures, acks and restarts.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidings_event::Timestamp;

use super::{Cursor, Due, Freed, LONELY, Landed, Level, RUNS_MAX, Sendable, To, Window};
use crate::runs::RunSet;

const TAIL: u64 = 24;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unsent,
    Filtered,
    Flying { attempt: u32, session: u64, deadline: Option<u64>, sent: u64, again: bool },
    Due { attempt: u32, session: u64 },
    Parked,
    Settled,
}

#[derive(Clone, Debug)]
enum Act {
    Send { count: u64, session: u64, deadline: Option<u64> },
    Hold(u64),
    Filter(u64),
    UpTo { at: u64, session: u64 },
    Ack { first: u64, count: u64, session: u64 },
    Late { first: u64, count: u64, session: u64 },
    Fail { first: u64, count: u64, session: u64 },
    GiveBack { first: u64, count: u64, session: u64 },
    Extend { first: u64, count: u64, session: u64, by: u64 },
    Release { at: u64, attempt: u32, session: u64 },
    End(u64),
    Pass(u64),
    Skip { first: u64, count: u64 },
    Restart,
}

fn any_act() -> impl Strategy<Value = Act> {
    let session = || 1u64..3;
    let place = move || (0..TAIL, 1u64..7, session());
    prop_oneof![
        6 => (1u64..8, session(), proptest::option::of(1u64..6))
            .prop_map(|(count, session, deadline)| Act::Send { count, session, deadline }),
        2 => (1u64..3).prop_map(Act::Hold),
        4 => (1u64..4).prop_map(Act::Filter),
        2 => (0..TAIL, session()).prop_map(|(at, session)| Act::UpTo { at, session }),
        3 => place().prop_map(|(first, count, session)| Act::Ack { first, count, session }),
        2 => place().prop_map(|(first, count, session)| Act::Late { first, count, session }),
        2 => place().prop_map(|(first, count, session)| Act::Fail { first, count, session }),
        2 => place().prop_map(|(first, count, session)| Act::GiveBack { first, count, session }),
        1 => (place(), 1u64..6)
            .prop_map(|((first, count, session), by)| Act::Extend { first, count, session, by }),
        4 => (0..TAIL, 1u32..4, session())
            .prop_map(|(at, attempt, session)| Act::Release { at, attempt, session }),
        2 => (0..TAIL).prop_map(Act::End),
        2 => (1u64..4).prop_map(Act::Pass),
        1 => (0..TAIL, 1u64..5).prop_map(|(first, count)| Act::Skip { first, count }),
        1 => Just(Act::Restart),
    ]
}

/// One state per offset: the definition.
struct Naive {
    fates: BTreeMap<u64, Fate>,
    now: u64,
    sends: u64,
}

impl Naive {
    /// Gives everything of a range that is in flight to a session another fate.
    fn land(
        &mut self,
        (first, end): (u64, u64),
        to: u64,
        fate: impl Fn(u32, u64) -> Fate,
    ) -> Vec<u64> {
        let mut hit = Vec::new();
        for (&at, now) in self.fates.range_mut(first..end.max(first)) {
            if let Fate::Flying { attempt, session, .. } = *now
                && session == to
            {
                *now = fate(attempt, session);
                hit.push(at);
            }
        }
        hit
    }

    /// Settles what a session was sent no later than an event, at or below it; of what went out in
    /// order that is all.
    fn land_up_to(&mut self, up_to: u64, to: u64) -> Vec<u64> {
        let last = match self.fates[&up_to] {
            Fate::Flying { session, sent, .. } if session == to => sent,
            _ => 0,
        };
        let mut hit = Vec::new();
        for (&at, fate) in self.fates.range_mut(..=up_to) {
            if let Fate::Flying { session, sent, again, .. } = *fate
                && session == to
                && (!again || sent <= last)
            {
                *fate = Fate::Settled;
                hit.push(at);
            }
        }
        hit
    }

    fn is(&self, at: u64, is: impl Fn(&Fate) -> bool) -> bool {
        self.fates.get(&at).is_some_and(is)
    }

    /// What has to go out next: offset, attempt.
    fn next(&self) -> Option<(u64, u32)> {
        let due = self.fates.iter().find_map(|(&at, fate)| match *fate {
            Fate::Due { attempt, .. } => Some((at, attempt)),
            _ => None,
        });
        let fresh = || {
            let unsent = self.fates.iter().find(|(_, fate)| **fate == Fate::Unsent);
            unsent.map(|(&at, _)| (at, 1))
        };
        due.or_else(fresh)
    }

    fn count(&self, is: impl Fn(&Fate) -> bool) -> u64 {
        self.fates.values().filter(|fate| is(fate)).count() as u64
    }

    /// What landed, without what is filtered: it must be what is expected to have.
    fn flat(&self, runs: &[Landed], before: &BTreeMap<u64, Fate>) -> Vec<u64> {
        let all: Vec<u64> =
            runs.iter().flat_map(Landed::runs).flat_map(|(first, end)| first..end).collect();
        assert!(all.iter().all(|at| before[at] != Fate::Filtered));
        assert_eq!(runs.iter().map(|run| run.events).sum::<u64>(), all.len() as u64);
        all
    }
}

fn apply(window: &mut Window, naive: &mut Naive, act: &Act) -> Result<(), TestCaseError> {
    let before = naive.fates.clone();
    let settled = |_: u32, _: u64| Fate::Settled;
    match *act {
        Act::Send { count, session, deadline } => send(window, naive, count, session, deadline)?,
        Act::Hold(count) => {
            let Some(run) = asked(window, naive)? else { return Ok(()) };
            let end = run.end.min(run.first + count);
            let due = window.hold(run, end);
            prop_assert_eq!(due.is_some(), run.again);
            naive.fates.extend((run.first..end).map(|at| (at, Fate::Parked)));
        }
        Act::Filter(count) => {
            let Some(run) = asked(window, naive)?.filter(|run| !run.again) else { return Ok(()) };
            let end = run.end.min(run.first + count);
            window.filter(run.first, end);
            naive.fates.extend((run.first..end).map(|at| (at, Fate::Filtered)));
        }
        Act::UpTo { at, session } => {
            let runs = window.ack_up_to(at, session);
            prop_assert_eq!(naive.flat(&runs, &before), naive.land_up_to(at, session));
        }
        Act::Ack { first, count, session } => {
            let runs = window.ack(first, first + count, session);
            let want = naive.land((first, first + count), session, settled);
            prop_assert_eq!(naive.flat(&runs, &before), want);
        }
        Act::Late { first, count, session } => {
            let is_late = |at: &u64| {
                naive.is(*at, |f| matches!(f, Fate::Due { session: s, .. } if *s == session))
            };
            let due: Vec<u64> = (first..first + count).filter(is_late).collect();
            let late = window.ack_late(first, first + count, session);
            prop_assert_eq!(late.iter().map(|run| run.1).sum::<u64>(), due.len() as u64);
            naive.fates.extend(due.into_iter().map(|at| (at, Fate::Settled)));
        }
        Act::Fail { first, count, session } => {
            let runs = window.fail(first, first + count, session);
            let want = naive.land((first, first + count), session, |_, _| Fate::Parked);
            prop_assert_eq!(naive.flat(&runs, &before), want);
        }
        Act::GiveBack { first, count, session } => {
            let runs = window.give_back(first, first + count, session);
            let again = |attempt, session| Fate::Due { attempt: attempt + 1, session };
            let want = naive.land((first, first + count), session, again);
            prop_assert_eq!(naive.flat(&runs, &before), want);
        }
        _ => rest(window, naive, act)?,
    }
    Ok(())
}

fn rest(window: &mut Window, naive: &mut Naive, act: &Act) -> Result<(), TestCaseError> {
    let before = naive.fates.clone();
    match *act {
        Act::Extend { first, count, session, by } => {
            let deadline = naive.now + by;
            let moved =
                window.extend((first, first + count), session, Duration::from_secs(deadline));
            let mut want = 0;
            for (_, fate) in naive.fates.range_mut(first..first + count) {
                if let Fate::Flying { session: s, deadline: Some(at), .. } = fate
                    && *s == session
                {
                    *at = deadline;
                    want += 1;
                }
            }
            prop_assert_eq!(Freed::of(&moved).events, want);
        }
        Act::Release { at, attempt, session } if naive.fates[&at] == Fate::Parked => {
            let due =
                Due { end: 0, attempt, last_session: session, redelivered: true, first_sent: None };
            window.release(at, due);
            naive.fates.insert(at, Fate::Due { attempt, session });
        }
        Act::End(at) if naive.fates[&at] == Fate::Parked => {
            window.end(at);
            naive.fates.insert(at, Fate::Settled);
        }
        Act::Pass(ticks) => {
            naive.now += ticks;
            let now = naive.now;
            let runs = window.expire(Duration::from_secs(now));
            let passed =
                |f: &Fate| matches!(f, Fate::Flying { deadline: Some(d), .. } if *d <= now);
            let late: Vec<u64> = (0..TAIL).filter(|at| naive.is(*at, passed)).collect();
            prop_assert_eq!(&naive.flat(&runs, &before), &late);
            naive.fates.extend(late.into_iter().map(|at| (at, Fate::Parked)));
        }
        Act::Skip { first, count } => {
            let end = (first + count).min(TAIL);
            let goes = |f: &Fate| matches!(f, Fate::Unsent | Fate::Due { .. });
            let gone: Vec<u64> = (first..end).filter(|at| naive.is(*at, goes)).collect();
            let skipped = window.skip(first, end);
            let hit = skipped.iter().flat_map(|run| run.0..run.1);
            let mut hit: Vec<u64> = hit.filter(|at| before[at] != Fate::Filtered).collect();
            hit.sort_unstable();
            prop_assert_eq!(skipped.iter().map(|run| run.2).sum::<u64>(), gone.len() as u64);
            prop_assert_eq!(&hit, &gone);
            naive.fates.extend(gone.into_iter().map(|at| (at, Fate::Settled)));
        }
        Act::Restart => {
            let bytes = Cursor::encode(window.low(), window.settled());
            *window = Window::new(Cursor::decode(&bytes).unwrap(), 0, 0);
            for (&at, fate) in &mut naive.fates {
                let is_passed = at < window.low() || window.settled().covers(at, at + 1);
                // What is filtered beside what is settled is stored with it.
                if *fate != Fate::Settled && !(*fate == Fate::Filtered && is_passed) {
                    prop_assert!(!is_passed, "{at} is settled and was {fate:?}");
                    *fate = Fate::Unsent;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn asked(window: &Window, naive: &Naive) -> Result<Option<Sendable>, TestCaseError> {
    let run = window.sendable(TAIL);
    prop_assert_eq!(run.map(|run| (run.first, run.attempt)), naive.next());
    Ok(run)
}

fn send(
    window: &mut Window,
    naive: &mut Naive,
    count: u64,
    session: u64,
    deadline: Option<u64>,
) -> Result<(), TestCaseError> {
    let Some(run) = asked(window, naive)? else { return Ok(()) };
    prop_assert_eq!(run.redelivered, run.again);
    let end = run.end.min(run.first + count);
    let deadline = deadline.map(|after| naive.now + after);
    let now = Duration::from_secs(naive.now);
    let time = &|| Timestamp(0);
    let to = To { session, now, time, deadline: deadline.map(Duration::from_secs) };
    window.sent(run, end, (end - run.first) * 10, to);
    naive.sends += 1;
    let (sent, again) = (naive.sends, run.again);
    for at in run.first..end {
        let fits = match naive.fates[&at] {
            Fate::Unsent => !run.again && run.attempt == 1,
            Fate::Due { attempt, .. } => run.attempt == attempt,
            _ => false,
        };
        prop_assert!(fits, "{at} was sent while {:?}", naive.fates[&at]);
        let fate = Fate::Flying { attempt: run.attempt, session, deadline, sent, again };
        naive.fates.insert(at, fate);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn window_agrees_with_one_state_per_offset(acts in proptest::collection::vec(any_act(), 1..80)) {
        let mut window = Window::new(Cursor::default(), 0, 0);
        let fates = (0..TAIL).map(|at| (at, Fate::Unsent)).collect();
        let mut naive = Naive { fates, now: 0, sends: 0 };
        for act in &acts {
            apply(&mut window, &mut naive, act)?;
            let is_over = |fate: &Fate| matches!(fate, Fate::Settled | Fate::Filtered);
            prop_assert_eq!(window.unsettled(TAIL), naive.count(|fate| !is_over(fate)));
            let low = naive.fates.iter().find(|(_, f)| !is_over(f)).map_or(TAIL, |(&at, _)| at);
            prop_assert_eq!(window.low(), low);
            let flies = |f: &Fate| matches!(f, Fate::Flying { .. });
            for at in 0..TAIL {
                prop_assert_eq!(window.is_out(at), naive.is(at, flies), "{} after {:?}", at, act);
            }
            let earliest = naive.fates.values().filter_map(|fate| match fate {
                Fate::Flying { deadline, .. } => deadline.map(Duration::from_secs),
                _ => None,
            }).min();
            prop_assert_eq!(window.deadline(), earliest);
        }
        looks(&window, &naive)?;
    }

    #[test]
    fn bytes_of_a_split_flight_are_conserved(cuts in proptest::collection::vec((0u64..100, 1u64..20), 0..20), bytes in 0u64..10_000) {
        let mut window = Window::new(Cursor::default(), 0, 0);
        let run = window.sendable(100).unwrap();
        window.sent(run, 100, bytes, to(1));
        let sum = |landed: Vec<Landed>| landed.iter().map(|run| run.flight.bytes).sum::<u64>();
        let mut freed = 0;
        for (first, count) in cuts {
            freed += sum(window.ack(first, (first + count).min(100), 1));
        }
        freed += sum(window.give_back(0, u64::MAX, 1));
        prop_assert_eq!(freed, bytes);
    }
}

/// What is said of single offsets, and of what lies below some.
fn looks(window: &Window, naive: &Naive) -> Result<(), TestCaseError> {
    let is_over = |fate: &Fate| matches!(fate, Fate::Settled | Fate::Filtered);
    for (&at, fate) in &naive.fates {
        let (settled, filtered) = (window.is_settled(at), window.is_filtered(at));
        let fits = match fate {
            Fate::Settled => settled && !filtered,
            // Beside what is settled it counts as that.
            Fate::Filtered => settled != filtered,
            _ => !settled && !filtered,
        };
        prop_assert!(fits, "{at} is {fate:?}: {settled} {filtered}");
        if let Fate::Flying { attempt, session, .. } = *fate {
            prop_assert!(window.is_in_flight(at, attempt, session));
            prop_assert!(!window.is_in_flight(at, attempt + 1, session));
            prop_assert!(!window.is_in_flight(at, attempt, session + 1));
        } else if *fate != Fate::Filtered {
            prop_assert!((1..4).all(|session| !window.is_in_flight(at, 1, session)));
        }
    }
    for end in [TAIL / 3, TAIL / 2, TAIL] {
        let below = || naive.fates.range(..end);
        let open: Vec<u64> = below().filter(|(_, f)| !is_over(f)).map(|(&at, _)| at).collect();
        let said = window.open_below(end).into_iter().flat_map(|(first, end)| first..end);
        prop_assert_eq!(said.collect::<Vec<_>>(), open);
        let is_out = |fate: &Fate| matches!(fate, Fate::Flying { .. } | Fate::Due { .. });
        prop_assert_eq!(window.has_out_below(end), below().any(|(_, fate)| is_out(fate)));
    }
    let level = window.level().filter(|level| level.low == TAIL);
    prop_assert_eq!(level.is_some(), naive.fates.values().all(is_over));
    prop_assert!(level.is_none_or(|level| level.low == TAIL));
    Ok(())
}

fn to(session: u64) -> To<'static> {
    To { session, now: Duration::ZERO, time: &|| Timestamp(0), deadline: None }
}

#[test]
fn deliveries_after_a_restart_are_flagged_as_far_as_they_may_be_repeats() {
    let mut window = Window::new(Cursor { low: 5, ..Cursor::default() }, 12, 4);
    let run = window.sendable(20).unwrap();
    assert_eq!((run.first, run.end, run.redelivered, run.attempt), (5, 9, true, 1));
    window.sent(run, 9, 0, to(1));
    let run = window.sendable(20).unwrap();
    assert_eq!((run.first, run.end, run.redelivered), (9, 20, false));
    let window = Window::new(Cursor { low: 5, ..Cursor::default() }, 7, 100);
    assert_eq!(window.sendable(20).unwrap().end, 7);
}

#[test]
fn too_many_settled_runs_stop_first_deliveries() {
    let mut window = Window::new(Cursor::default(), 0, 0);
    let tail = 1 << 20;
    let run = window.sendable(tail).unwrap();
    window.sent(run, 30_000, 0, to(1));
    for at in (1..20_000).step_by(2) {
        window.ack(at, at + 1, 1);
    }
    assert!(window.is_stalled());
    assert_eq!(window.sendable(tail), None);
    window.ack(0, 1, 1);
    assert!(!window.is_stalled());
    assert!(window.sendable(tail).is_some());
}

#[test]
fn a_cursor_does_not_grow_because_of_a_filter() {
    let mut window = Window::new(Cursor::default(), 0, 0);
    let tail = 10_001;
    let held = window.sendable(tail).unwrap();
    window.sent(held, 1, 0, to(1));
    for at in (1..tail - 9).step_by(10) {
        window.filter(at, at + 9);
        let run = window.sendable(tail).unwrap();
        window.sent(run, (at + 10).min(tail), 0, to(1));
    }
    window.ack(1, tail, 1);
    assert_eq!((window.low(), window.settled().len()), (0, 1));
    assert_eq!(window.unsettled(tail), 1);
    window.ack(0, 1, 1);
    assert_eq!((window.low(), window.settled().len()), (tail, 0));
}

#[test]
fn what_may_have_been_sent_stays_so_wherever_it_moves() {
    let restarted = Window::new(Cursor { low: 5, ..Cursor::default() }, 12, 100);
    let back = restarted.after(Cursor { low: 2, ..Cursor::default() });
    let run = back.sendable(20).unwrap();
    assert_eq!((run.first, run.end, run.redelivered), (2, 12, true));
    let further = back.after(Cursor { low: 1, ..Cursor::default() });
    let run = further.sendable(20).unwrap();
    assert_eq!((run.first, run.end, run.redelivered), (1, 12, true));
}

fn at(low: u64, runs: &[(u64, u64)]) -> Cursor {
    let mut settled = RunSet::default();
    runs.iter().for_each(|&(first, end)| settled.insert(first, end));
    Cursor { low, settled }
}

/// Sends the next run as a whole.
fn send_all(window: &mut Window, tail: u64, to: To) -> Sendable {
    let run = window.sendable(tail).unwrap();
    window.sent(run, run.end, 10 * (run.end - run.first), to);
    run
}

fn due(attempt: u32) -> Due {
    Due { end: 0, attempt, last_session: 1, redelivered: true, first_sent: None }
}

#[test]
fn it_is_level_only_when_nothing_would_be_forgotten_with_it() {
    let level = |low, attempts, attempts_before| {
        Some(Level { low, attempts, attempts_before, flags: None })
    };
    let mut window = Window::new(at(5, &[]), 0, 0);
    assert_eq!(window.level(), level(5, 0, 0));
    // A flag that first deliveries are still to carry.
    let flagged = |below, flags| Window::new(at(5, &[]), below, flags).level().unwrap();
    assert_eq!([flagged(5, 3), flagged(9, 0)].map(|level| level.flags), [None; 2]);
    assert_eq!([flagged(6, 1), flagged(9, 3)].map(|l| l.flags), [Some((6, 1)), Some((9, 3))]);
    for (flags, redelivered) in
        [(3, [(5, 8, true), (8, 20, false)]), (9, [(5, 9, true), (9, 20, false)])]
    {
        let mut window = Window::at_level(flagged(9, flags));
        let runs = [(); 2].map(|()| send_all(&mut window, 20, to(1)));
        assert_eq!(runs.map(|run| (run.first, run.end, run.redelivered)), redelivered);
    }
    send_all(&mut window, 8, to(1));
    assert_eq!(window.level(), None);
    window.ack(6, 8, 1);
    assert_eq!(window.level(), None);
    window.ack(5, 6, 1);
    assert_eq!(window.level(), level(8, 1, 0));
    // A dead letter that comes back: redriven, due, in flight.
    assert_eq!(window.redrive(6, 1), 2);
    assert_eq!(window.level(), None);
    window.release(6, due(2));
    assert_eq!(window.end_redriven(6, 7), [6]);
    assert_eq!(window.level(), None);
    let run = send_all(&mut window, 8, to(1));
    assert_eq!((run.first, run.attempt, run.again), (6, 2, true));
    assert_eq!(window.level(), None);
    window.ack(6, 7, 1);
    assert_eq!(window.level(), level(8, 2, 0));
    // It goes on where it was: what is sent before that place again is told apart from before.
    let mut window = Window::at_level(window.level().unwrap());
    let run = window.sendable(20).unwrap();
    assert_eq!((run.first, run.end, run.attempt, run.redelivered), (8, 20, 1, false));
    let mut back = window.after(at(3, &[]));
    let run = send_all(&mut back, 20, to(1));
    assert_eq!((run.first, run.end, run.attempt, run.redelivered), (3, 8, 3, true));
    assert_eq!(back.sendable(20).map(|run| (run.first, run.attempt)), Some((8, 1)));
    let known = Level { low: 8, attempts: 4, attempts_before: 2, flags: Some((9, 0)) };
    assert_eq!(Window::at_level(known).level(), Some(known));
    assert_eq!(Window::at_level(known).redrive(3, 0), 3);
    // What is filtered above what is open is known only here.
    send_all(&mut window, 9, to(1));
    window.filter(9, 12);
    assert_eq!((window.level(), window.is_filtered(10)), (None, true));
}

#[test]
fn an_offset_below_many_that_are_settled_is_lonely() {
    let far = 5 + LONELY;
    for (end, is_lonely) in [(20, false), (far, false), (far + 1, true)] {
        let window = Window::new(at(2, &[(10, end)]), 0, 0);
        assert_eq!(window.is_lonely(5), is_lonely, "{end}");
    }
    let window = Window::new(at(2, &[(10, 20), (30, far + 1)]), 0, 0);
    assert!(!window.is_lonely(5), "the next run is what a read would pass over");
    assert!(!window.is_lonely(far + 1), "nothing above it is settled");
}

#[test]
fn too_many_settled_runs_do_not_stop_what_makes_them_fewer() {
    let runs: Vec<_> = (0..RUNS_MAX as u64).map(|run| (10 + 2 * run, 11 + 2 * run)).collect();
    let mut window = Window::new(at(2, &runs), 0, 0);
    assert!(window.is_between() && !window.is_stalled());
    let mut first = 2;
    while window.is_between() {
        assert!(!window.is_stalled());
        let run = send_all(&mut window, 1 << 20, to(1));
        assert_eq!(run.first, first);
        first = if first == 2 { 11 } else { first + 2 };
    }
    assert_eq!((window.next(), window.is_stalled()), (1 << 20, true));
    assert_eq!(window.sendable(1 << 21), None);
    window.ack(2, 10, 1);
    assert!(!window.is_stalled());
}

#[test]
fn what_is_due_in_several_places_is_scattered_and_what_has_no_deadline_timeless() {
    let mut window = Window::new(at(0, &[]), 0, 0);
    send_all(&mut window, 10, to(1));
    assert!(window.is_timeless() && !window.is_scattered());
    window.give_back(2, 4, 1);
    assert!(!window.is_scattered());
    window.give_back(6, 8, 1);
    assert!(window.is_scattered());
    window.forget_due(2);
    window.forget_due(3);
    assert!(!window.is_scattered());
    assert_eq!(window.sendable(10).map(|run| (run.first, run.end)), Some((6, 8)));
    let deadline = Some(Duration::from_secs(5));
    send_all(&mut window, 10, To { deadline, ..to(2) });
    assert_eq!((window.is_timeless(), window.deadline()), (false, deadline));
    assert_eq!(window.expire(Duration::from_secs(4)), []);
    assert_eq!(Freed::of(&window.expire(Duration::from_secs(5))), Freed { events: 2, bytes: 20 });
    assert!(window.is_timeless());
}

#[test]
fn a_life_begins_above_every_attempt_of_the_one_before() {
    let mut window = Window::new(at(5, &[]), 0, 0);
    send_all(&mut window, 9, to(1));
    let mut window = window.after(at(2, &[(4, 6)]));
    assert_eq!([2, 8, 9].map(|offset| window.first_attempt(offset)), [2, 2, 1]);
    // Settled: above what was sent and above what was before; open: as it goes out anyway.
    assert_eq!([window.redrive(1, 0), window.redrive(5, 5), window.redrive(3, 5)], [2, 6, 2]);
    assert_eq!((window.redriven(), window.first_attempt(5)), (3, 6));
    assert!(window.is_redriven(3) && !window.is_redriven(4));
    // One that was settled counts as an event once it is out again.
    window.release(5, due(6));
    let run = send_all(&mut window, 9, to(1));
    assert_eq!((run.first, run.end, run.attempt), (5, 6, 6));
    assert!(!window.has_out_below(9), "it is no part of what goes on below");
    assert_eq!(Freed::of(&window.ack(5, 6, 1)), Freed { events: 1, bytes: 10 });
    assert_eq!(window.end_redriven(1, 4), [1, 3]);
    assert_eq!(window.end_redriven(0, 9), [5]);
    assert_eq!(window.first_attempt(5), 2);
    // Without flags left, only what was sent here is flagged.
    let window = Window::new(at(5, &[]), 12, 0).after(at(2, &[]));
    let run = window.sendable(20).unwrap();
    assert_eq!((run.first, run.end, run.redelivered, run.attempt), (2, 5, true, 1));
}

#[test]
fn what_is_freed_adds_up_and_is_never_less_than_nothing() {
    let mut freed = Freed { events: 2, bytes: 30 };
    freed.add(3, 40);
    assert_eq!(freed, Freed { events: 5, bytes: 70 });
    freed.take(4, 60);
    assert_eq!(freed, Freed { events: 1, bytes: 10 });
    freed.take(4, 60);
    assert_eq!(freed, Freed::default());
}

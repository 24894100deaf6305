//! A schedule is what was asked for, and known before the first event.

use super::*;

fn check(schedule: Schedule, ticks: usize, events: u64, last_due_micros: u128) {
    let all: Vec<(Duration, u64)> = schedule.ticks().collect();
    assert_eq!((all.len(), schedule.events()), (ticks, events), "{schedule:?}");
    assert_eq!(all.iter().map(|(_, events)| events).sum::<u64>(), events);
    assert!(all.is_sorted() && all[0].0.is_zero(), "{schedule:?}");
    assert_eq!(all[ticks - 1].0.as_micros(), last_due_micros, "{schedule:?}");
}

#[test]
fn events_are_due_at_the_rate_that_was_asked_for() {
    let second = Duration::from_secs(1);
    check(Schedule::steady(50_000, second * 2), 2_000, 100_000, 1_999_000);
    // Below a thousand a second one by one, at a rate that ticks do not divide in longer ticks.
    check(Schedule::steady(10, second), 10, 10, 900_000);
    check(Schedule::steady(1_500, second * 2), 3_000, 3_000, 1_999_333);
    check(Schedule::steady(0, second / 10), 1, 1, 0);
}

#[test]
fn a_burst_is_due_at_one_instant_and_all_of_it_counts() {
    check(Schedule::at_once(60_000), 1, 60_000, 0);
    assert_eq!(Schedule::at_once(60_000).timed_from(), Duration::ZERO);
    let steady = Schedule::steady(1_000, Duration::from_secs(10));
    assert_eq!(steady.timed_from(), Duration::from_secs(1));
}

#[test]
fn the_watch_goes_forward_with_the_monotonic_clock() {
    let watch = Watch::new();
    let (first, second) = (watch.now(), watch.now());
    assert!(first <= second);
    assert_eq!(since(later(first, Duration::from_micros(7)), first), Duration::ZERO);
    assert_eq!(since(first, later(first, Duration::from_micros(7))), Duration::from_micros(7));
}

//! What lasts is told and a burst is not; who is refused gets a turn of his own.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn capacity(events: u64) -> NonZeroU64 {
    NonZeroU64::new(events).unwrap()
}

/// What changed at each look, one a second, while so many events come in each second.
fn check(rates: impl IntoIterator<Item = u64>) -> Vec<(usize, bool)> {
    let mut usage = Usage::of(capacity(1_000), Duration::ZERO, &Recorder::new());
    let (mut stored, mut changes) = (0, Vec::new());
    for (at, rate) in rates.into_iter().enumerate() {
        stored += rate;
        let seen = usage.look(SECOND * at as u32, stored);
        changes.extend(seen.changed.map(|changed| (at, changed)));
    }
    changes
}

#[test]
fn what_lasts_is_told_once_and_its_end_too() {
    // From 80 % of ten seconds' capacity on it is high, below 70 not.
    let steady = [900; 20].into_iter().chain([0; 20]);
    assert_eq!(check(steady), [(8, true), (22, false)]);
    assert_eq!(check([790; 40]), []);
}

#[test]
fn a_burst_of_many_times_the_capacity_is_over_before_it_counts() {
    let bursts = (0..60).map(|second| if second % 10 == 0 { 5_000 } else { 100 });
    assert_eq!(check(bursts), []);
}

#[test]
fn a_rate_between_the_bounds_changes_nothing() {
    let swinging = (0..100).map(|second| if second % 20 < 10 { 900 } else { 750 });
    assert_eq!(check(swinging), [(8, true)]);
}

#[test]
fn the_share_is_that_of_the_last_ten_seconds() {
    let recorder = Recorder::new();
    let mut usage = Usage::of(capacity(200), Duration::ZERO, &recorder);
    assert_eq!(recorder.gauge(Gauge::AdmitCapacity), 200);
    for second in 0..30 {
        let seen = usage.look(SECOND * second, u64::from(second) * 100);
        let percent = if second < 10 { u64::from(second) * 5 } else { 50 };
        assert_eq!((seen.percent, seen.events_per_second), (percent, percent * 2), "{second}");
    }
    // Looks that come late count for as long as they were away.
    assert_eq!(usage.look(SECOND * 129, 2_900).percent, 0);
}

#[test]
fn who_is_refused_comes_after_those_who_were_refused_before() {
    let (waiting, drain) = (Waiting::default(), SECOND / 4);
    let turn = |now, events| waiting.turn(capacity(1_000), (now, drain), events);
    assert_eq!(turn(SECOND, 500), drain, "the first waits until the queue is empty");
    assert_eq!(turn(SECOND, 500), drain + SECOND / 2);
    assert_eq!(turn(SECOND + SECOND / 2, 100), SECOND * 3 / 4, "time passed for all of them");
    assert_eq!(turn(SECOND * 60, 1), drain, "and they have come");
}

#[test]
fn nobody_waits_for_longer_than_ten_seconds() {
    let waiting = Waiting::default();
    let turn = || waiting.turn(capacity(10), (SECOND, SECOND), 1_000_000);
    assert_eq!([turn(), turn(), turn()], [SECOND, WAIT_MAX, WAIT_MAX]);
}

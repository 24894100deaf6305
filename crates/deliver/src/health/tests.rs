//! What each kind of consumer looks like, second by second.

use std::time::Duration;

use super::{Change, Health, Observation, Thresholds, Watch};

/// A subscription that is looked at each second.
#[derive(Default)]
struct Looked {
    watch: Watch,
    seen: Observation,
    now: u64,
    changes: Vec<(u64, Health)>,
}

impl Looked {
    fn with_consumer() -> Self {
        let seen = Observation { has_consumer: true, ..Observation::default() };
        Self { seen, ..Self::default() }
    }

    /// Looks each second while `act` makes the second happen.
    fn for_seconds(&mut self, seconds: u64, mut act: impl FnMut(&mut Observation)) -> &mut Self {
        for _ in 0..seconds {
            act(&mut self.seen);
            let before = self.watch.health();
            let at = Duration::from_secs(self.now);
            let change = self.watch.step(&self.seen, at, &Thresholds::default());
            let after = self.watch.health();
            let told = change.map(|Change { from, to }| (from, to));
            assert_eq!(told, (before != after).then_some((before, after)));
            self.changes.extend(change.map(|change| (self.now, change.to)));
            self.now += 1;
        }
        self
    }

    /// The states it went through, and when.
    #[track_caller]
    fn went(&self, want: &[(u64, Health)]) {
        assert_eq!(self.changes, want);
    }
}

/// Events come and are settled within the second.
fn keeps_up(seen: &mut Observation) {
    seen.settled += 100;
    seen.unsettled = 3;
    seen.oldest = Duration::from_millis(5);
}

/// Events come, and nothing is settled.
fn takes_and_acks_nothing(seen: &mut Observation) {
    seen.unsettled += 100;
    seen.oldest += Duration::from_secs(1);
}

fn rests(seen: &mut Observation) {
    seen.unsettled = 0;
    seen.oldest = Duration::ZERO;
}

#[test]
fn without_a_consumer_it_is_gone_whatever_waits() {
    let mut looked = Looked::default();
    looked.for_seconds(100, takes_and_acks_nothing).went(&[]);
    assert_eq!(looked.watch.health(), Health::Gone);
    let mut looked = Looked::with_consumer();
    looked.for_seconds(3, keeps_up).for_seconds(1, |seen| seen.has_consumer = false);
    looked.went(&[(0, Health::Active), (3, Health::Gone)]);
}

#[test]
fn one_without_work_is_idle_and_never_stalls() {
    let mut looked = Looked::with_consumer();
    looked.for_seconds(1_000, rests).went(&[(0, Health::Idle)]);
    // A pause of seconds between events is no rest.
    looked.for_seconds(10, keeps_up).for_seconds(4, rests).for_seconds(10, keeps_up);
    looked.for_seconds(6, rests);
    looked.went(&[(0, Health::Idle), (1_000, Health::Active), (1_029, Health::Idle)]);
}

#[test]
fn an_open_connection_that_acks_nothing_is_stalled_within_half_a_minute() {
    let mut looked = Looked::with_consumer();
    looked.for_seconds(100, takes_and_acks_nothing);
    looked.went(&[(0, Health::Connected), (20, Health::Stalled)]);
    // One that worked and then hangs: counted from its last settlement; told once.
    let mut looked = Looked::with_consumer();
    looked.for_seconds(40, keeps_up).for_seconds(300, takes_and_acks_nothing);
    looked.went(&[(0, Health::Active), (59, Health::Stalled)]);
}

#[test]
fn one_that_settles_again_lags_and_then_is_well() {
    let mut looked = Looked::with_consumer();
    looked.for_seconds(100, takes_and_acks_nothing).for_seconds(10, |seen| {
        seen.settled += 1_000;
        seen.unsettled -= 900;
    });
    looked.for_seconds(20, keeps_up);
    looked.went(&[
        (0, Health::Connected),
        (20, Health::Stalled),
        (100, Health::Lagging),
        (114, Health::Active),
    ]);
}

#[test]
fn a_slow_one_lags_by_the_age_of_what_waits() {
    let mut looked = Looked::with_consumer();
    looked.for_seconds(100, |seen| {
        seen.settled += 1;
        seen.unsettled = 50;
        seen.oldest += Duration::from_millis(900);
    });
    looked.went(&[(0, Health::Active), (33, Health::Lagging)]);
}

#[test]
fn a_slow_one_lags_when_more_and_more_waits() {
    let mut looked = Looked::with_consumer();
    looked.for_seconds(60, |seen| {
        seen.settled += 10;
        seen.unsettled += 1;
    });
    looked.went(&[(0, Health::Active), (30, Health::Lagging)]);
}

#[test]
fn a_lag_that_stays_or_comes_and_goes_is_none() {
    let mut looked = Looked::with_consumer();
    looked.for_seconds(200, |seen| {
        seen.settled += 10;
        seen.unsettled = 500;
    });
    let mut second = 0;
    looked.for_seconds(200, |seen| {
        second += 1;
        seen.settled += 10;
        seen.unsettled = 500 + (second % 7) * 40;
    });
    looked.went(&[(0, Health::Active)]);
}

#[test]
fn names_are_of_the_wire() {
    let names: Vec<_> = Health::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["gone", "connected", "idle", "active", "lagging", "stalled"]);
}

//! Ingest times: the wall clock, never back, and not followed when it leaps or falls behind.

use std::time::Duration;

use crate::Timestamp;

/// A jump larger than this is not believed at once.
const LEAP: Duration = Duration::from_secs(3_600);

/// A stop that seems longer than this is taken for a jump.
const STOP_MAX: Duration = Duration::from_secs(7 * 86_400);

/// How long it has to last to be believed.
const STABLE: Duration = Duration::from_secs(600);

/// The clock of whoever stores: what retention counts by. Pure: both clocks are arguments.
///
/// Times never go back. A wall clock that is ahead by more than an hour, after a start by more than a
/// week, is followed once it has been for ten minutes; one that is behind is not: time goes on by the
/// monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct IngestTime {
    last: Timestamp,
    at: Duration,
    started: bool,
    leaping_since: Option<Duration>,
}

impl IngestTime {
    /// Starts at the newest time of what is stored, so that nothing new is older, and looks at the clocks
    /// at once: one that jumps before anything is taken in is not followed either.
    #[must_use]
    pub fn start(floor: Timestamp, wall: Timestamp, monotonic: Duration) -> Self {
        let mut time = Self { last: floor, at: monotonic, ..Self::default() };
        time.next(wall, monotonic);
        time
    }

    /// The newest time given.
    #[must_use]
    pub fn last(&self) -> Timestamp {
        self.last
    }

    /// The time of something taken in now.
    pub fn next(&mut self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let passed =
            u64::try_from(monotonic.saturating_sub(self.at).as_nanos()).unwrap_or(u64::MAX);
        let expected = Timestamp(self.last.0.saturating_add(passed));
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let ahead = if self.started { LEAP } else { STOP_MAX };
        let is_first = !self.started && self.last == Timestamp::default();
        let believed = if !is_first && wall.0 > expected.0.saturating_add(nanos(ahead)) {
            let since = *self.leaping_since.get_or_insert(monotonic);
            if monotonic.saturating_sub(since) >= STABLE { wall } else { expected }
        } else if wall.0 < expected.0.saturating_sub(nanos(LEAP)) {
            // Behind for good or for a while: what is stored meanwhile must not count as older than
            // it is once the clock is right again.
            expected
        } else {
            wall
        };
        if believed == wall {
            self.leaping_since = None;
        }
        (self.started, self.at) = (true, monotonic);
        self.last = self.last.max(believed);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_goes_back_and_does_not_follow_a_leap_at_once() {
        let (hour, day) = (3_600_000_000_000, 86_400_000_000_000);
        let seconds = Duration::from_secs;
        let mut time = IngestTime::start(Timestamp(day), Timestamp(5), seconds(0));
        assert_eq!(time.last(), Timestamp(day), "the wall went back");
        assert_eq!(time.next(Timestamp(day + hour), seconds(1)), Timestamp(day + hour));
        let leapt = Timestamp(3 * day);
        assert_eq!(time.next(leapt, seconds(2)), Timestamp(day + hour + 1_000_000_000));
        assert_eq!(time.next(leapt, seconds(601)), Timestamp(day + hour + 600_000_000_000));
        assert_eq!(time.next(leapt, seconds(602)), leapt, "after ten minutes it is believed");
        let later = |by: u64| Timestamp(leapt.0 + by * 1_000_000_000);
        for at in [1, 5_000, 50_000] {
            assert_eq!(time.next(Timestamp(5), seconds(602 + at)), later(at), "it is behind");
        }
        assert_eq!(time.next(later(50_001), seconds(50_603)), later(50_001), "it is right again");
    }

    #[test]
    fn a_week_may_pass_at_a_restart_and_ten_years_may_not() {
        let day = 86_400_000_000_000;
        let second = Duration::from_secs(1);
        let start = |floor, wall| IngestTime::start(floor, wall, second);
        let first = |wall| start(Timestamp(day), wall).last();
        assert_eq!(first(Timestamp(7 * day)), Timestamp(7 * day));
        assert_eq!(first(Timestamp(3_650 * day)), Timestamp(day));
        let mut fresh = start(Timestamp::default(), Timestamp(3_650 * day));
        assert_eq!(fresh.last(), Timestamp(3_650 * day), "nothing is stored yet");
        assert_eq!(fresh.next(Timestamp(day), 2 * second).0, 3_650 * day + 1_000_000_000);
    }
}

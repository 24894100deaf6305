//! Ingest times: the wall clock, never back, and not followed when it leaps.

use std::time::Duration;

use tidings_event::Timestamp;

/// A forward jump larger than this is not believed at once.
const LEAP: Duration = Duration::from_secs(3_600);

/// How long it has to last to be believed.
const STABLE: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IngestTime {
    last: Timestamp,
    at: Duration,
    started: bool,
    leaping_since: Option<Duration>,
}

impl IngestTime {
    /// Starts at the newest time of what is stored, so that nothing new is older.
    pub(crate) fn after(floor: Timestamp) -> Self {
        Self { last: floor, ..Self::default() }
    }

    /// The newest time given.
    pub(crate) fn last(&self) -> Timestamp {
        self.last
    }

    /// The time of something taken in now.
    pub(crate) fn next(&mut self, wall: Timestamp, monotonic: Duration) -> Timestamp {
        let passed =
            u64::try_from(monotonic.saturating_sub(self.at).as_nanos()).unwrap_or(u64::MAX);
        let expected = Timestamp(self.last.0.saturating_add(passed));
        let leap = u64::try_from(LEAP.as_nanos()).unwrap_or(u64::MAX);
        let believed = if self.started && wall.0 > expected.0.saturating_add(leap) {
            let since = *self.leaping_since.get_or_insert(monotonic);
            if monotonic.saturating_sub(since) >= STABLE { wall } else { expected }
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
        let mut time = IngestTime::after(Timestamp(day));
        assert_eq!(time.next(Timestamp(5), seconds(0)), Timestamp(day), "the wall went back");
        assert_eq!(time.next(Timestamp(day + hour), seconds(1)), Timestamp(day + hour));
        let leapt = Timestamp(3 * day);
        assert_eq!(time.next(leapt, seconds(2)), Timestamp(day + hour + 1_000_000_000));
        assert_eq!(time.next(leapt, seconds(601)), Timestamp(day + hour + 600_000_000_000));
        assert_eq!(time.next(leapt, seconds(602)), leapt, "after ten minutes it is believed");
    }
}

//! The time that retention goes by: the wall clock's as long as that agrees with the monotonic clock,
//! else what the monotonic clock makes of it. No jump of the wall clock makes anything older.

use std::time::Duration;

use tidings_event::Timestamp;

/// The wall clock may be off by so much before it is doubted.
const TOLERANCE: Duration = Duration::from_secs(3600);
/// A clock that is ahead is followed after so long, for a machine that slept is so, too.
const STABLE: Duration = Duration::from_secs(600);
/// A stop that seems longer than this is taken for a jump.
const STOP_MAX: Duration = Duration::from_secs(7 * 86_400);

/// By how much the clock was set forward in all, and which times of blocks are from before that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leap {
    /// Times before this one are from before the clock leapt.
    pub before: Timestamp,
    /// By how much.
    pub nanos: u64,
}

/// A moment, as retention counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time that retention counts by.
    pub time: Timestamp,
    /// How the clock was set forward.
    pub leap: Leap,
    /// The wall clock shows something else.
    pub doubted: bool,
}

impl Now {
    /// Whether a block that was stored at a time is older than this. One that was stored before the
    /// clock leapt is as much younger as that.
    #[must_use]
    pub fn is_older(&self, ingested_at: Timestamp, age: Duration) -> bool {
        let late = if ingested_at < self.leap.before { self.leap.nanos } else { 0 };
        ingested_at.0.saturating_add(late) < self.time.minus(age).0
    }
}

/// Watches the wall clock against the monotonic one.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallGuard {
    /// Wall and monotonic time that belong together.
    known: Option<(Timestamp, Duration)>,
    /// Another pair that may, since when it holds.
    suspect: Option<(Timestamp, Duration)>,
    /// The wall clock has agreed since the start, so that no stop lies between.
    agreed: bool,
    leap: Leap,
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What a pair of times makes of a later monotonic time.
fn expected((then, since): (Timestamp, Duration), monotonic: Duration) -> u64 {
    then.0.saturating_add(nanos(monotonic.saturating_sub(since)))
}

impl WallGuard {
    /// The guard at a start, given the time up to which retention had come before it.
    #[must_use]
    pub fn after(last: Option<Timestamp>, leap: Leap, monotonic: Duration) -> Self {
        Self { known: last.map(|last| (last, monotonic)), leap, ..Self::default() }
    }

    /// Whether a time is worth recording.
    #[must_use]
    pub fn is_news(last: Option<(Timestamp, Leap)>, now: &Now) -> bool {
        last.is_none_or(|(last, leap)| {
            leap != now.leap || last.0.abs_diff(now.time.0) >= nanos(TOLERANCE)
        })
    }

    /// The moment. A clock that is behind is never followed; one that is ahead is when it has been
    /// for ten minutes, and what was stored before then becomes no older by that.
    pub fn look(&mut self, wall: Timestamp, monotonic: Duration) -> Now {
        let known = *self.known.get_or_insert((wall, monotonic));
        let expected = expected(known, monotonic);
        let ahead = if self.agreed { TOLERANCE } else { STOP_MAX };
        let latest = expected.saturating_add(nanos(ahead));
        if (expected.saturating_sub(nanos(TOLERANCE))..=latest).contains(&wall.0) {
            if !self.agreed {
                (self.agreed, self.known) = (true, Some((wall, monotonic)));
            }
            self.suspect = None;
            return Now { time: wall, leap: self.leap, doubted: false };
        }
        if wall.0 > expected && self.is_stable(wall, monotonic) {
            let late = self.leap.nanos.saturating_add(wall.0 - expected);
            let before = Timestamp(expected.saturating_add(nanos(TOLERANCE)));
            *self = Self {
                known: Some((wall, monotonic)),
                suspect: None,
                agreed: true,
                leap: Leap { before, nanos: late },
            };
            return Now { time: wall, leap: self.leap, doubted: false };
        }
        Now { time: Timestamp(expected), leap: self.leap, doubted: true }
    }

    fn is_stable(&mut self, wall: Timestamp, monotonic: Duration) -> bool {
        let agrees = |suspect: &(Timestamp, Duration)| {
            expected(*suspect, monotonic).abs_diff(wall.0) <= nanos(TOLERANCE)
        };
        let suspect = self.suspect.filter(agrees).unwrap_or((wall, monotonic));
        self.suspect = Some(suspect);
        monotonic.saturating_sub(suspect.1) >= STABLE
    }
}

#[cfg(test)]
mod tests;

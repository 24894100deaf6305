//! How a subscription is doing, from its progress. Pure: observations and time in, changes out.
//!
//! A consumer that keeps its connection open proves nothing; what it settles does. The states are
//! those of [`Health`]; a change is told once.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

/// How a subscription is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Health {
    /// Nobody consumes it.
    #[default]
    Gone,
    /// A consumer came and has settled nothing yet.
    Connected,
    /// There is nothing to do.
    Idle,
    /// Its consumers settle what they are sent.
    Active,
    /// They do, and it does not suffice: the oldest unsettled event is too old, or there are more
    /// and more of them.
    Lagging,
    /// There is something to do, and nothing is settled.
    Stalled,
}

impl Health {
    /// All, in the order of their names' numbers.
    pub const ALL: [Self; 6] =
        [Self::Gone, Self::Connected, Self::Idle, Self::Active, Self::Lagging, Self::Stalled];

    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Connected => "connected",
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Lagging => "lagging",
            Self::Stalled => "stalled",
        }
    }

    /// Whether somebody should look.
    #[must_use]
    pub const fn is_bad(self) -> bool {
        matches!(self, Self::Lagging | Self::Stalled)
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// From when on something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// So long nothing is settled while there is something to do: stalled.
    pub stalled_after: Duration,
    /// So old is the oldest unsettled event, or so long their number has grown: lagging.
    pub lagging_after: Duration,
    /// So long nothing is to do: idle; and so long nothing lags: no longer lagging.
    pub calm_after: Duration,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            // Seen within 30 s, whenever the next look is.
            stalled_after: Duration::from_secs(20),
            lagging_after: Duration::from_secs(30),
            calm_after: Duration::from_secs(5),
        }
    }
}

/// What is seen of a subscription at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) has_consumer: bool,
    /// Durable events that match and are not settled.
    pub(crate) unsettled: u64,
    /// Grows with whatever is settled.
    pub(crate) settled: u64,
    /// How old the oldest of the unsettled is.
    pub(crate) oldest: Duration,
}

/// A subscription does otherwise now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) from: Health,
    pub(crate) to: Health,
}

/// The parts of the time in which the lag has to grow from each to the next.
const PARTS: u32 = 3;

/// Whether there are more and more unsettled events: the least of each part of time is above that
/// of the part before. A lag that comes and goes has low points; one that stays does not grow.
#[derive(Clone, Debug, Default)]
struct Growth {
    least: VecDeque<u64>,
    part_ends: Duration,
}

impl Growth {
    fn see(&mut self, unsettled: u64, now: Duration, over: Duration) {
        if now >= self.part_ends {
            self.part_ends = now.saturating_add(over / PARTS);
            if self.least.len() > PARTS as usize {
                self.least.pop_front();
            }
            self.least.push_back(unsettled);
        }
        if let Some(least) = self.least.back_mut() {
            *least = unsettled.min(*least);
        }
    }

    fn is_steady(&self) -> bool {
        let grows = self.least.iter().zip(self.least.iter().skip(1)).all(|(old, new)| old < new);
        self.least.len() > PARTS as usize && grows
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    health: Health,
    settled: u64,
    /// Since when nothing was settled although there is something to do.
    waits_since: Option<Duration>,
    has_settled: bool,
    /// Since when nothing is to do.
    free_since: Option<Duration>,
    /// When it last lagged.
    lagged_at: Option<Duration>,
    /// While there is something to do: most are idle.
    growth: Option<Box<Growth>>,
}

impl Watch {
    /// How it is doing.
    pub(crate) fn health(&self) -> Health {
        self.health
    }

    /// Takes note of what is seen now.
    pub(crate) fn step(
        &mut self,
        seen: &Observation,
        now: Duration,
        thresholds: &Thresholds,
    ) -> Option<Change> {
        let from = self.health;
        self.health = self.judge(seen, now, thresholds);
        (from != self.health).then_some(Change { from, to: self.health })
    }

    fn grows(&self) -> bool {
        self.growth.as_ref().is_some_and(|growth| growth.is_steady())
    }

    fn judge(&mut self, seen: &Observation, now: Duration, thresholds: &Thresholds) -> Health {
        let progressed = seen.settled > self.settled;
        self.settled = seen.settled;
        if !seen.has_consumer {
            *self = Self { settled: seen.settled, ..Self::default() };
            return Health::Gone;
        }
        self.has_settled |= progressed;
        let is_free = seen.unsettled == 0;
        self.waits_since =
            if is_free { None } else { self.waits_since.filter(|_| !progressed).or(Some(now)) };
        self.free_since =
            self.free_since.filter(|_| is_free && !progressed).or(is_free.then_some(now));
        if is_free {
            self.growth = None;
        } else {
            let growth = self.growth.get_or_insert_default();
            growth.see(seen.unsettled, now, thresholds.lagging_after);
        }
        let passed = |since: Option<Duration>| since.map(|since| now.saturating_sub(since));
        if passed(self.waits_since).is_some_and(|waits| waits >= thresholds.stalled_after) {
            return Health::Stalled;
        }
        if !is_free && (seen.oldest > thresholds.lagging_after || self.grows()) {
            self.lagged_at = Some(now);
        }
        let (was, calm) = (self.health, thresholds.calm_after);
        if passed(self.lagged_at).is_some_and(|ago| ago.is_zero() || ago < calm && was.is_bad()) {
            // One that was stalled has to settle before it merely lags.
            return if was == Health::Stalled && !progressed { was } else { Health::Lagging };
        }
        let rested =
            passed(self.free_since).is_some_and(|free| free >= calm || was == Health::Idle);
        match (self.has_settled, is_free) {
            (_, true) if rested || !self.has_settled => Health::Idle,
            (true, _) => Health::Active,
            (false, _) => Health::Connected,
        }
    }
}

#[cfg(test)]
mod tests;

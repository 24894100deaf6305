//! When events are due, and what time it is: one clock for both sides, so that a step of the wall
//! clock is no latency.

use std::time::Duration;

use tidings_event::{Clock, SystemClock, Timestamp};
use tidings_telemetry::Timer;

/// Events are handed over in ticks of this length, or one by one below a thousand a second.
const TICK: Duration = Duration::from_millis(1);

/// Time of day, counted by the monotonic clock from the start of the bench.
#[derive(Debug)]
pub(super) struct Watch {
    clock: SystemClock,
    began: (Timestamp, Duration),
}

impl Watch {
    pub(super) fn new() -> Self {
        let clock = SystemClock::new();
        let began = (clock.wall(), clock.monotonic());
        Self { clock, began }
    }

    pub(super) fn now(&self) -> Timestamp {
        let (wall, monotonic) = self.began;
        later(wall, self.clock.monotonic().saturating_sub(monotonic))
    }

    /// Returns at a time, at once when that is past.
    pub(super) async fn until(&self, due: Timestamp) {
        let early = since(self.now(), due);
        if !early.is_zero() {
            Timer.after(early).await;
        }
    }
}

/// A time after another one.
pub(super) fn later(from: Timestamp, by: Duration) -> Timestamp {
    Timestamp(from.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

/// From one time to another, nothing when that is earlier.
pub(super) fn since(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_nanos(to.0.saturating_sub(from.0))
}

/// Which events are due when: decided before the first is sent, whatever is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Schedule {
    /// Events of one tick.
    per_tick: u64,
    ticks: u64,
    /// Events a second; nothing when all are due at once.
    rate: Option<u64>,
}

impl Schedule {
    /// So many a second for so long.
    pub(super) fn steady(rate: u64, length: Duration) -> Self {
        let rate = rate.max(1);
        let per_tick = (rate * TICK.as_micros() as u64 / 1_000_000).max(1);
        let events = (rate as f64 * length.as_secs_f64()) as u64;
        Self { per_tick, ticks: (events / per_tick).max(1), rate: Some(rate) }
    }

    /// All at once.
    pub(super) fn at_once(events: u64) -> Self {
        Self { per_tick: events, ticks: 1, rate: None }
    }

    pub(super) fn events(self) -> u64 {
        self.per_tick * self.ticks
    }

    /// Each tick: how long after the start its events are due, and how many they are.
    pub(super) fn ticks(self) -> impl Iterator<Item = (Duration, u64)> + Send {
        (0..self.ticks).map(move |tick| (self.due(tick), self.per_tick))
    }

    fn due(self, tick: u64) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        Duration::from_secs_f64((tick * self.per_tick) as f64 / rate as f64)
    }

    /// What is due before this is sent and checked, but not timed: connections warm up.
    pub(super) fn timed_from(self) -> Duration {
        self.due(self.ticks / 10)
    }
}

#[cfg(test)]
mod tests;

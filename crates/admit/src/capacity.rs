//! What the machine was measured to take: how much of it is used, and when to try again.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_event::Refusal;
use tidings_log::AppendError;
use tidings_telemetry::{Counter, Gauge, Recorder};

use crate::admit::Admission;
use crate::refuse;

/// What is used is used over this time: a burst that is over in a second is none of it.
const SPAN: Duration = Duration::from_secs(10);

/// At and above so many hundredths of the capacity it is nearly used, and below so many no longer.
const HIGH: (u64, u64) = (80, 70);

/// Nobody is asked to wait for longer than this.
const WAIT_MAX: Duration = Duration::from_secs(10);

impl Admission {
    /// Looks how much of the measured capacity is used, and says when that comes to be much. To be
    /// called about once a second; without a measured capacity it does nothing.
    pub fn look_at_load(&self) {
        let Some(usage) = &self.usage else { return };
        let (now, stored) = (self.clock.monotonic(), self.recorder.counted(Counter::AdmitEvents));
        let seen = usage.lock().unwrap_or_else(PoisonError::into_inner).look(now, stored);
        let Seen { events_per_second, percent, changed, capacity } = seen;
        let gauge = i64::try_from(percent).unwrap_or(i64::MAX);
        self.recorder.set(Gauge::AdmitCapacityUsed, gauge);
        match changed {
            Some(true) => tracing::warn!(
                events_per_second,
                capacity,
                percent,
                "this machine's measured capacity is nearly used"
            ),
            Some(false) => {
                tracing::info!(events_per_second, capacity, percent, "there is capacity again");
            }
            None => {}
        }
    }

    /// The refusal of so many events that the log did not take. With a measured capacity each of those
    /// who find a queue full is asked to come when it is empty and those refused before have had their
    /// turn, instead of all at the same moment.
    pub(crate) fn refused(&self, error: &AppendError, events: u64) -> Refusal {
        let (AppendError::Full { retry_after }, Some(capacity)) = (error, self.settings.capacity)
        else {
            return refuse::append(error);
        };
        let now = self.clock.monotonic();
        let retry_after = self.waiting.turn(capacity, (now, *retry_after), events);
        refuse::append(&AppendError::Full { retry_after })
    }
}

/// How much of a capacity is used.
#[derive(Debug)]
pub(crate) struct Usage {
    capacity: NonZeroU64,
    /// When was looked, and how many events had been stored by then; of a little more than the span.
    looks: VecDeque<(Duration, u64)>,
    is_high: bool,
}

/// What a look saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    events_per_second: u64,
    capacity: u64,
    percent: u64,
    /// It came to be nearly used, or is no longer.
    changed: Option<bool>,
}

impl Usage {
    /// Nothing of it so far.
    pub(crate) fn of(capacity: NonZeroU64, now: Duration, recorder: &Recorder) -> Self {
        let gauge = i64::try_from(capacity.get()).unwrap_or(i64::MAX);
        recorder.set(Gauge::AdmitCapacity, gauge);
        Self { capacity, looks: [(now, 0)].into(), is_high: false }
    }

    /// Looks, when so many events have been stored in all.
    fn look(&mut self, now: Duration, stored: u64) -> Seen {
        self.looks.push_back((now, stored));
        // The oldest is the last one from before the span.
        while self.looks.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= SPAN) {
            self.looks.pop_front();
        }
        let (since, before) = self.looks.front().copied().unwrap_or((now, stored));
        // What began a moment ago is not taken for what lasts.
        let span = now.saturating_sub(since).max(SPAN);
        let rate = stored.saturating_sub(before) as f64 / span.as_secs_f64();
        let percent = (rate * 100.0 / self.capacity.get() as f64) as u64;
        let is_high = percent >= if self.is_high { HIGH.1 } else { HIGH.0 };
        let changed = (is_high != self.is_high).then_some(is_high);
        self.is_high = is_high;
        let (events_per_second, capacity) = (rate as u64, self.capacity.get());
        Seen { events_per_second, capacity, percent, changed }
    }
}

/// Those who were refused because a queue was full, as one number: when all of them have had their turn.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<Duration>);

impl Waiting {
    /// How long to wait with so many events, when the queue takes a time to drain.
    fn turn(
        &self,
        capacity: NonZeroU64,
        (now, drain): (Duration, Duration),
        events: u64,
    ) -> Duration {
        let mut all_served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = (*all_served).max(now + drain);
        let wait = begins.saturating_sub(now);
        if wait >= WAIT_MAX {
            return WAIT_MAX;
        }
        let takes = Duration::from_secs_f64(events as f64 / capacity.get() as f64);
        *all_served = begins + takes.min(WAIT_MAX);
        wait
    }
}

#[cfg(test)]
mod tests;

//! Waiting before another attempt: exponential, full jitter, and the one place that waits.

use std::time::Duration;

use rand::RngExt;

/// Delays that double from `min` to `max`, each drawn uniformly from `min..=cap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Least delay.
    pub min: Duration,
    /// Most delay.
    pub max: Duration,
    /// Stop after this long without any progress; `None` never stops.
    pub give_up_after: Option<Duration>,
}

impl Default for Backoff {
    /// 50 ms to 5 s, giving up after a minute without progress.
    fn default() -> Self {
        Self {
            min: Duration::from_millis(50),
            max: Duration::from_secs(5),
            give_up_after: Some(Duration::from_secs(60)),
        }
    }
}

impl Backoff {
    /// The largest delay before attempt `attempt`, counted from 0.
    #[must_use]
    pub fn cap(&self, attempt: u32) -> Duration {
        let factor = 1u32.checked_shl(attempt.min(20)).unwrap_or(u32::MAX);
        self.min.saturating_mul(factor).clamp(self.min, self.max.max(self.min))
    }

    fn delay(&self, attempt: u32) -> Duration {
        rand::rng().random_range(self.min..=self.cap(attempt))
    }
}

/// Attempts in a row without progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    backoff: Backoff,
    failed: u32,
    waited: Duration,
}

impl Attempts {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self { backoff, failed: 0, waited: Duration::ZERO }
    }

    /// Something worked: start over.
    pub(crate) fn progress(&mut self) {
        *self = Self::new(self.backoff);
    }

    /// Draws the next delay, at least what the service asked for; `None` when it is time to give up.
    pub(crate) fn next_delay(&mut self, asked: Option<Duration>) -> Option<Duration> {
        if self.backoff.give_up_after.is_some_and(|limit| self.waited >= limit) {
            return None;
        }
        let delay = self.backoff.delay(self.failed).max(asked.unwrap_or_default());
        self.failed = self.failed.saturating_add(1);
        self.waited += delay;
        Some(delay)
    }
}

/// Resolves after a duration.
#[expect(
    clippy::disallowed_methods,
    reason = "the SDK sees no server crate, so no Timer; it waits here only"
)]
pub(crate) async fn wait(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests;

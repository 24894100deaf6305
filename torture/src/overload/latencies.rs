//! How long events took from when they were meant to be sent until they came, second by second.
//!
//! What has not come yet counts as later than all that has.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_event::Timestamp;

const SECOND: u64 = 1_000_000_000;

/// See the module.
pub(super) struct Latencies {
    began: Timestamp,
    seconds: Mutex<Vec<Second>>,
}

/// Those that were meant to be sent within one.
#[derive(Clone, Default)]
struct Second {
    sent: usize,
    micros: Vec<u64>,
}

impl Latencies {
    /// Counted from here on.
    pub(super) fn new(began: Timestamp) -> Self {
        Self { began, seconds: Mutex::default() }
    }

    /// Which second a time is in.
    pub(super) fn second(&self, at: Timestamp) -> usize {
        usize::try_from(at.0.saturating_sub(self.began.0) / SECOND).unwrap_or(usize::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Second>> {
        self.seconds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn within(&self, meant: Timestamp, tell: impl FnOnce(&mut Second)) {
        let second = self.second(meant);
        let mut seconds = self.lock();
        if seconds.len() <= second {
            seconds.resize(second + 1, Second::default());
        }
        tell(&mut seconds[second]);
    }

    /// One is sent.
    pub(super) fn sent(&self, meant: Timestamp) {
        self.within(meant, |second| second.sent += 1);
    }

    /// One came.
    pub(super) fn came(&self, meant: Timestamp, now: Timestamp) {
        let micros = now.0.saturating_sub(meant.0) / 1_000;
        self.within(meant, |second| second.micros.push(micros));
    }

    /// So many hundredths of those meant to be sent in these seconds took no longer; nothing when too few
    /// of them have come, or were sent.
    pub(super) fn quantile(
        &self,
        seconds: std::ops::Range<usize>,
        hundredths: usize,
    ) -> Option<Duration> {
        let told = self.lock();
        let within = told.get(seconds.start..seconds.end.min(told.len()))?;
        let sent: usize = within.iter().map(|second| second.sent).sum();
        let mut micros: Vec<u64> =
            within.iter().flat_map(|second| second.micros.iter().copied()).collect();
        drop(told);
        micros.sort_unstable();
        let rank = (sent * hundredths).div_ceil(100).checked_sub(1)?;
        micros.get(rank).copied().map(Duration::from_micros)
    }

    /// The 99th hundredth of each of these seconds.
    pub(super) fn each(&self, seconds: std::ops::Range<usize>) -> Vec<Option<Duration>> {
        seconds.map(|second| self.quantile(second..second + 1, 99)).collect()
    }
}

#[cfg(test)]
mod tests;

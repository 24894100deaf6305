//! How fast a journal's queue drains.

use std::time::Duration;

/// What it is taken to do until it was measured.
const ASSUMED: f64 = 16e6;
/// Measured over at least this.
const SPAN: Duration = Duration::from_millis(100);

/// Bytes a second, as of late.
#[derive(Debug)]
pub(crate) struct Rate {
    bytes_per_second: f64,
    since: Duration,
    bytes: u64,
}

impl Default for Rate {
    fn default() -> Self {
        Self { bytes_per_second: ASSUMED, since: Duration::ZERO, bytes: 0 }
    }
}

impl Rate {
    /// So much has drained by now.
    pub(crate) fn drained(&mut self, bytes: u64, now: Duration) {
        self.bytes += bytes;
        let span = now.saturating_sub(self.since);
        if span < SPAN {
            return;
        }
        // After a rest the span says nothing.
        if span < SPAN * 10 {
            let measured = self.bytes as f64 / span.as_secs_f64();
            self.bytes_per_second = self.bytes_per_second.mul_add(0.5, measured * 0.5).max(1e3);
        }
        (self.since, self.bytes) = (now, 0);
    }

    /// When so much will have drained.
    pub(crate) fn drain(&self, bytes: u64) -> Duration {
        let seconds = bytes as f64 / self.bytes_per_second;
        Duration::from_secs_f64(seconds.clamp(0.0, 3600.0))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rate;

    #[test]
    fn it_follows_what_it_sees() {
        let mut rate = Rate::default();
        assert_eq!(rate.drain(0), Duration::ZERO);
        for tenth in 1..40 {
            rate.drained(1_000_000, Duration::from_millis(tenth * 100));
        }
        let drain = rate.drain(10_000_000).as_secs_f64();
        assert!((0.9..1.1).contains(&drain), "{drain}");
        // A night without an append does not make it slow.
        rate.drained(1000, Duration::from_secs(40_000));
        assert!(rate.drain(10_000_000).as_secs_f64() < 1.1);
    }
}

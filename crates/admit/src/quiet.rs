//! Keeps the log readable: of what may happen for every event, one line is let through at a time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Between two lines.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Held {
    spoken: Option<Duration>,
    held: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<Held>);

impl Quiet {
    /// Whether to speak of something that happened `times` times: how often it did since the last
    /// line.
    pub(crate) fn speak(&self, now: Duration, times: u64) -> Option<u64> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.held += times;
        if held.spoken.is_some_and(|at| now.saturating_sub(at) < PAUSE) {
            return None;
        }
        held.spoken = Some(now);
        Some(std::mem::take(&mut held.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_ten_seconds_tells_of_all() {
        let (quiet, seconds) = (Quiet::default(), Duration::from_secs);
        assert_eq!(quiet.speak(seconds(5), 1), Some(1));
        assert_eq!(quiet.speak(seconds(6), 3), None);
        assert_eq!(quiet.speak(seconds(15), 2), Some(5));
        assert_eq!(quiet.speak(seconds(16), 1), None);
    }
}

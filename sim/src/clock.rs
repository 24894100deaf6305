//! Simulated time: monotonic time that tokio moves, and a wall clock that may jump.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_event::{Clock, Timestamp};
use tokio::time::Instant;

/// The clock of one life of the service: its monotonic time starts anew, as after a restart.
pub(crate) struct SimClock {
    start: Instant,
    /// The wall's time at the start of the simulation, moved by every jump.
    wall: Arc<AtomicU64>,
    /// How long the simulation had run at the start.
    before: Duration,
}

impl SimClock {
    pub(crate) fn new(wall: Arc<AtomicU64>, before: Duration) -> Self {
        Self { start: Instant::now(), wall, before }
    }
}

impl Clock for SimClock {
    fn wall(&self) -> Timestamp {
        let passed = (self.before + self.start.elapsed()).as_nanos();
        let passed = u64::try_from(passed).unwrap_or(u64::MAX);
        Timestamp(self.wall.load(Ordering::Relaxed).saturating_add(passed))
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

//! How long a stream has said nothing: it is broken by a heartbeat.

use std::pin::Pin;
use std::time::Duration;

use crate::doors::Doors;

/// See the module.
pub(super) struct Silence {
    /// Ends when there may have been silence for a heartbeat's time.
    due: Pin<Box<dyn Future<Output = ()> + Send>>,
    spoke_at: Duration,
}

impl Silence {
    pub(super) fn new(doors: &Doors) -> Self {
        let heartbeat = doors.parts.limits.now().heartbeat;
        let spoke_at = doors.parts.clock.monotonic();
        Self { due: Box::pin(doors.timer.after(heartbeat)), spoke_at }
    }

    /// Something was said.
    pub(super) fn broken(&mut self, doors: &Doors) {
        self.spoke_at = doors.parts.clock.monotonic();
    }

    /// Ends when it is time to ask [`Self::is_over`]. Dropping the future loses nothing.
    pub(super) async fn passed(&mut self) {
        self.due.as_mut().await;
    }

    /// Whether a heartbeat is due; when something was said meanwhile, waits for the rest of the time.
    pub(super) fn is_over(&mut self, doors: &Doors) -> bool {
        let interval = doors.parts.limits.now().heartbeat;
        let now = doors.parts.clock.monotonic();
        let left = interval.saturating_sub(now.saturating_sub(self.spoke_at));
        let is_over = left.is_zero();
        if is_over {
            self.spoke_at = now;
        }
        self.due = Box::pin(doors.timer.after(if is_over { interval } else { left }));
        is_over
    }
}

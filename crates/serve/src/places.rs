//! Places for connections: as many as the limit says now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidings_telemetry::{Gauge, Recorder};
use tokio::sync::Notify;

use crate::in_force::LiveLimits;

/// Counts open connections against the limit. A limit that was lowered below their number lets
/// them end, and takes no new one until then.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    limits: LiveLimits,
    recorder: Arc<Recorder>,
    taken: Arc<AtomicUsize>,
    freed: Arc<Notify>,
}

impl Places {
    pub(crate) fn new(limits: LiveLimits, recorder: Arc<Recorder>) -> Self {
        Self { limits, recorder, taken: Arc::default(), freed: Arc::default() }
    }

    /// Resolves when there is a place. Only the caller takes places, so that it stays free.
    pub(crate) async fn free(&self) {
        loop {
            let (freed, replaced) = (self.freed.notified(), self.limits.replaced());
            tokio::pin!(freed, replaced);
            // From here on neither is missed.
            freed.as_mut().enable();
            replaced.as_mut().enable();
            if self.taken.load(Ordering::Acquire) < self.limits.now().connections {
                return;
            }
            tokio::select! {
                () = freed => {}
                () = replaced => {}
            }
        }
    }

    /// Takes a place until what is returned is dropped.
    pub(crate) fn take(&self) -> Place {
        self.taken.fetch_add(1, Ordering::AcqRel);
        self.recorder.shift(Gauge::ServeConnections, 1);
        Place(self.clone())
    }
}

/// The place of an open connection.
#[derive(Debug)]
pub(crate) struct Place(Places);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.recorder.shift(Gauge::ServeConnections, -1);
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
        self.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;

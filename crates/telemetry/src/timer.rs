//! The one place that waits for time to pass, so that simulated time can take its place.

use std::future::Future;
use std::time::Duration;

/// Waits on tokio's clock, which a paused test runtime moves by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

/// The time limit passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time limit passed")]
pub struct Elapsed;

impl Timer {
    /// Resolves after a duration.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that waits")]
    pub async fn after(self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    /// The future's output, or [`Elapsed`] after a duration.
    ///
    /// # Errors
    /// When the limit passes first; the future is dropped.
    pub async fn limit<F: Future>(self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        tokio::time::timeout(limit, future).await.map_err(|_| Elapsed)
    }
}

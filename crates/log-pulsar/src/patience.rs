//! How long opening puts up with a broker that does not answer.

use std::pin::Pin;
use std::time::Duration;

use tidings_telemetry::Timer;

/// Between two tries.
const RETRY: Duration = Duration::from_millis(500);
/// Tries that there are however long each takes.
const TRIES_MIN: u32 = 3;

/// Tries, until the time is over.
pub(crate) struct Patience {
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    tries: u32,
}

impl Patience {
    pub(crate) fn of(limit: Duration) -> Self {
        Self { end: Some(Box::pin(Timer.after(limit))), tries: 0 }
    }

    /// After a try that failed: waits until the next one is due. `false` when there is none.
    pub(crate) async fn is_left(&mut self) -> bool {
        self.tries += 1;
        match &mut self.end {
            Some(end) => {
                if Timer.limit(RETRY, end).await.is_ok() {
                    self.end = None;
                }
            }
            None => Timer.after(RETRY).await,
        }
        self.end.is_some() || self.tries < TRIES_MIN
    }
}

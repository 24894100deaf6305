//! Looks at how short the service says its memory is, while it runs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidings_client::Client;
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

const LOOK: Duration = Duration::from_millis(100);
const LEVEL: &str = "tidings_memory_level ";

/// See the module.
pub(super) struct Memory {
    levels: Arc<[AtomicU64; 3]>,
    _looking: JoinSet<()>,
}

impl Memory {
    /// Looks until it is dropped.
    pub(super) fn watch(client: &Client) -> Self {
        let (client, levels) = (client.clone(), Arc::new([const { AtomicU64::new(0) }; 3]));
        let (seen, mut looking) = (Arc::clone(&levels), JoinSet::new());
        looking.spawn(async move {
            loop {
                // A look that fails is not counted.
                if let Ok(metrics) = client.rest().get("/metrics").await
                    && let Some(at) = level(&metrics).and_then(|level| seen.get(level))
                {
                    at.fetch_add(1, Ordering::Relaxed);
                }
                Timer.after(LOOK).await;
            }
        });
        Self { levels, _looking: looking }
    }
}

fn level(metrics: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(metrics);
    text.lines().find_map(|line| line.strip_prefix(LEVEL)?.trim().parse().ok())
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [normal, shed, refuse] =
            [0, 1, 2].map(|n: usize| self.levels[n].load(Ordering::Relaxed));
        write!(
            f,
            "so far dropping in {shed} looks of {}, refusing in {refuse}",
            normal + shed + refuse
        )
    }
}

//! Deletes subscriptions that nobody used for as long as they say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_catalog::{Catalog, SubscriptionId};
use tidings_event::Clock;
use tidings_telemetry::Timer;
use tokio_util::sync::CancellationToken;

use crate::registry::Registry;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// See the module. A restart starts every count anew.
pub(crate) struct Unused {
    catalog: Arc<Catalog>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    /// When each of them was last used.
    used: Mutex<HashMap<SubscriptionId, Duration>>,
}

impl Unused {
    pub(crate) fn new(
        catalog: Arc<Catalog>,
        registry: Arc<Registry>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { catalog, registry, clock, used: Mutex::default() }
    }

    /// Looks until stopped.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = Timer.after(INTERVAL) => {}
            }
            self.look().await;
        }
    }

    /// Deletes what is due now.
    pub(crate) async fn look(&self) {
        for (tenant, name) in self.due() {
            match self.catalog.delete_subscription(&tenant, &name).await {
                Ok(()) => tracing::info!(%tenant, subscription = name, "deleted: nobody used it"),
                Err(refusal) => {
                    tracing::warn!(%tenant, subscription = name, %refusal, "cannot be deleted yet");
                }
            }
        }
    }

    fn due(&self) -> Vec<(Arc<str>, String)> {
        let now = self.clock.monotonic();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut due, mut known) = (Vec::new(), HashMap::new());
        for live in self.registry.subscriptions() {
            let state = live.lock();
            let subscription = &state.subscription;
            let Some(after) = subscription.spec.expires_after else { continue };
            let before = used.get(&subscription.id).copied();
            let last = before.filter(|_| !state.is_consumed()).unwrap_or(now);
            known.insert(subscription.id, last);
            if now.saturating_sub(last) >= after {
                due.push((Arc::clone(&subscription.tenant), subscription.spec.name.clone()));
            }
        }
        *used = known;
        due
    }
}

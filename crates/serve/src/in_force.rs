//! What may change while the service runs: the limits, and the configuration that it shows.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tidings_wire::rest::ConfigDocument;
use tokio::sync::Notify;

use crate::limits::Limits;

/// Limits that can be replaced while requests use them. Cheap to clone; a clone sees the same.
#[derive(Clone, Debug)]
pub struct LiveLimits {
    current: Arc<ArcSwap<Limits>>,
    replaced: Arc<Notify>,
}

impl From<Limits> for LiveLimits {
    fn from(limits: Limits) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(limits)), replaced: Arc::default() }
    }
}

impl LiveLimits {
    /// The limits now, to be read once per request or connection. Takes no lock.
    #[must_use]
    pub fn now(&self) -> Limits {
        **self.current.load()
    }

    /// New limits, for every request and connection from here on.
    pub fn replace(&self, limits: Limits) {
        self.current.store(Arc::new(limits));
        self.replaced.notify_waiters();
    }

    /// Resolves at the next [`Self::replace`] after the call of this.
    pub(crate) fn replaced(&self) -> tokio::sync::futures::Notified<'_> {
        self.replaced.notified()
    }
}

/// The configuration in force, as `GET /api/v1/config` shows it. Cheap to clone; a clone sees the
/// same.
#[derive(Clone, Debug, Default)]
pub struct ShownConfig(Arc<ArcSwap<ConfigDocument>>);

impl ShownConfig {
    /// What is shown now.
    #[must_use]
    pub fn now(&self) -> Arc<ConfigDocument> {
        self.0.load_full()
    }

    /// Shows something else.
    pub fn replace(&self, document: ConfigDocument) {
        self.0.store(Arc::new(document));
    }
}

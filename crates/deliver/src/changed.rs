//! Tells those who consume a subscription that something changed: tasks that wait for it alone, and
//! watches of many.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::watch::Watched;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Changed {
    notify: Notify,
    watched: Mutex<Vec<Arc<Watched>>>,
}

impl Changed {
    /// Ends with the next change.
    pub(crate) fn notified(&self) -> Notified<'_> {
        self.notify.notified()
    }

    /// Something changed.
    pub(crate) fn tell(&self) {
        self.notify.notify_waiters();
        self.lock().iter().for_each(|watched| watched.list());
    }

    /// From now on changes are listed there, too.
    pub(crate) fn watch(&self, watched: &Arc<Watched>) {
        let mut all = self.lock();
        all.reserve_exact(1);
        all.push(Arc::clone(watched));
    }

    /// Changes are not listed there any more.
    pub(crate) fn unwatch(&self, watched: &Arc<Watched>) {
        let mut all = self.lock();
        all.retain(|other| !Arc::ptr_eq(other, watched));
        all.shrink_to_fit();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Watched>>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

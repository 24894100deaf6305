//! One task that serves many sessions: it waits for all of them at once, and learns which of them
//! have something new.
//!
//! A change lists a session once, however often it changes before its turn. The list is no longer
//! than there are sessions.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// See the module.
#[derive(Default)]
pub struct Watch {
    listed: Mutex<Vec<u32>>,
    notify: Notify,
}

impl Watch {
    /// Ends when a session is listed. Dropping the future loses nothing.
    pub async fn changed(&self) {
        while self.lock().is_empty() {
            self.notify.notified().await;
        }
    }

    /// The numbers of those listed since the last time, in the order of their changes.
    pub fn take(&self, numbers: &mut Vec<u32>) {
        numbers.append(&mut self.lock());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u32>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("listed", &self.lock().len()).finish_non_exhaustive()
    }
}

/// A session as its watch knows it.
#[derive(Debug)]
pub(crate) struct Watched {
    watch: Arc<Watch>,
    number: u32,
    is_listed: AtomicBool,
}

impl Watched {
    pub(crate) fn new(watch: &Arc<Watch>, number: u32) -> Arc<Self> {
        let is_listed = AtomicBool::new(false);
        Arc::new(Self { watch: Arc::clone(watch), number, is_listed })
    }

    /// Lists it, unless it is.
    pub(crate) fn list(&self) {
        if self.is_listed.swap(true, Ordering::SeqCst) {
            return;
        }
        self.watch.lock().push(self.number);
        self.watch.notify.notify_one();
    }

    /// Its turn begins: what changes from here on lists it again.
    pub(crate) fn attend(&self) {
        self.is_listed.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;

//! Sessions of streams, while they last and for a while after: what their ids stand for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_deliver::SessionId;

use super::unresolved::Unresolved;

/// How long an ended session's ids are known.
const KEPT: Duration = Duration::from_secs(300);

/// Most ended sessions that are kept, and most runs of theirs; the oldest go first. What is
/// forgotten is delivered again.
const ENDED_MAX: usize = 10_000;
const RUNS_MAX: usize = 250_000;

/// Whose session it is: tenant and subscription.
pub(super) type Place = (Arc<str>, String);

/// A session that is known.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) sent: Arc<Mutex<Unresolved>>,
    /// The last of those that went on after it, or itself.
    pub(super) latest: SessionId,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<SessionId, Entry>,
    /// When each ended, oldest first, and how many runs it left.
    ended: VecDeque<(Duration, SessionId, usize)>,
    runs: usize,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    sent: Arc<Mutex<Unresolved>>,
    successor: Option<SessionId>,
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session of this subscription, when it is known.
    pub(super) fn find(
        &self,
        id: SessionId,
        tenant: &str,
        subscription: &str,
        now: Duration,
    ) -> Option<Known> {
        let mut kept = self.lock();
        kept.forget(now);
        let entry = kept.by_id.get(&id)?;
        if &*entry.place.0 != tenant || entry.place.1 != subscription {
            return None;
        }
        let mut latest = (id, entry);
        // Successors have higher numbers: this ends.
        while let Some(next) = latest.1.successor {
            let Some(entry) = kept.by_id.get(&next) else { break };
            latest = (next, entry);
        }
        Some(Known { sent: Arc::clone(&entry.sent), latest: latest.0 })
    }

    /// A new session; `follows` is the one whose id it came with.
    pub(super) fn sign_on(
        &self,
        id: SessionId,
        place: Place,
        follows: Option<SessionId>,
    ) -> Arc<Mutex<Unresolved>> {
        let sent = Arc::new(Mutex::default());
        let mut kept = self.lock();
        let mut at = follows;
        while let Some(earlier) = at.and_then(|earlier| kept.by_id.get_mut(&earlier)) {
            if earlier.successor.is_none() {
                earlier.successor = Some(id);
                break;
            }
            at = earlier.successor;
        }
        let entry = Entry { place, sent: Arc::clone(&sent), successor: None };
        kept.by_id.insert(id, entry);
        sent
    }

    /// A session has ended; its ids stay known for a while.
    pub(super) fn sign_off(&self, id: SessionId, now: Duration) {
        let mut kept = self.lock();
        let Some(entry) = kept.by_id.get(&id) else { return };
        let runs = super::lock(&entry.sent).len();
        kept.runs += runs;
        kept.ended.push_back((now, id, runs));
        kept.forget(now);
    }
}

impl Kept {
    fn forget(&mut self, now: Duration) {
        while let Some(&(at, id, runs)) = self.ended.front() {
            let is_old = now.saturating_sub(at) >= KEPT;
            if !is_old && self.ended.len() <= ENDED_MAX && self.runs <= RUNS_MAX {
                return;
            }
            self.ended.pop_front();
            self.runs -= runs;
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests;

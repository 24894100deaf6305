//! Those who walk through some of the partitions: one of them reads at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tidings_event::TopicPartition;
use tidings_event::hop::Committed;
use tidings_match::Matches;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{Asker, Stretch};
use crate::live::Live;
use crate::routes::Route;

/// Who is more offsets than this behind another one walks apart from it.
const NEAR: u64 = 100_000;

/// Those of one partition, by the ids of their subscriptions.
type Walkers = BTreeMap<u64, Walker>;

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    turn: Semaphore,
    walkers: Mutex<HashMap<TopicPartition, Walkers>>,
    /// Memory that serves one stretch after the other.
    matches: Mutex<Matches<u64>>,
}

impl Default for Lane {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), walkers: Mutex::default(), matches: Mutex::default() }
    }
}

/// A subscription that is behind.
#[derive(Clone, Debug)]
struct Walker {
    live: Weak<Live>,
    asker: Asker,
    /// Where it was last seen.
    at: u64,
    /// Version of the index since which its filter is in there.
    since: u32,
}

impl Lane {
    /// Waits for the turn to read, in the order of asking.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Nobody closes it.
        self.turn.acquire().await.ok()
    }

    /// A subscription takes part from here on.
    pub(super) fn join(
        &self,
        (place, at): (TopicPartition, u64),
        live: &Arc<Live>,
        asker: Asker,
        since: u32,
    ) {
        let walker = Walker { live: Arc::downgrade(live), asker, at, since };
        self.walkers().entry(place).or_default().insert(asker.id.0, walker);
    }

    /// Where the last of those is who are near an offset, not above it, and would take a share.
    pub(super) fn last(&self, place: TopicPartition, at: u64) -> u64 {
        let near = at.saturating_sub(NEAR)..at;
        let mut all = self.walkers();
        let Some(walkers) = all.get_mut(&place) else { return at };
        loop {
            let those = walkers.iter_mut().filter(|(_, walker)| near.contains(&walker.at));
            let Some((&id, walker)) = those.min_by_key(|(_, walker)| walker.at) else { return at };
            let stands_at = walker.stands_at(place);
            if stands_at == Some(walker.at) {
                return walker.at;
            }
            // It is further on by now, or has enough.
            match stands_at {
                Some(stands_at) => walker.at = stands_at,
                None => drop(walkers.remove(&id)),
            }
        }
    }

    /// Those at an offset go on alone.
    pub(super) fn leave(&self, place: TopicPartition, at: u64) {
        if let Some(walkers) = self.walkers().get_mut(&place) {
            walkers.retain(|_, walker| walker.at != at);
        }
    }

    /// Forgets partitions that are not there any more, and those of others who do not consume.
    pub(super) fn tidy(&self, is_there: impl Fn(TopicPartition) -> bool) {
        self.walkers().retain(|place, walkers| {
            walkers.retain(|_, walker| walker.live().is_some());
            is_there(*place) && !walkers.is_empty()
        });
    }

    /// Looks blocks up for everybody on their topic's route.
    pub(super) fn look_up(&self, blocks: Vec<Committed>, route: &Route) -> Option<Stretch> {
        let mut matches = self.matches.lock().unwrap_or_else(PoisonError::into_inner);
        Stretch::look_up(blocks, route, &mut matches)
    }

    /// Gives everybody who is somewhere in a stretch its share. Only for who has the turn.
    pub(super) fn hand_out(&self, place: TopicPartition, stretch: &Stretch, route: &Route) {
        // Meanwhile others join.
        let Some(mut walkers) = self.walkers().remove(&place) else { return };
        walkers.retain(|_, walker| walker.walks_on(place, stretch, route));
        if walkers.is_empty() {
            return;
        }
        let mut joined = self.walkers();
        let now = joined.entry(place).or_default();
        walkers.append(now);
        *now = walkers;
    }

    fn walkers(&self) -> MutexGuard<'_, HashMap<TopicPartition, Walkers>> {
        self.walkers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Walker {
    /// Its subscription, while that has a consumer.
    fn live(&self) -> Option<Arc<Live>> {
        self.live.upgrade().filter(|live| live.is_active())
    }

    /// From where on it would take a share, if it would.
    fn stands_at(&self, place: TopicPartition) -> Option<u64> {
        let live = self.live()?;
        let (at, _) = live.lock().walks(place, self.asker)?;
        Some(at)
    }

    /// Takes its share; says whether it goes on with the others.
    fn walks_on(&mut self, place: TopicPartition, stretch: &Stretch, route: &Route) -> bool {
        let Some(live) = self.live() else { return false };
        // It was looked up by its filter only when that was in the index all the time.
        let was_there = route.since(self.asker.id, self.asker.revision) == Some(self.since);
        if !was_there || stretch.version() < self.since {
            return false;
        }
        let goes_on = live.caught_up(place, self.asker, stretch);
        self.at = goes_on.unwrap_or(self.at);
        goes_on.is_some()
    }
}

#[cfg(test)]
mod tests;

//! Who takes the blocks of each topic.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

// Its hash is seeded, and quick: who takes an event is looked up for each.
use hashbrown::HashMap;
use tidings_catalog::{Revision, SubscriptionId};
use tidings_event::TopicId;
use tidings_event::hop::Committed;
use tidings_match::{Index, Matches};

use crate::live::Live;
use crate::matching::Selected;

/// Who takes each topic.
pub(crate) type Routes = HashMap<TopicId, Arc<Route>>;

/// Whom a block concerns, and what of it.
#[derive(Debug)]
pub(crate) struct Concerned {
    pub(crate) id: SubscriptionId,
    pub(crate) live: Arc<Live>,
    /// The block's.
    pub(crate) number: usize,
    pub(crate) selected: Selected,
}

/// Who takes a topic: some all of it, the others what their filters let pass.
#[derive(Debug, Default)]
pub(crate) struct Route(RwLock<Takers>);

#[derive(Debug, Default)]
struct Takers {
    all: Vec<(SubscriptionId, Arc<Live>)>,
    index: Index<u64>,
    judging: HashMap<u64, Judging>,
    /// Grows whenever another filter counts; nobody changes filters four thousand million times.
    version: u32,
}

/// Whose filter is in the index.
#[derive(Debug)]
struct Judging {
    live: Arc<Live>,
    /// Number of the revision whose filter it is.
    revision: u32,
    /// The version from which on it is in the index.
    since: u32,
}

impl Route {
    /// A subscription takes all of the topic.
    pub(crate) fn all(&self, id: SubscriptionId, live: &Arc<Live>) {
        self.change(|takers| {
            takers.remove(id, live);
            takers.all.push((id, Arc::clone(live)));
        });
    }

    /// A subscription takes what the filter of its last revision lets pass.
    pub(crate) fn some(&self, id: SubscriptionId, live: &Arc<Live>, last: &Revision) {
        self.change(|takers| {
            let is_same =
                |known: &&Judging| known.revision == last.number && Arc::ptr_eq(&known.live, live);
            if takers.judging.get(&id.0).filter(is_same).is_some() {
                return;
            }
            takers.remove(id, live);
            takers.version += 1;
            takers.index.insert(id.0, last.filter.as_ref());
            let (live, revision, since) = (Arc::clone(live), last.number, takers.version);
            takers.judging.insert(id.0, Judging { live, revision, since });
        });
    }

    /// A subscription takes nothing of it any more.
    pub(crate) fn remove(&self, id: SubscriptionId, live: &Arc<Live>) {
        self.change(|takers| takers.remove(id, live));
    }

    /// Since which version of the index it has the filter of a subscription's revision.
    pub(crate) fn since(&self, id: SubscriptionId, revision: u32) -> Option<u32> {
        let takers = self.takers();
        let known = takers.judging.get(&id.0).filter(|known| known.revision == revision)?;
        Some(known.since)
    }

    /// Has blocks of the past looked up, while `found` wants more; all by one version of the index, which
    /// it says.
    pub(crate) fn look_up(
        &self,
        blocks: &[Committed],
        matches: &mut Matches<u64>,
        mut found: impl FnMut(&Committed, &Matches<u64>) -> bool,
    ) -> u32 {
        let takers = self.takers();
        for block in blocks {
            takers.index.match_block(&block.block.body, matches);
            if !found(block, matches) {
                break;
            }
        }
        takers.version
    }

    /// Finds everybody whom a block concerns; `number` is its own.
    pub(crate) fn find(
        &self,
        (number, block): (usize, &Committed),
        matches: &mut Matches<u64>,
        found: &mut Vec<Concerned>,
    ) {
        let takers = self.takers();
        let concerns = |(id, live): (SubscriptionId, &Arc<Live>), selected: &Selected| {
            live.is_active().then(|| Concerned {
                id,
                live: Arc::clone(live),
                number,
                selected: selected.clone(),
            })
        };
        let all = Selected::all(block);
        let of_all = takers.all.iter().map(|(id, live)| (*id, live));
        found.extend(of_all.filter_map(|taker| concerns(taker, &all)));
        if takers.judging.is_empty() {
            return;
        }
        takers.index.match_block(&block.block.body, matches);
        for (keys, runs) in matches.iter() {
            // Whoever asks for the same shares the bytes, too.
            let selected = Selected::found(runs, |run| run.span(matches.ends()), block);
            let judging = keys
                .iter()
                .filter_map(|id| Some((SubscriptionId(*id), &takers.judging.get(id)?.live)));
            found.extend(judging.filter_map(|taker| concerns(taker, &selected)));
        }
    }

    fn takers(&self) -> RwLockReadGuard<'_, Takers> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, act: impl FnOnce(&mut Takers)) {
        act(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Takers {
    fn remove(&mut self, id: SubscriptionId, live: &Arc<Live>) {
        self.all.retain(|(_, other)| !Arc::ptr_eq(other, live));
        if self.judging.remove(&id.0).is_some() {
            self.index.remove(&id.0);
        }
    }
}

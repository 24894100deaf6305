//! Who takes the blocks of each topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_catalog::SubscriptionId;
use tidings_event::TopicId;
use tidings_event::hop::Committed;
use tidings_match::{Filter, Index, Matches};

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
pub(crate) struct Route(Mutex<Takers>);

#[derive(Debug, Default)]
struct Takers {
    all: Vec<(SubscriptionId, Arc<Live>)>,
    index: Index<u64>,
    judging: HashMap<u64, Arc<Live>>,
}

impl Route {
    /// A subscription takes all of the topic.
    pub(crate) fn all(&self, id: SubscriptionId, live: &Arc<Live>) {
        self.with(|takers| {
            takers.remove(id, live);
            takers.all.push((id, Arc::clone(live)));
        });
    }

    /// A subscription takes what its filter lets pass.
    pub(crate) fn some(&self, id: SubscriptionId, live: &Arc<Live>, filter: Option<&Filter>) {
        self.with(|takers| {
            takers.remove(id, live);
            takers.index.insert(id.0, filter);
            takers.judging.insert(id.0, Arc::clone(live));
        });
    }

    /// A subscription takes nothing of it any more.
    pub(crate) fn remove(&self, id: SubscriptionId, live: &Arc<Live>) {
        self.with(|takers| takers.remove(id, live));
    }

    /// Finds everybody whom a block concerns; `number` is its own.
    pub(crate) fn find(
        &self,
        (number, block): (usize, &Committed),
        matches: &mut Matches<u64>,
        found: &mut Vec<Concerned>,
    ) {
        self.with(|takers| {
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
                let selected = Selected::found(runs, matches, block);
                let judging = keys
                    .iter()
                    .filter_map(|id| Some((SubscriptionId(*id), takers.judging.get(id)?)));
                found.extend(judging.filter_map(|taker| concerns(taker, &selected)));
            }
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Takers) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
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

//! Who takes the blocks of each topic.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_catalog::SubscriptionId;
use tidings_event::TopicId;
use tidings_event::hop::Committed;
use tidings_match::{Filter, Index, Matches};

use crate::live::Live;
use crate::matching;

/// Who takes each topic.
pub(crate) type Routes = HashMap<TopicId, Arc<Route>>;

/// Who takes a topic: some all of it, the others what their filters let pass.
#[derive(Debug, Default)]
pub(crate) struct Route(Mutex<Takers>);

#[derive(Debug, Default)]
struct Takers {
    all: Vec<Arc<Live>>,
    index: Index<u64>,
    judging: HashMap<u64, Arc<Live>>,
}

impl Route {
    /// A subscription takes all of the topic.
    pub(crate) fn all(&self, id: SubscriptionId, live: &Arc<Live>) {
        self.with(|takers| {
            takers.remove(id, live);
            takers.all.push(Arc::clone(live));
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

    /// Hands a block to everybody whom it concerns; says to how many.
    pub(crate) fn hand_out(&self, block: &Committed, matches: &mut Matches<u64>) -> u64 {
        self.with(|takers| {
            let mut offered = takers.all.iter().filter(|live| live.push(block, None)).count();
            if !takers.judging.is_empty() {
                takers.index.match_block(&block.block.body, matches);
                offered += matches
                    .iter()
                    .filter_map(|(id, runs)| Some((takers.judging.get(&id)?, runs)))
                    .filter(|(live, _)| live.is_active())
                    .filter(|(live, runs)| live.push(block, matching::found(runs, block)))
                    .count();
            }
            offered as u64
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Takers) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Takers {
    fn remove(&mut self, id: SubscriptionId, live: &Arc<Live>) {
        self.all.retain(|other| !Arc::ptr_eq(other, live));
        if self.judging.remove(&id.0).is_some() {
            self.index.remove(&id.0);
        }
    }
}

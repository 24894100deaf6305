//! Letters that a crash left with no durable cursor that covers them, until a start takes them up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_catalog::SubscriptionId;
use tidings_event::TopicPartition;

use super::record::Place;

type Marked = BTreeMap<(SubscriptionId, TopicPartition), Vec<u64>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Uncovered(Mutex<Marked>);

impl Uncovered {
    pub(crate) fn new(marked: impl IntoIterator<Item = (SubscriptionId, Place)>) -> Self {
        let mut all = Marked::new();
        for (id, Place { partition, offset }) in marked {
            all.entry((id, partition)).or_default().push(offset);
        }
        Self(Mutex::new(all))
    }

    /// Those of a partition, once.
    pub(crate) fn take(&self, id: SubscriptionId, partition: TopicPartition) -> Vec<u64> {
        self.marked().remove(&(id, partition)).unwrap_or_default()
    }

    /// All that were not taken.
    pub(crate) fn take_rest(&self) -> Vec<(SubscriptionId, Place)> {
        let rest = std::mem::take(&mut *self.marked());
        let places = |((id, partition), offsets): ((SubscriptionId, TopicPartition), Vec<u64>)| {
            offsets.into_iter().map(move |offset| (id, Place { partition, offset }))
        };
        rest.into_iter().flat_map(places).collect()
    }

    fn marked(&self) -> MutexGuard<'_, Marked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! How far subscriptions are durably, and holding them, for whoever changes them.

use std::fmt;
use std::sync::{Arc, Weak};

use tidings_catalog::{Progress, SubscriptionId};
use tidings_event::{Offset, TopicPartition};
use tidings_log::{PartitionLog, Table};

use crate::cursor::{self, Cursor};
use crate::registry::Registry;

/// What the cursors in the log say. The catalog has it, and the registry has the catalog.
pub(crate) struct DurableProgress {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) registry: Weak<Registry>,
}

impl Progress for DurableProgress {
    fn settled_below(&self, subscription: SubscriptionId, place: TopicPartition) -> Option<Offset> {
        let stored = self.log.get(Table::CURSORS, &cursor::key(subscription, place))?;
        Cursor::decode(&stored).map(|cursor| Offset(cursor.low))
    }

    fn hold(&self, subscription: SubscriptionId) {
        if let Some(registry) = self.registry.upgrade() {
            registry.hold(subscription);
        }
    }

    fn let_go(&self, subscription: SubscriptionId) {
        if let Some(registry) = self.registry.upgrade() {
            registry.let_go(subscription);
        }
    }
}

impl fmt::Debug for DurableProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableProgress").finish_non_exhaustive()
    }
}

//! How far subscriptions are durably, for whoever decides what they still need.

use std::fmt;
use std::sync::Arc;

use tidings_catalog::{Progress, SubscriptionId};
use tidings_event::{Offset, TopicPartition};
use tidings_log::{PartitionLog, Table};

use crate::cursor::{self, Cursor};

/// What the cursors in the log say.
#[derive(Clone)]
pub struct DurableProgress(Arc<dyn PartitionLog>);

impl DurableProgress {
    /// Of the cursors of this log.
    #[must_use]
    pub fn new(log: Arc<dyn PartitionLog>) -> Self {
        Self(log)
    }
}

impl Progress for DurableProgress {
    fn settled_below(&self, subscription: SubscriptionId, place: TopicPartition) -> Option<Offset> {
        let stored = self.0.get(Table::CURSORS, &cursor::key(subscription, place))?;
        Cursor::decode(&stored).map(|cursor| Offset(cursor.low))
    }
}

impl fmt::Debug for DurableProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableProgress").finish_non_exhaustive()
    }
}

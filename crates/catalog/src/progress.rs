//! How far subscriptions are: what the catalog asks of whoever keeps their cursors.

use tidings_event::{Offset, TopicPartition};

use crate::subscription::SubscriptionId;

/// Where subscriptions are, durably: a crash puts none of them further back.
pub trait Progress: Send + Sync {
    /// Every event of the partition below this offset is settled; `None` when nothing is known.
    fn settled_below(&self, subscription: SubscriptionId, place: TopicPartition) -> Option<Offset>;
}

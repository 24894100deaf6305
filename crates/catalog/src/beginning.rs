//! Where a subscription begins that starts with last values: what the catalog asks of whoever keeps
//! them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tidings_event::{Offset, Refusal, TopicPartition};
use tidings_log::TableChange;

use crate::subscription::{SubscriptionId, SubscriptionSpec};

/// Where a subscription begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Of each partition, from where on everything follows the last values.
    pub boundary: BTreeMap<TopicPartition, Offset>,
    /// What has to be durable before the subscription is: which events below are sent first.
    pub changes: Vec<TableChange>,
}

/// Knows where subscriptions begin that start with last values.
#[async_trait]
pub trait Beginnings: Send + Sync {
    /// Where a subscription begins that is to be made: of each partition it is sent first the last
    /// value of every key that it selects, then everything from the boundary on.
    ///
    /// # Errors
    /// `REBUILDING` after a start; `RESOURCE_EXHAUSTED` when there are too many values.
    async fn beginning(
        &self,
        subscription: SubscriptionId,
        tenant: &str,
        spec: &SubscriptionSpec,
        partitions: Vec<TopicPartition>,
    ) -> Result<Beginning, Refusal>;
}

//! How far subscriptions are: what the catalog asks of whoever keeps their cursors.

use tidings_event::{Offset, TopicPartition};

use crate::subscription::SubscriptionId;

/// Where subscriptions are, durably: a crash puts none of them further back.
pub trait Progress: Send + Sync {
    /// Every event of the partition below this offset is settled; `None` when nothing is known.
    fn settled_below(&self, subscription: SubscriptionId, place: TopicPartition) -> Option<Offset>;

    /// Judges nothing more of a subscription's events until it is let go as often as it was held: what it
    /// selects is about to change, from a place on that is decided after this.
    fn hold(&self, subscription: SubscriptionId);

    /// Goes on with a subscription, by what the catalog says of it now.
    fn let_go(&self, subscription: SubscriptionId);
}

/// A subscription that is held while it changes; dropping lets it go.
pub(crate) struct Held<'a> {
    progress: Option<&'a dyn Progress>,
    subscription: SubscriptionId,
}

impl<'a> Held<'a> {
    pub(crate) fn new(progress: Option<&'a dyn Progress>, subscription: SubscriptionId) -> Self {
        if let Some(progress) = progress {
            progress.hold(subscription);
        }
        Self { progress, subscription }
    }

    /// Never lets it go: a restart says what it selects.
    pub(crate) fn stay(mut self) {
        self.progress = None;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(progress) = self.progress {
            progress.let_go(self.subscription);
        }
    }
}

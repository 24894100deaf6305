//! Events that expired before they were sent: they are settled, and the consumer is told.

use std::sync::Arc;

use tidings_event::TopicPartition;

use super::{Ended, State, gap};
use crate::outgoing::GapReason;
use crate::settlement::Outcome;

impl State {
    /// Tells what expired in a partition.
    pub(super) fn tell_expired(&mut self, partition: TopicPartition) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let topic = Arc::clone(&slot.topic);
        for (first, end) in std::mem::take(&mut slot.expired).iter() {
            let count = end - first;
            let notice =
                gap(&topic, self.epoch, partition, (first, end), count, GapReason::Expired);
            let ended = Ended::unsent(partition, (first, end), count, Outcome::Expired);
            self.tell_gap(notice, [ended]);
        }
    }
}

//! One type per hop of an event's road: the type says where you are.
//!
//! `Incoming -> Admitted -> Committed -> Matched -> Shaped -> Delivery -> Settlement`. The types of
//! the later hops live with the stages that make them; those that cross crates are here.

use bytes::Bytes;

use crate::block::Block;
use crate::{JournalSeq, Offset, TopicPartition};

/// What a door took off the wire: event bytes nobody has looked at yet.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// A serialised `EventBatch`.
    pub body: Bytes,
}

/// A block that passed admission, ready to be appended: its header is complete.
pub type Admitted = Block;

/// A block that is durable and may be read by anyone.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The group that carried it.
    pub seq: JournalSeq,
    /// Header and body as stored.
    pub block: Block,
}

impl Committed {
    /// Topic and partition.
    #[must_use]
    pub fn topic_partition(&self) -> TopicPartition {
        self.block.header.topic_partition
    }

    /// Offset after the last event.
    #[must_use]
    pub fn end_offset(&self) -> Offset {
        self.block.header.end_offset()
    }
}

//! How far the live readers are in each partition.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_event::hop::Committed;
use tidings_event::{Offset, TopicPartition};

/// Of one partition.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    /// Offset after the last block that was read.
    read: Offset,
    /// Offset after the last block that was offered to everybody it concerns.
    offered: Offset,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Ends(Mutex<HashMap<TopicPartition, End>>);

impl Ends {
    /// Takes note of blocks that were read.
    pub(crate) fn read(&self, blocks: &[Committed]) {
        let mut ends = self.lock();
        for block in blocks {
            ends.entry(block.topic_partition()).or_default().read = block.end_offset();
        }
    }

    /// Takes note that blocks were offered to everybody whom they concern.
    pub(crate) fn offered(&self, blocks: &[Committed]) {
        let mut ends = self.lock();
        for block in blocks {
            ends.entry(block.topic_partition()).or_default().offered = block.end_offset();
        }
    }

    /// Where a partition ended when it was last read.
    pub(crate) fn end(&self, partition: TopicPartition) -> Option<Offset> {
        self.lock().get(&partition).map(|end| end.read)
    }

    /// Up to where a partition was offered.
    pub(crate) fn offered_to(&self, partition: TopicPartition) -> u64 {
        self.lock().get(&partition).map_or(0, |end| end.offered.0)
    }

    /// Forgets the partitions that are not kept.
    pub(crate) fn retain(&self, is_kept: impl Fn(TopicPartition) -> bool) {
        self.lock().retain(|partition, _| is_kept(*partition));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TopicPartition, End>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Blocks of one partition that say more of its producers than any checkpoint does: retention leaves them,
//! or a crash would make the service forget how far producers had counted.

use tidings_event::{Offset, TopicPartition};
use tidings_log::PartitionLog;

/// Name of the pins.
const PIN: &str = "producers";

#[derive(Debug, Default)]
pub(crate) struct Unsaved {
    /// The first block that is in no checkpoint, nor in one under way.
    first: Option<Offset>,
    /// From where on the log keeps blocks.
    kept: Option<Offset>,
}

impl Unsaved {
    /// Keeps what is at an offset, and after it.
    pub(crate) fn keep(&mut self, log: &dyn PartitionLog, place: TopicPartition, at: Offset) {
        self.first.get_or_insert(at);
        if self.kept.is_none() {
            log.pin(place, PIN, at);
            self.kept = self.first;
        }
    }

    /// Everything so far goes into a checkpoint that is not durable yet.
    pub(crate) fn taken(&mut self) {
        self.first = None;
    }

    /// What was taken is durable.
    pub(crate) fn saved(&mut self, log: &dyn PartitionLog, place: TopicPartition) {
        match self.first {
            same if same == self.kept => {}
            Some(first) => log.pin(place, PIN, first),
            None => log.unpin(place, PIN),
        }
        self.kept = self.first;
    }
}

//! Moving an embedded log to another engine: everything is copied, with its sequences and offsets, then compared.
//!
//! A copy goes on where it was left: each journal's last sequence says how far it is. A target is served only when it
//! was read again and found equal.

mod compare;
mod copy;
#[cfg(any(test, feature = "test-util"))]
pub mod fixture;

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, TopicPartition};

pub use compare::{Compared, compare};
pub use copy::copy;

use crate::embedded::{ClosedLog, Records};
use crate::partition_log::{
    AppendError, Bounds, Journal, Pending, PendingError, ReadError, TableChange,
};

/// Bytes of the source that are read at a time, of each journal.
const READ_BYTES: usize = 4 << 20;

/// Where a log is copied to: what an engine lets nobody do but the one who founds a log in it.
#[async_trait]
pub trait Target: Send + Sync {
    /// The last group of a journal that it has durably.
    fn reached(&self, journal: Journal) -> JournalSeq;

    /// Appends a group of a journal under the sequence that it had, above the last one; its blocks are stored as they
    /// are, none of them below its partition's tail. What is left out in between holds nothing, or is lost.
    ///
    /// # Errors
    /// Nothing was stored.
    fn import(
        &self,
        journal: Journal,
        seq: JournalSeq,
        blocks: Vec<Block>,
    ) -> Result<Pending, AppendError>;

    /// Changes tables, the engine's own as well.
    ///
    /// # Errors
    /// Nothing was changed.
    fn record(&self, changes: &[TableChange]) -> Result<Pending, AppendError>;

    /// Everything that its tables hold, but for what it says of itself as a copy.
    fn records(&self) -> Records;

    /// What is kept of a partition.
    ///
    /// # Errors
    /// There is no such partition.
    fn bounds(&self, partition: TopicPartition) -> Result<Bounds, ReadError>;

    /// Blocks of a journal, as [`crate::PartitionLog::read_journal`].
    async fn groups(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError>;

    /// Whether it can still be written; else why not.
    ///
    /// # Errors
    /// Names the reason.
    fn health(&self) -> Result<(), String>;
}

/// How far a pass is, for whoever looks on.
#[derive(Debug, Default)]
pub struct Progress {
    blocks: AtomicU64,
    bytes: AtomicU64,
}

impl Progress {
    /// Blocks and bytes so far.
    #[must_use]
    pub fn so_far(&self) -> (u64, u64) {
        (self.blocks.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    fn add(&self, (blocks, bytes): (u64, u64)) {
        self.blocks.fetch_add(blocks, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// Blocks and bytes of a source that a target does not have yet.
#[must_use]
pub fn missing(source: &ClosedLog, target: &dyn Target) -> (u64, u64) {
    let sizes = Journal::TOPICS.map(|journal| source.size(journal, target.reached(journal)));
    sizes.into_iter().fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
}

/// Blocks and bytes of a source.
#[must_use]
pub fn total(source: &ClosedLog) -> (u64, u64) {
    let sizes = Journal::TOPICS.map(|journal| source.size(journal, JournalSeq(0)));
    sizes.into_iter().fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1))
}

/// Blocks and bytes of a group.
fn size<'a>(blocks: impl Iterator<Item = &'a Block>) -> (u64, u64) {
    blocks.fold((0, 0), |(count, bytes), block| {
        (count + 1, bytes + (block.header.encoded_bytes() + block.body.len()) as u64)
    })
}

/// Why a log was not moved. The source is as it was.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The source cannot be read.
    #[error("cannot read journal {} of the source after group {after}: {error}", journal.name())]
    Source {
        /// The journal.
        journal: Journal,
        /// The last group that was read.
        after: JournalSeq,
        /// What happened.
        error: ReadError,
    },
    /// The target cannot be read.
    #[error("cannot read journal {} of the target after group {after}: {error}", journal.name())]
    Target {
        /// The journal.
        journal: Journal,
        /// The last group that was read.
        after: JournalSeq,
        /// What happened.
        error: ReadError,
    },
    /// The target does not take what it is given.
    #[error("the target does not take {what}: {error}{}", told(why))]
    Refused {
        /// What.
        what: &'static str,
        /// What it says.
        error: AppendError,
        /// What is wrong with it; empty when it does not know.
        why: String,
    },
    /// The target failed before it had stored what it took.
    #[error("the target failed while it stored {what}{}", told(why))]
    Failed {
        /// What.
        what: &'static str,
        /// What is wrong with it; empty when it does not know.
        why: String,
    },
    /// The target has groups that the source does not have.
    #[error("journal {} of the target has groups up to {target}, the source up to {source_seq} only", journal.name())]
    Ahead {
        /// The journal.
        journal: Journal,
        /// The target's last group.
        target: JournalSeq,
        /// The source's.
        source_seq: JournalSeq,
    },
    /// The two are not equal.
    #[error(transparent)]
    Differs(#[from] Difference),
}

impl MigrationError {
    fn refused(target: &dyn Target, what: &'static str, error: AppendError) -> Self {
        Self::Refused { what, error, why: target.health().err().unwrap_or_default() }
    }

    fn failed(target: &dyn Target, what: &'static str, _unknown: PendingError) -> Self {
        Self::Failed { what, why: target.health().err().unwrap_or_default() }
    }
}

fn told(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({why})") }
}

/// The first place where a target is not what its source is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// A block.
    #[error("the block of {partition} at offset {offset}, group {seq} of journal {}: {what}", journal.name())]
    Block {
        /// The journal.
        journal: Journal,
        /// Its group.
        seq: JournalSeq,
        /// Its partition.
        partition: TopicPartition,
        /// Its first offset.
        offset: Offset,
        /// What is not equal.
        what: &'static str,
    },
    /// A journal's end.
    #[error("journal {} ends at group {target}, that of the source at {source_seq}", journal.name())]
    End {
        /// The journal.
        journal: Journal,
        /// The target's last group.
        target: JournalSeq,
        /// The source's.
        source_seq: JournalSeq,
    },
    /// What is kept of a partition.
    #[error("partition {partition} is kept from {} up to {}, that of the source from {} up to {}",
        target.trim, target.tail, source_bounds.trim, source_bounds.tail)]
    Bounds {
        /// The partition.
        partition: TopicPartition,
        /// Of the target.
        target: Bounds,
        /// Of the source.
        source_bounds: Bounds,
    },
    /// A partition that the target does not have.
    #[error("partition {0} is not there")]
    Partition(TopicPartition),
    /// A key of a table.
    #[error("table {table}, key `{key}`: {what}")]
    Record {
        /// The table's number.
        table: u32,
        /// The key, as far as it is text.
        key: String,
        /// What is not equal.
        what: &'static str,
    },
}

#[cfg(test)]
mod tests;

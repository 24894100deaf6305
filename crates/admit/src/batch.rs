//! What doors hand in and what they get back.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{Durability, Topic};
use tidings_event::{Epoch, Offset, PartitionId, Refusal, TopicName};
use tidings_log::{CommitError, PendingError, ReadError};

/// What becomes of an event whose indicator says another definition than the registered one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefinitionPolicy {
    /// Refused with `DEFINITION_CONFLICT`.
    #[default]
    Refuse,
    /// Stored, counted, and said in the log.
    Warn,
}

/// Settings of admission.
#[derive(Clone, Copy, Debug)]
pub struct AdmitSettings {
    /// Most (source, id) pairs remembered for publishers without a producer id.
    pub window_ids: usize,
    /// How long each is remembered.
    pub window_age: Duration,
    /// Most producers a partition remembers.
    pub producers_max: usize,
    /// How long an idle producer is remembered.
    pub producer_idle: Duration,
    /// A checkpoint is due this long after the last one that had something to save.
    pub checkpoint_every: Duration,
    /// A checkpoint is due after this many bytes, so that a restart has little to read.
    pub checkpoint_bytes: u64,
    /// What a definition that differs from the registered one leads to.
    pub definition_conflict: DefinitionPolicy,
    /// Most (source, key) pairs whose sequences are followed; 0 follows none.
    pub key_sequences_max: usize,
    /// Events a second that this machine was measured to take, where it was.
    pub capacity: Option<NonZeroU64>,
}

impl Default for AdmitSettings {
    fn default() -> Self {
        Self {
            window_ids: 1_000_000,
            window_age: Duration::from_secs(600),
            producers_max: 10_000,
            producer_idle: Duration::from_secs(7 * 86_400),
            checkpoint_every: Duration::from_secs(30),
            checkpoint_bytes: 256 << 20,
            definition_conflict: DefinitionPolicy::Refuse,
            key_sequences_max: 1_000_000,
            capacity: None,
        }
    }
}

/// Why admission could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError {
    /// A record was written by a later version, or is damaged.
    #[error("producer record is unreadable: {0}")]
    Record(String),
    /// The log could not be read.
    #[error("cannot rebuild what was admitted: {0}")]
    Read(#[from] ReadError),
    /// The log refused a checkpoint.
    #[error("cannot save producers: {0}")]
    Commit(#[from] CommitError),
    /// The log failed.
    #[error("cannot save producers: {0}")]
    Pending(#[from] PendingError),
}

/// Events of any topics and partitions, from a publisher without a producer id.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// A serialised `EventBatch`.
    pub body: Bytes,
    /// Where all events go; `None` lets templates place each.
    pub topic: Option<TopicName>,
    /// All or nothing.
    pub atomic: bool,
    /// When to answer; `memory` counts only where the topic allows it.
    pub durability: Option<Durability>,
    /// The service made up the ids: they cannot be repeats.
    pub assigned_ids: bool,
}

/// Where an event is.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Event id.
    pub id: [u8; 16],
    /// Its topic.
    pub topic: Arc<Topic>,
    /// Its partition.
    pub partition: PartitionId,
    /// Its offset; `None` for a repeat of something older than what is remembered.
    pub offset: Option<Offset>,
    /// The log's epoch.
    pub epoch: Epoch,
    /// It was stored before.
    pub duplicate: bool,
    /// What the acknowledgement means.
    pub durability: Durability,
}

/// Why an event was not stored.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Event id, where it could be read.
    pub id: Option<[u8; 16]>,
    /// Why.
    pub refusal: Refusal,
}

/// What became of one event.
pub type Outcome = Result<Placed, Rejected>;

/// A producer's block: events of one topic and partition, counted.
#[derive(Clone, Debug)]
pub struct SequencedBlock {
    /// A serialised `EventBatch`.
    pub body: Bytes,
    /// CRC-32C of the body.
    pub body_crc: u32,
    /// Number of events.
    pub count: u32,
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: u32,
    /// Partition count the producer computed with.
    pub partitions: u32,
    /// Sequence of the first event.
    pub first_sequence: u64,
}

/// Where a producer's block is.
#[derive(Clone, Debug)]
pub struct BlockPlaced {
    /// Its topic.
    pub topic: Arc<Topic>,
    /// Its partition.
    pub partition: PartitionId,
    /// Offset of its first event, where all of them follow from it; `None` when that is no longer
    /// remembered.
    pub base_offset: Option<Offset>,
    /// Number of events.
    pub count: u32,
    /// How many of them, from the first on, had been stored before.
    pub repeated: u32,
    /// The log's epoch.
    pub epoch: Epoch,
    /// All of them had been stored before.
    pub duplicate: bool,
    /// What the acknowledgement means.
    pub durability: Durability,
}

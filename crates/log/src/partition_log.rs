//! The contract of a log engine: what every implementation promises and every caller may rely on.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{Epoch, JournalSeq, Offset, Term, Timestamp, TopicId, TopicPartition};
use tokio::sync::{oneshot, watch};

/// A physical store of one retention class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Journal {
    /// Topics kept up to 7 days.
    Short,
    /// Topics kept up to 90 days.
    Medium,
    /// Topics kept longer.
    Long,
    /// Tables: catalog, cursors, producers. Compacted.
    State,
}

impl Journal {
    /// Every journal that holds topics.
    pub const TOPICS: [Self; 3] = [Self::Short, Self::Medium, Self::Long];

    /// Its name, as in directories, metrics and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
            Self::State => "state",
        }
    }
}

/// How long a topic's events are kept: until either bound is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age since ingest.
    pub age: Duration,
    /// Logical bytes (headers and bodies) of the whole topic; `None` leaves it to the journal's cap.
    pub bytes: Option<u64>,
}

impl Retention {
    /// The smallest class that covers the age.
    #[must_use]
    pub fn journal(&self) -> Journal {
        const DAY: u64 = 86_400;
        match self.age.as_secs().saturating_add(u64::from(self.age.subsec_nanos() > 0)) {
            0..=604_800 => Journal::Short,
            s if s <= 90 * DAY => Journal::Medium,
            _ => Journal::Long,
        }
    }
}

/// What an engine must know of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its number.
    pub id: TopicId,
    /// Fixed at birth.
    pub partitions: u32,
    /// May change within its class.
    pub retention: Retention,
}

/// What is kept of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that is kept.
    pub trim: Offset,
    /// First offset that is not durable; readers see everything below it and nothing else.
    pub durable_tail: Offset,
    /// First offset that is not written.
    pub tail: Offset,
}

/// What an engine can do beyond the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// `embedded`, `memory`, `pulsar`.
    pub engine: &'static str,
    /// Whether a resolved append survives loss of power.
    pub durable: bool,
    /// Whether a resolved append survives loss of the machine.
    pub replicated: bool,
    /// Most bytes of one block, header included.
    pub block_bytes_max: usize,
    /// Physical cap of each journal of topics: above it the oldest events go, whatever their age.
    pub journal_bytes_max: Option<u64>,
}

/// How full a journal's queue is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// Bytes appended and not yet durable.
    pub queued_bytes: u64,
    /// Most bytes it takes: above this, appends are refused.
    pub limit_bytes: u64,
    /// When the queue will have drained, at the measured rate.
    pub drain: Duration,
}

impl Pressure {
    /// Whether credit is to be withheld: the queue is half full.
    #[must_use]
    pub const fn is_high(&self) -> bool {
        self.queued_bytes * 2 >= self.limit_bytes
    }
}

/// A table in the state journal: the last value of each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub u32);

impl Table {
    /// Topics, subscriptions, templates.
    pub const CATALOG: Self = Self(1);
    /// Where each subscription is.
    pub const CURSORS: Self = Self(2);
    /// Producer epochs and dedup snapshots.
    pub const PRODUCERS: Self = Self(3);
    /// Leases and their tokens.
    pub const LEASES: Self = Self(4);
    /// Last values' snapshots.
    pub const LAST_VALUES: Self = Self(5);
    /// What readiness probes write and read back.
    pub const PROBE: Self = Self(6);
    /// What indicator names stand for.
    pub const DEFINITIONS: Self = Self(7);
    /// Which instruments have published for which intervals.
    pub const INTERVALS: Self = Self(8);
    /// What lies in each subscription's dead letters.
    pub const DEAD_LETTERS: Self = Self(9);
    /// What subscriptions were, after they are gone.
    pub const PAST_SUBSCRIPTIONS: Self = Self(10);
}

/// One change of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableChange {
    /// The table.
    pub table: Table,
    /// At most 1 KiB.
    pub key: Bytes,
    /// `None` deletes. Key and value of all changes of a commit: at most 900 KiB.
    pub value: Option<Bytes>,
}

/// Exclusive ownership of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What is owned.
    pub name: String,
    /// Grows with every grant of this name, for ever.
    pub token: Term,
}

/// Why an append was refused. Nothing of it was stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The topic or partition was never ensured, or is dropped.
    #[error("partition {0} does not exist")]
    UnknownPartition(TopicPartition),
    /// The block does not start at its partition's tail.
    #[error("block of {partition} starts at {base}, the tail is {tail}")]
    NotAtTail {
        /// The partition.
        partition: TopicPartition,
        /// Where the block starts.
        base: Offset,
        /// Where it has to start.
        tail: Offset,
    },
    /// The block's term is not the log's.
    #[error("term {given} is not the current term {current}")]
    Fenced {
        /// The block's.
        given: Term,
        /// The log's.
        current: Term,
    },
    /// A block larger than [`Caps::block_bytes_max`], or one whose header contradicts its body.
    #[error("block of {partition} is invalid: {reason}")]
    InvalidBlock {
        /// The partition.
        partition: TopicPartition,
        /// What is wrong.
        reason: &'static str,
    },
    /// The journal's queue is full.
    #[error("journal queue is full")]
    Full {
        /// When to try again.
        retry_after: Duration,
    },
    /// The disk has only its reserve left.
    #[error("disk is full")]
    StorageFull,
    /// An I/O error made the journal read-only until restart.
    #[error("journal is read-only after an I/O error")]
    ReadOnly,
    /// The log is closing.
    #[error("log is closed")]
    Closed,
}

/// Why an accepted append will not be confirmed: whether it was stored is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("outcome unknown: the journal failed before the append was durable")]
pub struct PendingError;

/// Resolves when everything of one append is durable.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<JournalSeq>);

impl Pending {
    /// A pending append and the sender that resolves it; dropping the sender fails it.
    #[must_use]
    pub fn channel() -> (oneshot::Sender<JournalSeq>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }
}

impl Future for Pending {
    type Output = Result<JournalSeq, PendingError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| PendingError)
    }
}

/// Why a read was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// No such partition.
    #[error("partition {0} does not exist")]
    UnknownPartition(TopicPartition),
    /// Retention removed the offset.
    #[error("offset {asked} is below the trim point {trim}")]
    Trimmed {
        /// What was asked for.
        asked: Offset,
        /// First offset that is kept.
        trim: Offset,
    },
    /// The offset is above the durable tail.
    #[error("offset {asked} is above the durable tail {durable_tail}")]
    OutOfRange {
        /// What was asked for.
        asked: Offset,
        /// First offset that is not there yet.
        durable_tail: Offset,
    },
    /// The bytes of these offsets are damaged; reading goes on at `to` + 1.
    #[error("offsets {from}..={to} of {partition} are damaged")]
    DataLoss {
        /// The partition.
        partition: TopicPartition,
        /// First damaged offset.
        from: Offset,
        /// Last damaged offset.
        to: Offset,
    },
    /// The system could not read.
    #[error("cannot read the log: {0}")]
    Io(String),
}

/// Why a topic could not be ensured or dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// It exists with other partitions or in another class.
    #[error("topic {id} exists with {partitions} partitions in journal {journal}")]
    Mismatch {
        /// The topic.
        id: TopicId,
        /// What it has.
        partitions: u32,
        /// Where it is.
        journal: &'static str,
    },
    /// It was dropped; ids are not reused.
    #[error("topic {0} was dropped")]
    Dropped(TopicId),
    /// No such topic.
    #[error("topic {0} does not exist")]
    Unknown(TopicId),
    /// The state journal refused.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The state journal failed.
    #[error(transparent)]
    Pending(#[from] PendingError),
}

/// Why a commit was refused. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Too large, as a whole or in one key.
    #[error("commit has {bytes} bytes, at most {max}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        max: usize,
    },
    /// A newer owner exists.
    #[error("token {given} is older than {current}")]
    Fenced {
        /// The caller's.
        given: Term,
        /// The newest.
        current: Term,
    },
    /// The state journal refused.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Why a lease was not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Someone holds it.
    #[error("lease `{0}` is held")]
    Held(String),
    /// The state journal refused.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The state journal failed.
    #[error(transparent)]
    Pending(#[from] PendingError),
}

/// A durable, partitioned, append-only log.
///
/// # The contract
///
/// **Partitions.** [`ensure_topic`](Self::ensure_topic) makes a topic's partitions exist, durably,
/// empty, from offset 0. A topic's id, partition count and journal never change; ids are not
/// reused.
///
/// **Appending.** The caller assigns offsets: a block's base offset must be its partition's tail,
/// its term the log's. [`append`](Self::append) takes blocks or refuses all of them; it never
/// waits. Accepted blocks of one partition are stored in the order of the calls. Blocks of one call
/// that go to one journal and have at most 1 MiB together are stored atomically: after a crash all
/// of them are there or none. The [`Pending`] resolves when all of them are durable, and fails when
/// that can no longer be known; from then on the journal is read-only.
///
/// **Reading.** Readers see offsets below the durable tail, always, whole blocks, with the bytes
/// that were appended. A read starts with the block that holds the asked offset, so that the first
/// block may begin below it. Reading never waits for writers: at the durable tail it returns
/// nothing, and [`durable`](Self::durable) tells when to ask again. A damaged block is never
/// returned: the read says which offsets are lost.
///
/// **Retention.** [`trim`](Self::trim) moves trim points exactly; a pinned offset and everything
/// above it is kept whatever retention says.
///
/// **Tables.** [`commit`](Self::commit) changes any keys of any tables atomically. Reads see
/// durable values only.
///
/// **Recovery.** After any crash: every resolved append and commit is there; unresolved ones are
/// there whole or not at all, in order, as a prefix per partition; offsets stay dense; the term has
/// grown.
#[async_trait]
pub trait PartitionLog: Send + Sync + 'static {
    /// What this engine can do.
    fn caps(&self) -> Caps;

    /// Identity of the log's life.
    fn epoch(&self) -> Epoch;

    /// This owner's token.
    fn term(&self) -> Term;

    /// Makes a topic exist; the same again is fine, and may change retention within the class.
    async fn ensure_topic(&self, spec: &TopicSpec) -> Result<(), TopicError>;

    /// Drops a topic and its events.
    async fn drop_topic(&self, topic: TopicId) -> Result<(), TopicError>;

    /// Appends blocks; see the contract.
    ///
    /// # Errors
    /// Nothing was stored.
    fn append(&self, blocks: Vec<Block>) -> Result<Pending, AppendError>;

    /// What is kept of a partition.
    ///
    /// # Errors
    /// [`ReadError::UnknownPartition`].
    fn bounds(&self, partition: TopicPartition) -> Result<Bounds, ReadError>;

    /// Blocks of one partition from an offset on, up to `max_bytes` (but at least one block when
    /// there is one); nothing at the durable tail.
    async fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError>;

    /// Blocks of a whole journal in the order they were stored, of groups after `after`, up to
    /// `max_bytes` (but at least one group when there is one). Starts at the oldest group kept when
    /// `after` was trimmed. The `seq` of the last block is the `after` of the next call. Damaged
    /// blocks are left out (each partition's own read names them).
    async fn read_journal(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError>;

    /// The last durable group of a journal; changes whenever more can be read.
    fn durable(&self, journal: Journal) -> watch::Receiver<JournalSeq>;

    /// How full a journal's queue is.
    fn pressure(&self, journal: Journal) -> Pressure;

    /// The time that retention counts by, and that blocks are to be stamped with: the wall clock's, unless
    /// that jumped. It may be a little earlier than it was; who stamps keeps the newest.
    fn time(&self) -> Timestamp;

    /// First offset of the first block ingested at or after a time; the durable tail when none was.
    async fn resolve_time(
        &self,
        partition: TopicPartition,
        at: Timestamp,
    ) -> Result<Offset, ReadError>;

    /// First offset of the first block that is not older than this, as retention counts age: no jump of
    /// the wall clock makes a block older. The durable tail when all are.
    async fn resolve_age(
        &self,
        partition: TopicPartition,
        age: Duration,
    ) -> Result<Offset, ReadError>;

    /// Keeps everything from an offset on, under a name, until moved or removed. Not durable: its
    /// owner sets it again after a start.
    fn pin(&self, partition: TopicPartition, name: &str, from: Offset);

    /// Removes a pin.
    fn unpin(&self, partition: TopicPartition, name: &str);

    /// Applies retention as of `now`; returns how many events each partition lost.
    async fn trim(&self, now: Timestamp) -> Vec<(TopicPartition, u64)>;

    /// Changes tables atomically. `token` is the caller's lease token or the log's term.
    ///
    /// # Errors
    /// Nothing was changed.
    fn commit(&self, token: Term, changes: Vec<TableChange>) -> Result<Pending, CommitError>;

    /// The durable value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes>;

    /// All durable keys of a table, sorted.
    fn table(&self, table: Table) -> BTreeMap<Bytes, Bytes>;

    /// Takes a lease; its token is larger than any before under this name.
    async fn lease(&self, name: &str) -> Result<Lease, LeaseError>;

    /// Gives a lease back.
    fn release(&self, lease: &Lease);

    /// Lets go of memory that only saves reads; says how many bytes that was.
    fn shed(&self) -> u64 {
        0
    }

    /// Whether every journal can still be written; else why not.
    ///
    /// # Errors
    /// Names the journal and the reason, or says that the disk is full.
    fn health(&self) -> Result<(), String>;

    /// Makes everything accepted durable and stops. Later calls answer `Closed`.
    async fn close(&self);
}

//! The whole contract in memory: for unit tests of the crates above, which can hold durability back.

mod partition;
mod state;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_event::block::{BODY_BYTES_MAX, Block, HEADER_BYTES_MAX};
use tidings_event::hop::Committed;
use tidings_event::{Clock, Epoch, JournalSeq, Offset, Term, Timestamp, TopicId, TopicPartition};
use tokio::sync::watch;

use crate::{
    AppendError, Bounds, Caps, CommitError, Journal, Lease, LeaseError, PartitionLog, Pending,
    Pressure, ReadError, Table, TableChange, TopicError, TopicSpec,
};
use state::{Condition, State};

/// A [`PartitionLog`] without a disk.
///
/// Appends and commits are durable at once, unless a test holds them back with
/// [`hold`](Self::hold); [`fail`](Self::fail) breaks it as an I/O error would, and
/// [`reopen`](Self::reopen) is the restart after a crash.
pub struct MemoryLog {
    clock: Arc<dyn Clock>,
    term: Term,
    state: Mutex<State>,
}

impl MemoryLog {
    /// An empty log of term 1.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { clock, term: Term(1), state: Mutex::default() })
    }

    /// The clock it was made with.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The same log after a crash: what was durable is there, what was not is gone, pins and leases
    /// are free, the term is one higher. This instance goes on apart from it.
    #[must_use]
    pub fn reopen(&self) -> Arc<Self> {
        let state = self.state().recovered();
        Arc::new(Self {
            clock: Arc::clone(&self.clock),
            term: Term(self.term.0 + 1),
            state: Mutex::new(state),
        })
    }

    /// From now on, appends and commits stay pending.
    pub fn hold(&self) {
        self.state().held = true;
    }

    /// Makes everything pending durable, and what comes later at once again.
    pub fn release_all(&self) {
        let mut state = self.state();
        state.held = false;
        state.settle();
    }

    /// Breaks every journal: what is pending fails, what comes later is refused as read-only.
    pub fn fail(&self) {
        self.state().fail();
    }

    /// Fills the disk up to its reserve (appends answer `StorageFull`, commits go on), or frees it.
    pub fn fill(&self, full: bool) {
        self.state().full = full;
    }

    /// Sets how many bytes may be pending in a journal before appends answer `Full`.
    pub fn limit_queues(&self, bytes: u64) {
        self.state().limit_bytes = bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLog").field("term", &self.term).finish_non_exhaustive()
    }
}

/// The only epoch a log without restores has.
const EPOCH: Epoch = Epoch(1);

#[async_trait]
impl PartitionLog for MemoryLog {
    fn caps(&self) -> Caps {
        Caps {
            engine: "memory",
            durable: false,
            replicated: false,
            block_bytes_max: BODY_BYTES_MAX + HEADER_BYTES_MAX,
            journal_bytes_max: None,
        }
    }

    fn epoch(&self) -> Epoch {
        EPOCH
    }

    fn term(&self) -> Term {
        self.term
    }

    async fn ensure_topic(&self, spec: &TopicSpec) -> Result<(), TopicError> {
        self.state().ensure_topic(spec)
    }

    async fn drop_topic(&self, topic: TopicId) -> Result<(), TopicError> {
        self.state().drop_topic(topic)
    }

    fn append(&self, blocks: Vec<Block>) -> Result<Pending, AppendError> {
        let mut state = self.state();
        state.writable()?;
        for block in &blocks {
            self.check_block(&state, block)?;
        }
        state.append(blocks)
    }

    fn bounds(&self, partition: TopicPartition) -> Result<Bounds, ReadError> {
        Ok(self.state().partition(partition)?.bounds())
    }

    async fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        self.state().partition(partition)?.read(from, max_bytes)
    }

    async fn read_journal(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        Ok(self.state().read_journal(journal, after, max_bytes))
    }

    fn durable(&self, journal: Journal) -> watch::Receiver<JournalSeq> {
        self.state().journal(journal).durable.subscribe()
    }

    fn pressure(&self, journal: Journal) -> Pressure {
        self.state().pressure(journal)
    }

    fn time(&self) -> Timestamp {
        self.clock.wall()
    }

    async fn resolve_time(
        &self,
        partition: TopicPartition,
        at: Timestamp,
    ) -> Result<Offset, ReadError> {
        Ok(self.state().partition(partition)?.resolve_time(at))
    }

    async fn resolve_age(
        &self,
        partition: TopicPartition,
        age: Duration,
    ) -> Result<Offset, ReadError> {
        Ok(self.state().partition(partition)?.resolve_time(self.clock.wall().minus(age)))
    }

    fn pin(&self, partition: TopicPartition, name: &str, from: Offset) {
        if let Some(partition) = self.state().partition_mut(partition) {
            partition.pins.insert(name.to_owned(), from);
        }
    }

    fn unpin(&self, partition: TopicPartition, name: &str) {
        if let Some(partition) = self.state().partition_mut(partition) {
            partition.pins.remove(name);
        }
    }

    async fn trim(&self, now: Timestamp) -> Vec<(TopicPartition, u64)> {
        self.state().trim(now)
    }

    fn commit(&self, token: Term, changes: Vec<TableChange>) -> Result<Pending, CommitError> {
        let mut state = self.state();
        if token != self.term && !state.leases.values().any(|&held| held == token) {
            let current = state.leases.values().copied().max().unwrap_or(self.term);
            return Err(CommitError::Fenced { given: token, current });
        }
        state.commit(changes)
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.state().tables.get(&table)?.get(key).cloned()
    }

    fn table(&self, table: Table) -> BTreeMap<Bytes, Bytes> {
        self.state().tables.get(&table).cloned().unwrap_or_default()
    }

    async fn lease(&self, name: &str) -> Result<Lease, LeaseError> {
        let mut state = self.state();
        state.unbroken().map_err(CommitError::from)?;
        if state.leases.contains_key(name) {
            return Err(LeaseError::Held(name.to_owned()));
        }
        state.granted += 1;
        // The term grows at every reopening, so that tokens grow for ever without being stored.
        let token = Term((self.term.0 << 32) + state.granted);
        state.leases.insert(name.to_owned(), token);
        Ok(Lease { name: name.to_owned(), token })
    }

    fn release(&self, lease: &Lease) {
        let mut state = self.state();
        if state.leases.get(&lease.name) == Some(&lease.token) {
            state.leases.remove(&lease.name);
        }
    }

    fn health(&self) -> Result<(), String> {
        match self.state().condition {
            Condition::Open => Ok(()),
            Condition::ReadOnly => Err("every journal is read-only: told to fail".to_owned()),
            Condition::Closed => Err("the log is closed".to_owned()),
        }
    }

    async fn close(&self) {
        let mut state = self.state();
        state.settle();
        state.condition = Condition::Closed;
    }
}

impl MemoryLog {
    /// What can be said of a block without the blocks before it in the same call.
    fn check_block(&self, state: &State, block: &Block) -> Result<(), AppendError> {
        let header = &block.header;
        let partition = header.topic_partition;
        let invalid = |reason| Err(AppendError::InvalidBlock { partition, reason });
        if state.partition(partition).is_err() {
            return Err(AppendError::UnknownPartition(partition));
        }
        if header.term != self.term {
            return Err(AppendError::Fenced { given: header.term, current: self.term });
        }
        if header.epoch != EPOCH {
            return invalid("its epoch is not the log's");
        }
        if header.count == 0 {
            return invalid("it holds no event");
        }
        if header.body_bytes as usize != block.body.len() {
            return invalid("its header gives another body length");
        }
        if block.body.len() > BODY_BYTES_MAX || header.encoded_bytes() > HEADER_BYTES_MAX {
            return invalid("it is too large");
        }
        Ok(())
    }
}

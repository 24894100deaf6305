//! The embedded engine: journals of segment files in a data directory.
//!
//! `docs/spec/log-format.md` says what is on disk. In memory there is one [`journal`] for each
//! retention class, written by one [`writer`] thread, read by anyone; the state journal's records
//! become [`tables`].

mod ack;
mod append;
mod check;
mod closed;
mod context;
mod copied;
mod echo;
mod entries;
mod fields;
mod group;
mod index;
mod indexer;
mod inspect;
mod journal;
mod leases;
mod leftover;
mod meta;
mod open;
mod options;
mod partitions;
mod reader;
mod recovery;
mod retention;
mod scan;
mod segment;
mod snapshot;
mod spare;
#[cfg(any(test, feature = "test-util"))]
mod still;
mod tables;
mod topics;
mod trims;
mod wall;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_event::block::{BODY_BYTES_MAX, Block, HEADER_BYTES_MAX};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, JournalSeq, Offset, Term, Timestamp, TopicId, TopicPartition};
use tidings_telemetry::{Counter, Gauge};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use self::context::Context;
use self::journal::{JournalStore, Stop};
use self::leases::Leases;
use self::open::replay;
use self::tables::Tables;
use self::wall::{Now, WallGuard};
use crate::partition_log::{
    AppendError, Bounds, Caps, CommitError, Journal, Lease, LeaseError, PartitionLog, Pending,
    Pressure, ReadError, Table, TableChange, TopicError, TopicSpec,
};

/// What the other durable engine is made of, too: state tables, leases, what retention chooses and the time it
/// goes by.
pub mod parts {
    pub use super::ack::Ack;
    pub use super::copied::{Copied, end_change, seq_change};
    pub use super::leases::Leases;
    pub use super::tables::{
        INTERNAL, Tables, Topic, encode, topic_change, trim_change, wall_change,
    };
    pub use super::trims::{Shelf, Shelved, Trims, partitions_of, plan};
    pub use super::wall::{Leap, Now, WallGuard};
}

pub use check::{CheckError, CheckReport, DamagedRange, check};
pub use closed::ClosedLog;
pub use copied::Origin;
pub use inspect::{Inspection, inspect};
#[cfg(any(test, feature = "test-util"))]
pub use options::Sabotage;
pub use options::{EmbeddedOptions, OpenError};
#[cfg(any(test, feature = "test-util"))]
pub use still::{Noted, StillLog};
pub use tables::Records;

/// With less room than this above the reserve, hardly a block can be stored.
const ROOM_BYTES: u64 = 16 << 10;

/// Reads of the disk at a time. Each takes a thread, and what it has read until that is taken: were a
/// thousand readers that are behind let at it together, they would take more than they catch up with.
const READS: usize = 16;

/// The log in a data directory of this machine.
pub struct EmbeddedLog {
    context: Arc<Context>,
    epoch: Epoch,
    term: Term,
    tables: Arc<Tables>,
    /// In the order of [`Journal`].
    journals: [Arc<JournalStore>; 4],
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// The data directory's lock keeps every other process out.
    leases: Leases,
    wall: Mutex<WallGuard>,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
    reads: Arc<Semaphore>,
    /// Whether everything happens in the thread that asks for it.
    is_still: bool,
}

impl EmbeddedLog {
    fn journal(&self, journal: Journal) -> &Arc<JournalStore> {
        &self.journals[journal as usize]
    }

    /// The journal of a partition that exists.
    fn journal_of(&self, partition: TopicPartition) -> Option<&Arc<JournalStore>> {
        if partition == recovery::STATE {
            return Some(self.journal(Journal::State));
        }
        let topic = self.tables.topic(partition.topic).filter(|topic| !topic.dropped)?;
        let exists = partition.partition.0 < topic.spec.partitions;
        exists.then(|| self.journal(topic.spec.retention.journal()))
    }

    fn readable(&self, partition: TopicPartition) -> Result<&Arc<JournalStore>, ReadError> {
        self.journal_of(partition).ok_or(ReadError::UnknownPartition(partition))
    }

    fn threads(&self) -> std::sync::MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells writers to write what is queued, and then no more.
    fn stop(&self, journals: &[Journal]) {
        for journal in journals.iter().map(|journal| self.journal(*journal)) {
            journal.core().stop.get_or_insert(Stop::Clean);
            journal.wake.notify_all();
        }
    }

    /// Puts on record where the stopped journals end, so that the next start misses what is missing.
    fn record_ends(&self) -> Result<Vec<Pending>, AppendError> {
        let stopped = Journal::TOPICS.map(|journal| (journal, self.journal(journal).ends()));
        stopped
            .iter()
            .filter(|(_, (seq, _))| *seq > 0)
            .map(|(journal, (seq, ends))| tables::ends_change(*journal, *seq, ends))
            .filter(|change| !self.tables.holds(change))
            .map(|change| self.commit_records(&[change]))
            .collect()
    }

    /// The moment, as retention counts.
    fn now(&self) -> Now {
        let Context { clock, recorder, .. } = &*self.context;
        let (wall, monotonic) = (clock.wall(), clock.monotonic());
        let now = self.wall.lock().unwrap_or_else(PoisonError::into_inner).look(wall, monotonic);
        recorder.set(Gauge::LogWallDoubted, i64::from(now.doubted));
        now
    }

    /// Puts on record how far retention has come, so that a jump across a restart shows.
    async fn record(&self, now: &Now) {
        if now.doubted {
            let (wall, counted) = (self.context.clock.wall(), now.time);
            tracing::error!(%wall, %counted, "wall clock jumped: retention counts by the monotonic one");
        }
        if WallGuard::is_news(self.tables.wall(), now)
            && let Ok(pending) = self.commit_records(&[tables::wall_change(now)])
            && pending.await.is_err()
        {
            tracing::warn!("the time is not on record");
        }
    }

    /// Trims one journal: plan, make durable, apply, remove files.
    async fn trim_journal(
        &self,
        journal: &Arc<JournalStore>,
        now: &Now,
    ) -> Vec<(TopicPartition, u64)> {
        let trims = journal.plan_trim(&self.tables.topics(journal.kind), now);
        let changes = trims.iter().map(|(id, trim)| tables::trim_change(*id, *trim));
        for some in changes.collect::<Vec<_>>().chunks(4096) {
            // Trim points are durable before anything of theirs is removed.
            let Ok(pending) = self.commit_records(some) else { return vec![] };
            if pending.await.is_err() {
                return vec![];
            }
        }
        let lost = journal.apply_trims(&trims);
        let store = Arc::clone(journal);
        let removed = self.blocking(move || {
            if store.context.is_full(0) {
                store.context.give_up_spares();
            }
            store.remove_segments(|segment| segment.live == 0)
        });
        let removed = removed.await;
        if let Err(error) = removed {
            tracing::warn!(journal = journal.kind.name(), %error, "cannot remove a segment");
        }
        lost
    }
}

impl Drop for EmbeddedLog {
    fn drop(&mut self) {
        // Without close() this is as a crash: nothing more is written.
        for journal in &self.journals {
            journal.core().stop.get_or_insert(Stop::Abrupt);
            journal.wake.notify_all();
        }
        let threads = self.threads.get_mut().unwrap_or_else(PoisonError::into_inner);
        threads.drain(..).for_each(join);
    }
}

fn join(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a journal's thread panicked");
    }
}

/// Waits for the last threads, then spares the next start a replay.
fn finish(last: Vec<JoinHandle<()>>, state: &JournalStore) {
    last.into_iter().for_each(join);
    let failed = state.core().failed.is_some();
    if !failed && let Err(error) = state.snapshot() {
        tracing::warn!(%error, "no snapshot at stop");
    }
}

impl EmbeddedLog {
    /// Reads when it is its turn, in the order of asking.
    async fn at_its_turn<T: Send + 'static>(&self, read: impl FnOnce() -> T + Send + 'static) -> T {
        // Nobody closes it. A read that nobody waits for any more keeps its turn to the end.
        let turn = Arc::clone(&self.reads).acquire_owned().await;
        let (found, _turn) = self.blocking(move || (read(), turn)).await;
        found
    }

    /// Runs disk work away from the runtime's threads; where there is no runtime, or its order is to
    /// be the same every time, here.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let runtime = Handle::try_current().ok().filter(|_| !self.is_still);
        let Some(runtime) = runtime else { return work() };
        match runtime.spawn_blocking(work).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down: nobody waits for this answer.
            Err(_) => std::future::pending().await,
        }
    }
}

#[async_trait]
impl PartitionLog for EmbeddedLog {
    fn caps(&self) -> Caps {
        Caps {
            engine: "embedded",
            durable: true,
            replicated: false,
            block_bytes_max: BODY_BYTES_MAX + HEADER_BYTES_MAX,
            journal_bytes_max: Some(self.context.options.journal_bytes_max),
        }
    }

    fn epoch(&self) -> Epoch {
        self.epoch
    }

    fn term(&self) -> Term {
        self.term
    }

    async fn ensure_topic(&self, spec: &TopicSpec) -> Result<(), TopicError> {
        self.ensure(spec).await
    }

    async fn drop_topic(&self, topic: TopicId) -> Result<(), TopicError> {
        self.forget_topic(topic).await
    }

    fn append(&self, blocks: Vec<Block>) -> Result<Pending, AppendError> {
        self.append_blocks(blocks)
    }

    fn bounds(&self, partition: TopicPartition) -> Result<Bounds, ReadError> {
        let journal = self.readable(partition)?;
        let core = journal.core();
        Ok(core.partitions.get(&partition).map_or_else(
            || partitions::Partition::default().bounds(),
            partitions::Partition::bounds,
        ))
    }

    async fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let journal = Arc::clone(self.readable(partition)?);
        if let Some(found) = journal.read_fast(partition, from, max_bytes)? {
            return Ok(found);
        }
        self.at_its_turn(move || journal.read_disk(partition, from, max_bytes)).await
    }

    async fn read_journal(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let journal = Arc::clone(self.journal(journal));
        let fast = journal.core().ring_groups(after.0, max_bytes);
        if let Some(found) = fast {
            return Ok(found);
        }
        self.at_its_turn(move || journal.groups_disk(after.0, max_bytes)).await
    }

    fn durable(&self, journal: Journal) -> watch::Receiver<JournalSeq> {
        self.journal(journal).durable.subscribe()
    }

    fn pressure(&self, journal: Journal) -> Pressure {
        self.journal(journal).pressure()
    }

    fn time(&self) -> Timestamp {
        self.now().time
    }

    async fn resolve_time(
        &self,
        partition: TopicPartition,
        at: Timestamp,
    ) -> Result<Offset, ReadError> {
        Ok(self.readable(partition)?.resolve_time(partition, at))
    }

    async fn resolve_age(
        &self,
        partition: TopicPartition,
        age: Duration,
    ) -> Result<Offset, ReadError> {
        let (journal, now) = (self.readable(partition)?, self.now());
        Ok(journal.first_younger(partition, age, &now))
    }

    fn pin(&self, partition: TopicPartition, name: &str, from: Offset) {
        let Some(journal) = self.journal_of(partition) else { return };
        let mut core = journal.core();
        let known = core.partitions.entry(partition).or_default();
        known.pins.insert(name.to_owned(), from.0);
    }

    fn unpin(&self, partition: TopicPartition, name: &str) {
        let Some(journal) = self.journal_of(partition) else { return };
        if let Some(known) = journal.core().partitions.get_mut(&partition) {
            known.pins.remove(name);
        }
    }

    async fn trim(&self, now: Timestamp) -> Vec<(TopicPartition, u64)> {
        let counted = self.now();
        self.record(&counted).await;
        let now = if counted.doubted { counted } else { Now { time: now, ..counted } };
        let mut lost = vec![];
        for journal in Journal::TOPICS {
            let journal = self.journal(journal);
            lost.extend(self.trim_journal(journal, &now).await);
        }
        let events = lost.iter().map(|(_, count)| count).sum();
        self.context.recorder.count(Counter::LogTrimmed, events);
        lost
    }

    fn commit(&self, token: Term, changes: Vec<TableChange>) -> Result<Pending, CommitError> {
        self.commit_changes(token, &changes)
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.tables.get(table, key)
    }

    fn table(&self, table: Table) -> BTreeMap<Bytes, Bytes> {
        self.tables.map(table)
    }

    async fn lease(&self, name: &str) -> Result<Lease, LeaseError> {
        let state = self.journal(Journal::State);
        state.admit(&state.core(), 0).map_err(CommitError::from)?;
        self.leases.grant(name)
    }

    fn release(&self, lease: &Lease) {
        self.leases.take_back(lease);
    }

    fn shed(&self) -> u64 {
        Journal::TOPICS.iter().map(|&journal| self.journal(journal).shed()).sum()
    }

    fn health(&self) -> Result<(), String> {
        for journal in &self.journals {
            if let Some(reason) = &journal.core().failed {
                return Err(format!("journal {} is read-only: {reason}", journal.kind.name()));
            }
            if journal.core().no_room {
                return Err(format!("journal {} waits for room on the disk", journal.kind.name()));
            }
        }
        if self.context.is_full(ROOM_BYTES) {
            return Err("the disk has only its reserve left: nothing more is stored".to_owned());
        }
        Ok(())
    }

    async fn close(&self) {
        self.stop(&Journal::TOPICS);
        let mut threads = std::mem::take(&mut *self.threads());
        // In the order of the journals, of which the last one writes the state; then who indexes for all.
        let last = threads.split_off(threads.len().min(Journal::TOPICS.len()));
        self.blocking(move || threads.into_iter().for_each(join)).await;
        for pending in self.record_ends().unwrap_or_default() {
            if pending.await.is_err() {
                tracing::warn!("where the log ends is not on record");
            }
        }
        self.stop(&[Journal::State]);
        let state = Arc::clone(self.journal(Journal::State));
        // Waits for the last syncs: not on one of the runtime's threads.
        self.blocking(move || finish(last, &state)).await;
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod tests;

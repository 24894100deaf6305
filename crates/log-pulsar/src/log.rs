//! The log as its callers see it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{Clock, Epoch, JournalSeq, Offset, Term, Timestamp, TopicId, TopicPartition};
use tidings_log::parts::{Leases, Now, Tables, WallGuard, wall_change};
use tidings_log::{
    AppendError, Bounds, Caps, CommitError, Journal, Lease, LeaseError, PartitionLog, Pending,
    Pressure, ReadError, Table, TableChange, TopicError, TopicSpec,
};
use tidings_telemetry::{Counter, Gauge, Recorder, Timer};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::admin::Admin;
use crate::append::BLOCK_BYTES_MAX;
use crate::examine;
use crate::index::Partition;
use crate::journal::{Ended, JournalStore};
use crate::link::Broker;
use crate::open::{self, Purpose};
use crate::options::{OpenError, PulsarOptions};
use crate::read::Kept;

/// Readings of the broker at a time.
const READS: usize = 4;

/// A log whose journals are topics of Pulsar.
pub struct PulsarLog {
    pub(crate) epoch: Epoch,
    pub(crate) term: Term,
    pub(crate) tables: Arc<Tables>,
    /// In the order of [`Journal`].
    pub(crate) journals: Vec<Arc<JournalStore>>,
    pub(crate) broker: Arc<Broker>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fenced_by: Arc<AtomicU64>,
    pub(crate) kept: Kept,
    pub(crate) reads: Semaphore,
    recorder: Arc<Recorder>,
    /// The term keeps every other process out.
    pub(crate) leases: Leases,
    wall: Mutex<WallGuard>,
    writers: Mutex<JoinSet<()>>,
    close_max: Duration,
    replicated: bool,
}

impl fmt::Debug for PulsarLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PulsarLog").field("term", &self.term).finish_non_exhaustive()
    }
}

impl PulsarLog {
    /// Makes the topics exist, takes them from whoever has them, and reads what they hold.
    ///
    /// # Errors
    /// Another owner opened it at the same time, the broker cannot be reached or used, or a copy of another log has not
    /// finished there.
    pub async fn open(
        options: PulsarOptions,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Result<Arc<Self>, OpenError> {
        Self::open_for(Purpose::Serve, options, clock, recorder).await
    }

    pub(crate) async fn open_for(
        purpose: Purpose,
        options: PulsarOptions,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Result<Arc<Self>, OpenError> {
        Admin::new(&options).prepare_patiently().await?;
        let replicated = examine::insist(&options, &*clock).await?;
        let broker = Arc::new(Broker::new(&options)?);
        let opened = open::open(&options, &broker, &clock, &recorder, purpose).await?;
        let (mut journals, mut writers) = (vec![], JoinSet::new());
        for writer in opened.writers {
            journals.push(Arc::clone(&writer.journal));
            writers.spawn(writer.run());
        }
        let (last, leap) = opened.tables.wall().unzip();
        let wall = WallGuard::after(last, leap.unwrap_or_default(), clock.monotonic());
        let fenced_by = Arc::clone(&journals[0].fenced_by);
        Ok(Arc::new(Self {
            epoch: opened.epoch,
            term: opened.term,
            tables: opened.tables,
            journals,
            broker,
            clock,
            fenced_by,
            kept: Kept::default(),
            reads: Semaphore::new(READS),
            recorder,
            leases: Leases::new(opened.term),
            wall: Mutex::new(wall),
            writers: Mutex::new(writers),
            close_max: options.close_max,
            replicated,
        }))
    }

    /// Stops where it is, as the end of the process would: nothing more is sent.
    pub fn abandon(&self) {
        self.writers().abort_all();
    }

    /// The term of the owner that came after this one, where one did.
    #[must_use]
    pub fn fenced_by(&self) -> Option<Term> {
        let term = self.fenced_by.load(std::sync::atomic::Ordering::Acquire);
        (term > 0).then_some(Term(term))
    }

    /// Stops at once, for an owner of a later term has the log, or may have it: nothing more is sent, and what waits
    /// fails. Whether it is stored the later owner knows.
    pub fn leave(&self, later: Term) {
        self.writers().abort_all();
        self.fenced_by.fetch_max(later.0, std::sync::atomic::Ordering::AcqRel);
        for journal in &self.journals {
            let has_ended = journal.core().ended.is_some();
            if !has_ended {
                journal.end(Ended::Fenced(later));
            }
        }
    }

    pub(crate) fn journal(&self, journal: Journal) -> &Arc<JournalStore> {
        &self.journals[journal as usize]
    }

    /// The journal of a partition that exists.
    pub(crate) fn journal_of(&self, id: TopicPartition) -> Option<&Arc<JournalStore>> {
        let topic = self.tables.topic(id.topic).filter(|topic| !topic.dropped)?;
        let exists = id.partition.0 < topic.spec.partitions;
        exists.then(|| self.journal(topic.spec.retention.journal()))
    }

    fn readable(&self, id: TopicPartition) -> Result<&Arc<JournalStore>, ReadError> {
        self.journal_of(id).ok_or(ReadError::UnknownPartition(id))
    }

    /// Whether the state journal takes more.
    pub(crate) fn open_for_more(&self) -> Result<(), AppendError> {
        let state = self.journal(Journal::State);
        state.admit(&state.core(), 0)
    }

    fn writers(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The moment, as retention counts.
    fn now(&self) -> Now {
        let (wall, monotonic) = (self.clock.wall(), self.clock.monotonic());
        let now = self.wall.lock().unwrap_or_else(PoisonError::into_inner).look(wall, monotonic);
        self.recorder.set(Gauge::LogWallDoubted, i64::from(now.doubted));
        now
    }

    /// Puts on record how far retention has come, so that a jump across a restart shows.
    async fn record(&self, now: &Now) {
        if now.doubted {
            let (wall, counted) = (self.clock.wall(), now.time);
            tracing::error!(%wall, %counted, "wall clock jumped: retention counts by the monotonic one");
        }
        if WallGuard::is_news(self.tables.wall(), now)
            && let Ok(pending) = self.commit_records(&[wall_change(now)])
            && pending.await.is_err()
        {
            tracing::warn!("the time is not on record");
        }
    }

    /// Tells writers to send what is queued, and waits for them; what does not get through in time fails.
    async fn finish(&self) {
        let mut writers = std::mem::take(&mut *self.writers());
        for journal in &self.journals {
            journal.core().closing = true;
            journal.wake.notify_one();
        }
        let done = async { while writers.join_next().await.is_some() {} };
        if Timer.limit(self.close_max, done).await.is_err() {
            tracing::error!("closed before everything was stored: the broker does not answer");
            writers.shutdown().await;
            self.journals.iter().for_each(|journal| journal.end(Ended::Closed));
        }
        self.broker.closed().await;
    }
}

#[async_trait]
impl PartitionLog for PulsarLog {
    fn caps(&self) -> Caps {
        Caps {
            engine: "pulsar",
            durable: true,
            // As the cluster was set when it was opened.
            replicated: self.replicated,
            block_bytes_max: BLOCK_BYTES_MAX,
            journal_bytes_max: None,
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
        let core = self.readable(partition)?.core();
        let known = core.partitions.get(&partition);
        Ok(known.map_or_else(|| Partition::default().bounds(), Partition::bounds))
    }

    async fn read(
        &self,
        partition: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        self.read_blocks(partition, from, max_bytes).await
    }

    async fn read_journal(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        self.read_groups(self.journal(journal), after.0, max_bytes).await
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
        let core = self.readable(partition)?.core();
        let Some(known) = core.partitions.get(&partition) else { return Ok(Offset(0)) };
        let block = known.blocks.iter().find(|block| block.ingested_at >= at);
        Ok(Offset(block.map_or(known.durable, |block| block.base)))
    }

    async fn resolve_age(
        &self,
        partition: TopicPartition,
        age: Duration,
    ) -> Result<Offset, ReadError> {
        let now = self.now();
        let core = self.readable(partition)?.core();
        let Some(known) = core.partitions.get(&partition) else { return Ok(Offset(0)) };
        let block = known.blocks.iter().find(|block| !now.is_older(block.ingested_at, age));
        Ok(Offset(block.map_or(known.durable, |block| block.base)))
    }

    fn pin(&self, partition: TopicPartition, name: &str, from: Offset) {
        let Some(journal) = self.journal_of(partition) else { return };
        let mut core = journal.core();
        core.partitions.entry(partition).or_default().pins.insert(name.to_owned(), from.0);
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
            lost.extend(self.trim_journal(self.journal(journal), &now).await);
        }
        self.recorder.count(Counter::LogTrimmed, lost.iter().map(|(_, count)| count).sum());
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
        self.open_for_more().map_err(CommitError::from)?;
        self.leases.grant(name)
    }

    fn release(&self, lease: &Lease) {
        self.leases.take_back(lease);
    }

    fn shed(&self) -> u64 {
        let rings: u64 = self.journals.iter().map(|journal| journal.shed()).sum();
        rings + self.kept.shed()
    }

    fn health(&self) -> Result<(), String> {
        for journal in &self.journals {
            let (core, name) = (journal.core(), journal.kind.name());
            match (&core.ended, &core.trouble) {
                (Some(Ended::Fenced(term)), _) => {
                    return Err(format!("journal {name} has another owner, of term {term}"));
                }
                (Some(Ended::Failed(why)), _) => {
                    return Err(format!("journal {name} is read-only: {why}"));
                }
                (Some(Ended::Closed), _) => return Err("the log is closed".to_owned()),
                (None, Some(why)) => {
                    return Err(format!("journal {name} does not reach the broker: {why}"));
                }
                (None, None) => {}
            }
        }
        Ok(())
    }

    async fn close(&self) {
        self.finish().await;
    }
}

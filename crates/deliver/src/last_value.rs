//! Last values: the winning event of every kind, instrument, venue and timeframe.
//!
//! The winner is the highest (interval start, revision, offset), whatever order events arrive in:
//! so live blocks and the tail replayed after a start may be fed side by side.

mod beginning;
mod short;
mod snapshot;
mod store;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{Catalog, Topic};
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::topic_name::INTERNAL_TENANT;
use tidings_event::v1::Kind;
use tidings_event::{Code, JournalSeq, Offset, PartitionId, Position, Refusal, TopicPartition};
use tidings_log::{Journal, PartitionLog};
use tidings_telemetry::Timer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub(crate) use beginning::LastValueStart;
use store::{Arrival, Found, Store};

/// What one read of the tail takes at most.
const READ_BYTES: usize = 1 << 20;

/// How long a journal that cannot be read is left alone.
const RETRY: Duration = Duration::from_millis(100);

/// Which value is asked for.
#[derive(Clone, Copy, Debug)]
pub struct LastValueQuery<'a> {
    /// Kind of event.
    pub kind: Kind,
    /// Instrument, or matrix id of a correlation; empty for interval marks.
    pub instrument: &'a str,
    /// Needed where several timeframes are known.
    pub timeframe: Option<&'a str>,
    /// Needed where several venues are known.
    pub venue: Option<&'a str>,
    /// Leaves unfinished bars out.
    pub final_only: bool,
}

/// The winning event.
#[derive(Clone, Debug)]
pub struct LastValue {
    /// Its canonical bytes.
    pub event: Bytes,
    /// Where it is.
    pub position: Position,
    /// Its topic.
    pub topic: Arc<Topic>,
}

/// See the module.
pub struct LastValues {
    log: Arc<dyn PartitionLog>,
    catalog: Arc<Catalog>,
    store: Mutex<Store>,
    /// Per journal: everything up to this group is in the store.
    seen: Mutex<BTreeMap<Journal, JournalSeq>>,
    /// Groups that the rebuild still has to read, of how many.
    rebuilding: [Progress; 3],
    /// Told when more was taken.
    fed: Notify,
}

#[derive(Debug, Default)]
struct Progress {
    left: AtomicU64,
    total: AtomicU64,
}

impl LastValues {
    /// The values of the last snapshot. Its tail is read by [`Self::rebuild`].
    pub(crate) fn restore(
        log: Arc<dyn PartitionLog>,
        catalog: Arc<Catalog>,
        entries_max: usize,
    ) -> Self {
        let mut store = Store::new(entries_max);
        let seen = snapshot::load(log.as_ref(), &mut store);
        for topic in catalog.snapshot().all_topics() {
            for partition in (0..topic.partitions).map(PartitionId) {
                let at = TopicPartition { topic: topic.id, partition };
                store.reached(at, log.bounds(at).map_or(0, |bounds| bounds.durable_tail.0));
            }
        }
        let rebuilding: [Progress; 3] = Default::default();
        for (journal, progress) in Journal::TOPICS.iter().zip(&rebuilding) {
            let reached = log.durable(*journal).borrow().0;
            let left = reached.saturating_sub(seen.get(journal).map_or(0, |seq| seq.0));
            progress.left.store(left, Ordering::SeqCst);
            progress.total.store(left, Ordering::SeqCst);
        }
        let (store, seen, fed) = (Mutex::new(store), Mutex::new(seen), Notify::new());
        Self { log, catalog, store, seen, rebuilding, fed }
    }

    /// Reads what a journal got between the snapshot and `until`.
    pub(crate) async fn rebuild(
        &self,
        journal: Journal,
        until: JournalSeq,
        stop: CancellationToken,
    ) {
        let mut after = self.seen().get(&journal).copied().unwrap_or_default();
        let progress = Journal::TOPICS
            .iter()
            .position(|&j| j == journal)
            .and_then(|at| self.rebuilding.get(at));
        while after < until && !stop.is_cancelled() {
            match self.log.read_journal(journal, after, READ_BYTES).await {
                Ok(blocks) => {
                    after = blocks.last().map_or(until, |block| block.seq);
                    self.take(&blocks);
                }
                Err(error) => {
                    tracing::error!(journal = journal.name(), %error, "cannot rebuild last values");
                    Timer.after(RETRY).await;
                }
            }
            if let Some(progress) = progress {
                progress.left.store(until.0.saturating_sub(after.0), Ordering::SeqCst);
            }
        }
        if !stop.is_cancelled() {
            if let Some(progress) = progress {
                progress.left.store(0, Ordering::SeqCst);
            }
            let mut seen = self.seen();
            let reached = seen.entry(journal).or_default();
            *reached = (*reached).max(until);
        }
    }

    /// Takes live blocks of a journal.
    pub(crate) fn feed(&self, journal: Journal, blocks: &[Committed]) {
        self.take(blocks);
        if self.is_rebuilt(journal)
            && let Some(last) = blocks.last()
        {
            let mut seen = self.seen();
            let reached = seen.entry(journal).or_default();
            *reached = (*reached).max(last.seq);
        }
    }

    /// Saves a snapshot from time to time, and once more at the end.
    pub(crate) async fn keep(&self, interval: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = Timer.after(interval) => {}
            }
            self.save().await;
        }
        self.save().await;
    }

    async fn save(&self) {
        // What is seen now is in every part encoded later.
        let seen = self.seen().clone();
        if let Err(error) = snapshot::save(self.log.as_ref(), || self.store(), &seen).await {
            tracing::warn!(%error, "last values could not be saved; the next start reads more of the log");
        }
    }

    /// The last value of one thing.
    ///
    /// # Errors
    /// `REBUILDING` after a start, with how far it is; `VALUE_UNKNOWN`; `AMBIGUOUS_VENUE` naming
    /// the venues; `FIELD_MISSING` where several timeframes are known and none is named.
    pub fn get(&self, tenant: &str, query: LastValueQuery<'_>) -> Result<LastValue, Refusal> {
        self.check_rebuilt()?;
        let found = self.store().find(tenant, &query);
        let unknown = || {
            let name = query.kind.as_str_name();
            Refusal::new(
                Code::ValueUnknown,
                format!("no {name} of `{}` is known", query.instrument),
            )
        };
        let (position, event) = match found {
            Found::One(position, event) => (position, event),
            Found::None => return Err(unknown()),
            Found::Venues(venues) => {
                let detail = format!("`{}` is known at {}", query.instrument, venues.join(", "));
                return Err(Refusal::new(Code::AmbiguousVenue, detail).at_field("venue"));
            }
            Found::Timeframes(known) => {
                let detail = format!("`{}` has timeframes {}", query.instrument, known.join(", "));
                return Err(Refusal::new(Code::FieldMissing, detail).at_field("timeframe"));
            }
        };
        let snapshot = self.catalog.snapshot();
        let topic = snapshot.topic_by_id(position.topic).ok_or_else(unknown)?;
        Ok(LastValue { event, position, topic: Arc::clone(topic) })
    }

    /// Whether everything that was stored before the start has been read again.
    ///
    /// # Errors
    /// `REBUILDING`, with how far it is.
    pub fn check_rebuilt(&self) -> Result<(), Refusal> {
        let sum = |of: fn(&Progress) -> &AtomicU64| -> u64 {
            self.rebuilding.iter().map(|progress| of(progress).load(Ordering::SeqCst)).sum()
        };
        let (left, total) = (sum(|p| &p.left), sum(|p| &p.total));
        if left == 0 {
            return Ok(());
        }
        let detail = format!("{} of {total} groups have been read", total.saturating_sub(left));
        Err(Refusal::new(Code::Rebuilding, detail).retry_after_ms(1_000))
    }

    fn is_rebuilt(&self, journal: Journal) -> bool {
        let mut all = Journal::TOPICS.iter().zip(&self.rebuilding);
        all.all(|(&of, progress)| of != journal || progress.left.load(Ordering::SeqCst) == 0)
    }

    fn take(&self, blocks: &[Committed]) {
        let topics = self.catalog.snapshot();
        for block in blocks {
            let header = &block.block.header;
            let at = header.topic_partition;
            let Some(topic) = topics.topic_by_id(at.topic) else { continue };
            if topic.name.tenant() == INTERNAL_TENANT {
                continue;
            }
            let mut store = self.store();
            for (offset, event) in (header.base_offset.0..).zip(events(&block.block.body)) {
                let Ok(event) = event else { break };
                let Some(envelope) = tidings_event::glance(event) else { continue };
                let position = Position {
                    topic: at.topic,
                    epoch: header.epoch,
                    partition: at.partition,
                    offset: Offset(offset),
                };
                store.put(topic.name.tenant(), &envelope, Arrival { position, event });
            }
            store.reached(at, block.end_offset().0);
        }
        self.fed.notify_waiters();
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<Journal, JournalSeq>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for LastValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LastValues").finish_non_exhaustive()
    }
}

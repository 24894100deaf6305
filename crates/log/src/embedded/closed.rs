//! A data directory that nobody has open: verified as a whole, then read, and never changed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tidings_event::hop::Committed;
use tidings_event::{Clock, JournalSeq, Offset, TopicPartition};
use tidings_telemetry::Recorder;
use tokio::runtime::Handle;

use super::check::{CheckError, CheckReport, Verified, verify};
use super::context::Context;
use super::copied::Origin;
use super::journal::JournalStore;
use super::options::EmbeddedOptions;
use super::partitions::Partition;
use super::spare::Spares;
use super::tables::{Records, Tables};
use super::trims::partitions_of;
use crate::disk::Disk;
use crate::partition_log::{Bounds, Journal, ReadError};

/// See the module. Its lock keeps every other process out for as long as this lives.
pub struct ClosedLog {
    origin: Origin,
    tables: Arc<Tables>,
    /// In the order of [`Journal::TOPICS`].
    journals: [Arc<JournalStore>; 3],
    report: CheckReport,
    _lock: Box<dyn Send + Sync>,
}

impl ClosedLog {
    /// Verifies a data directory as [`crate::check`] does. Damage is no error: [`Self::report`] names it.
    ///
    /// # Errors
    /// When it is not a data directory, is in use, or cannot be read at all.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CheckError> {
        let Verified { identity, tables, journals, report, lock } = verify(&*disk, dir)?;
        let context = Arc::new(Context {
            disk,
            dir: dir.to_owned(),
            options: EmbeddedOptions::default(),
            clock,
            recorder: Recorder::new(),
            queued: AtomicU64::new(0),
            spares: Spares::default(),
        });
        let mut kinds = Journal::TOPICS.into_iter();
        let journals = journals.map(|recovered| {
            // There are as many kinds as journals.
            let kind = kinds.next().unwrap_or(Journal::Long);
            Arc::new(JournalStore::new(kind, &context, identity, &tables, recovered))
        });
        let origin = Origin { log: identity.log, epoch: identity.epoch, term: identity.term };
        Ok(Self { origin, tables, journals, report, _lock: lock })
    }

    /// Which log it is.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// What was found when it was verified.
    #[must_use]
    pub fn report(&self) -> &CheckReport {
        &self.report
    }

    /// Everything that its tables hold.
    #[must_use]
    pub fn records(&self) -> Records {
        self.tables.records()
    }

    /// The last group of a journal of topics; 0 of the state journal, whose groups nobody counts.
    #[must_use]
    pub fn last_seq(&self, journal: Journal) -> JournalSeq {
        JournalSeq(self.journal(journal).map_or(0, |store| store.core().last_seq))
    }

    /// Blocks and bytes that are kept of a journal's groups after `after`.
    #[must_use]
    pub fn size(&self, journal: Journal, after: JournalSeq) -> (u64, u64) {
        let Some(store) = self.journal(journal) else { return (0, 0) };
        let core = store.core();
        let mut groups = core.segments.values().flat_map(|segment| {
            let number = segment.header.number;
            segment.groups.iter().map(move |(seq, page)| (*seq, (number, *page)))
        });
        let Some((_, first)) = groups.find(|(seq, _)| *seq > after.0) else { return (0, 0) };
        let blocks = core.partitions.values().flat_map(|known| &known.blocks);
        let later = blocks.filter(|block| (block.segment, block.page) >= first);
        later.fold((0, 0), |(count, bytes), block| (count + 1, bytes + u64::from(block.bytes)))
    }

    /// The partitions of a journal's topics, and what is kept of each.
    #[must_use]
    pub fn partitions(&self, journal: Journal) -> Vec<(TopicPartition, Bounds)> {
        let Some(store) = self.journal(journal) else { return vec![] };
        let (topics, core) = (self.tables.topics(journal), store.core());
        let mut found: Vec<_> = topics
            .iter()
            .flat_map(partitions_of)
            .map(|id| {
                let known = core.partitions.get(&id).map(Partition::bounds);
                (id, known.unwrap_or_else(|| Partition::default().bounds()))
            })
            .collect();
        found.sort_unstable_by_key(|(id, _)| *id);
        found
    }

    /// Blocks of a journal in the order they were stored, as [`crate::PartitionLog::read_journal`] reads them: whole
    /// groups after `after`, without what is trimmed, dropped or damaged.
    ///
    /// # Errors
    /// The system cannot read.
    pub async fn groups(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let Some(store) = self.journal(journal).cloned() else { return Ok(vec![]) };
        let read = move || store.groups_disk(after.0, max_bytes);
        // Not on one of the runtime's threads, where there are some.
        let Ok(runtime) = Handle::try_current() else { return read() };
        let read = runtime.spawn_blocking(read).await;
        read.map_err(|error| ReadError::Io(error.to_string()))?
    }

    /// Where each partition of a journal ends, those alone that have ever had an event.
    #[must_use]
    pub fn ends(&self, journal: Journal) -> Vec<(TopicPartition, Offset)> {
        let ends = self.partitions(journal).into_iter().map(|(id, known)| (id, known.durable_tail));
        ends.filter(|(_, end)| end.0 > 0).collect()
    }

    fn journal(&self, journal: Journal) -> Option<&Arc<JournalStore>> {
        self.journals.get(journal as usize)
    }
}

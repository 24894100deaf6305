//! A log whose writers work when they are told to, in the thread that tells them, and that reads its
//! disk in the thread that asks: what it does is the same every time.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use tidings_event::{Clock, TopicPartition};
use tidings_telemetry::Recorder;

use super::group::{self, PAGE};
use super::open::Start;
use super::writer::Writer;
use super::{EmbeddedLog, EmbeddedOptions, OpenError};
use crate::disk::Disk;
use crate::fake_disk::FakeDisk;
use crate::partition_log::Journal;

/// Notes how many operations a disk had seen when somebody was woken.
#[derive(Debug)]
pub struct Noted {
    disk: FakeDisk,
    at: AtomicUsize,
}

impl Noted {
    /// Notes by one disk, and counts as woken now.
    #[must_use]
    pub fn on(disk: &FakeDisk) -> Arc<Self> {
        Arc::new(Self { at: AtomicUsize::new(disk.operations()), disk: disk.clone() })
    }

    /// Operations at the last waking.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at.load(Ordering::Relaxed)
    }
}

impl Wake for Noted {
    fn wake(self: Arc<Self>) {
        self.at.store(self.disk.operations(), Ordering::Relaxed);
    }
}

/// The log, and its writers at rest.
pub struct StillLog {
    log: Arc<EmbeddedLog>,
    /// In the order of [`Journal`].
    writers: [Writer; 4],
}

/// Recovers one journal after the other: the disk is asked in the same order each time.
fn in_turn(start: Start<'_>) -> [Result<Writer, OpenError>; 3] {
    Journal::TOPICS.map(start)
}

impl StillLog {
    /// Opens a data directory as [`EmbeddedLog::open`] does.
    ///
    /// # Errors
    /// The same.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: EmbeddedOptions,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Result<Self, OpenError> {
        let (mut log, writers) =
            EmbeddedLog::recover(disk, dir, options, clock, recorder, in_turn)?;
        log.is_still = true;
        Ok(Self { log: Arc::new(log), writers })
    }

    /// The log itself: what is appended to it waits for [`Self::step`].
    #[must_use]
    pub fn log(&self) -> &Arc<EmbeddedLog> {
        &self.log
    }

    /// Lets each writer do one thing; `false` when none had anything to do.
    pub fn step(&mut self) -> bool {
        let mut worked = false;
        for writer in &mut self.writers {
            worked |= writer.step();
        }
        worked
    }

    /// Steps until something is ready; `None` when it will never be. Outside a runtime only.
    pub fn until<T>(&mut self, noted: &Arc<Noted>, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        let waker = Waker::from(Arc::clone(noted));
        loop {
            match work.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(done) => return Some(done),
                Poll::Pending if self.step() => {}
                Poll::Pending => return None,
            }
        }
    }

    /// Begins a segment.
    ///
    /// # Errors
    /// As the disk says.
    pub fn roll(&mut self, journal: Journal) -> io::Result<()> {
        self.writers[journal as usize].begin()
    }

    /// Makes the spares that journals in use lack.
    pub fn spare(&mut self) {
        self.writers.iter().for_each(Writer::spare);
    }

    /// Takes a snapshot of the tables.
    ///
    /// # Errors
    /// As the disk says.
    pub fn snapshot(&self) -> io::Result<()> {
        self.log.journal(Journal::State).snapshot()
    }

    /// File and bytes of the group of each block of a partition, by the block's first offset.
    pub(crate) fn places(&self, partition: TopicPartition) -> BTreeMap<u64, (PathBuf, u64, u64)> {
        let mut places = BTreeMap::new();
        let Some(journal) = self.log.journal_of(partition) else { return places };
        let core = journal.core();
        let blocks = core.partitions.get(&partition).into_iter().flat_map(|known| &known.blocks);
        for block in blocks {
            let Some(segment) = core.segments.get(&block.segment) else { continue };
            let at = u64::from(block.page) * PAGE as u64;
            let group = group::read(&*segment.file, at, u64::MAX - PAGE as u64);
            if let Ok(Some(group)) = group {
                places.insert(block.base, (segment.path.clone(), at, at + group.total));
            }
        }
        places
    }

    /// Stops as [`crate::PartitionLog::close`] does.
    pub fn close(mut self) {
        self.log.stop(&Journal::TOPICS);
        while self.step() {}
        let recorded = self.log.record_ends();
        while self.step() {}
        drop(recorded);
        self.log.stop(&[Journal::State]);
        while self.step() {}
        super::finish(vec![], self.log.journal(Journal::State));
        *self.log.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

//! Founding a log in an empty namespace: it takes in another one group by group, each under the sequence that it had.

mod follow;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{Clock, JournalSeq, Offset, TopicPartition};
use tidings_log::migration::Target;
use tidings_log::parts::{Ack, Copied};
use tidings_log::{
    AppendError, Bounds, Journal, Origin, PartitionLog, Pending, PendingError, ReadError, Records,
    TableChange,
};
use tidings_telemetry::Recorder;

use crate::PulsarLog;
use crate::journal::{Waiting, stored_bytes};
use crate::open::Purpose;
use crate::options::{OpenError, PulsarOptions};
use follow::Following;

/// A log that is not served yet. What was stored when it is dropped, or the process ends, is there when it is opened
/// again.
pub struct Import {
    log: Arc<PulsarLog>,
    origin: Origin,
    /// In the order of [`Journal::TOPICS`].
    following: [Mutex<Option<Following>>; 3],
}

impl Import {
    /// Opens a namespace for a copy of a log: an empty one, or one that holds a part of the same copy. Where something
    /// else is, its owner does not notice.
    ///
    /// # Errors
    /// [`OpenError::Occupied`], [`OpenError::Finished`], and those of [`PulsarLog::open`].
    pub async fn open(
        origin: Origin,
        options: PulsarOptions,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
    ) -> Result<Self, OpenError> {
        let log = PulsarLog::open_for(Purpose::Copy(origin), options, clock, recorder).await?;
        Ok(Self { log, origin, following: Default::default() })
    }

    /// Says durably that all of it is there: from now on it is a log like any other, and is served.
    ///
    /// # Errors
    /// Nobody may know whether it was said.
    pub async fn finish(&self) -> Result<(), FinishError> {
        let copied = Copied { origin: self.origin, finished: true };
        self.log.commit_records(&[copied.change()])?.await?;
        Ok(())
    }

    /// Waits until everything that was taken is stored, and lets go of the namespace.
    pub async fn close(&self) {
        self.log.close().await;
    }

    /// Stops where it is, as the end of the process would: nothing more is sent.
    pub fn abandon(&self) {
        self.log.abandon();
    }
}

/// Why a copy is not known to be finished.
#[derive(Debug, thiserror::Error)]
#[error("the copy is complete, but that could not be put on record: {0}")]
pub enum FinishError {
    /// The state journal refused.
    Append(#[from] AppendError),
    /// The state journal failed.
    Pending(#[from] PendingError),
}

#[async_trait]
impl Target for Import {
    fn reached(&self, journal: Journal) -> JournalSeq {
        *self.log.durable(journal).borrow()
    }

    fn import(
        &self,
        journal: Journal,
        seq: JournalSeq,
        blocks: Vec<Block>,
    ) -> Result<Pending, AppendError> {
        let store = self.log.journal(journal);
        let mut core = store.core();
        store.admit(&core, blocks.iter().map(stored_bytes).sum())?;
        let mut tails: Vec<(TopicPartition, u64)> = vec![];
        for block in &blocks {
            let (partition, base) = (block.header.topic_partition, block.header.base_offset);
            let known = core.partitions.get(&partition).map_or(0, |known| known.tail);
            let in_this = tails.iter().rev().find(|(id, _)| *id == partition);
            let tail = in_this.map_or(known, |(_, tail)| *tail);
            if base.0 < tail {
                return Err(AppendError::NotAtTail { partition, base, tail: Offset(tail) });
            }
            self.log.fits(&block.header, block.body.len())?;
            tails.push((partition, block.header.end_offset().0));
        }
        for (partition, tail) in tails {
            core.partitions.entry(partition).or_default().tail = tail;
        }
        let (sender, pending) = Pending::channel();
        let waiting = Waiting { ack: Ack::new(1, sender), since: self.log.clock.monotonic() };
        store.enqueue_copied(&mut core, (seq.0, blocks), waiting);
        Ok(pending)
    }

    fn record(&self, changes: &[TableChange]) -> Result<Pending, AppendError> {
        self.log.commit_records(changes)
    }

    fn records(&self) -> Records {
        self.log.tables.records()
    }

    fn bounds(&self, partition: TopicPartition) -> Result<Bounds, ReadError> {
        self.log.bounds(partition)
    }

    async fn groups(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let Some(place) = self.following.get(journal as usize) else { return Ok(vec![]) };
        let store = self.log.journal(journal);
        let going_on = place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut following =
            going_on.filter(|it| it.after == after.0).unwrap_or_else(|| Following::new(after.0));
        let read = following.read(&self.log.broker, store, max_bytes).await?;
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(following);
        Ok(read)
    }

    fn health(&self) -> Result<(), String> {
        self.log.health()
    }
}

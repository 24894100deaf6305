//! One cell a partition: its tail, its producers, and what is not durable yet.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use futures::FutureExt;
use futures::future::Shared;
use tidings_catalog::Topic;
use tidings_event::{Code, Offset, PartitionId, Refusal, Timestamp, TopicPartition};
use tidings_log::{PartitionLog, Pending};

use crate::producers::ProducerTable;

/// Resolves when an append is durable; any number may wait.
pub(crate) type Durable = Shared<Pending>;

pub(crate) struct Cell {
    pub(crate) tail: Offset,
    pub(crate) last_ingest: Timestamp,
    pub(crate) producers: ProducerTable,
    /// Appends that may not be durable yet, by the offset after each.
    pending: VecDeque<(Offset, Durable)>,
}

impl Cell {
    /// The append that makes everything below an offset durable; `None` when it is.
    pub(crate) fn durable_below(&self, end: Offset) -> Option<Durable> {
        self.pending.iter().find(|(tail, _)| *tail >= end).map(|(_, durable)| durable.clone())
    }

    /// The newest append, when it may not be durable yet.
    pub(crate) fn newest(&self) -> Option<Durable> {
        self.pending.back().map(|(_, durable)| durable.clone())
    }

    /// Moves the tail over what was appended.
    pub(crate) fn appended(&mut self, end: Offset, ingested_at: Timestamp, durable: &Durable) {
        (self.tail, self.last_ingest) = (end, ingested_at);
        // A failed one stays: what it holds must never be answered as stored.
        while let Some((_, oldest)) = self.pending.front()
            && matches!(oldest.clone().now_or_never(), Some(Ok(_)))
        {
            self.pending.pop_front();
        }
        self.pending.push_back((end, durable.clone()));
    }
}

/// The cells of one topic, filled when first used.
pub(crate) struct Cells(Box<[OnceLock<Mutex<Cell>>]>);

/// Producers of partitions that were not used since the start.
pub(crate) type Seeds = Mutex<HashMap<TopicPartition, ProducerTable>>;

impl Cells {
    pub(crate) fn new(partitions: u32) -> Self {
        Self((0..partitions).map(|_| OnceLock::new()).collect())
    }

    /// Locks a partition's cell.
    pub(crate) fn lock(
        &self,
        topic: &Arc<Topic>,
        partition: PartitionId,
        log: &dyn PartitionLog,
        seeds: &Seeds,
    ) -> Result<MutexGuard<'_, Cell>, Refusal> {
        let place = TopicPartition { topic: topic.id, partition };
        let unknown = || {
            let detail = format!("partition {partition} of `{}` does not exist", topic.name);
            Refusal::new(Code::TopicUnknown, detail)
        };
        let cell = self.0.get(partition.0 as usize).ok_or_else(unknown)?;
        if cell.get().is_none() {
            let bounds = log.bounds(place).map_err(|_| unknown())?;
            // Whoever fills the cell first takes the seed with it.
            cell.get_or_init(|| {
                let seeds = &mut seeds.lock().unwrap_or_else(PoisonError::into_inner);
                Mutex::new(Cell {
                    tail: bounds.tail,
                    last_ingest: Timestamp::default(),
                    producers: seeds.remove(&place).unwrap_or_default(),
                    pending: VecDeque::new(),
                })
            });
        }
        let cell = cell.get().ok_or_else(unknown)?;
        Ok(cell.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The cells in use, by partition.
    pub(crate) fn used(&self) -> impl Iterator<Item = (PartitionId, MutexGuard<'_, Cell>)> {
        (0u32..).zip(&self.0).filter_map(|(partition, cell)| {
            let cell = cell.get()?.lock().unwrap_or_else(PoisonError::into_inner);
            Some((PartitionId(partition), cell))
        })
    }
}

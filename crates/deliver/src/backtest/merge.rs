//! The blocks of many partitions in order of ingest time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use tidings_event::{Code, Offset, Refusal, Timestamp, TopicPartition};
use tidings_log::{PartitionLog, ReadError};

use super::Committed;

/// Bytes of blocks read of one partition at a time, but at least one block.
const READ_BYTES: usize = 64 << 10;

/// See the module.
pub(super) struct Merge<'a> {
    log: &'a dyn PartitionLog,
    to: Timestamp,
    partitions: Vec<Partition>,
    /// Partitions that have a block, by its time; ties in the order of partitions.
    ready: BinaryHeap<Reverse<(Timestamp, usize)>>,
    unreadable: u64,
}

struct Partition {
    place: TopicPartition,
    /// First event in the range: the trim point may lie within a block.
    first: Offset,
    next: Offset,
    /// Where the partition ended when the reading began.
    end: Offset,
    blocks: VecDeque<Committed>,
}

impl<'a> Merge<'a> {
    /// Blocks taken in at or after `from` and before `to`, of what is durable now.
    pub(super) async fn open(
        log: &'a dyn PartitionLog,
        places: Vec<TopicPartition>,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Self, Refusal> {
        let mut merge =
            Self { log, to, partitions: Vec::new(), ready: BinaryHeap::new(), unreadable: 0 };
        for place in places {
            // A topic may go while it is read.
            let Ok(bounds) = log.bounds(place) else { continue };
            let next = match log.resolve_time(place, from).await {
                Ok(next) => next,
                Err(ReadError::UnknownPartition(_)) => continue,
                Err(error) => return Err(refused(&error)),
            };
            let end = bounds.durable_tail;
            let first = next.max(bounds.trim);
            merge.partitions.push(Partition { place, first, next, end, blocks: VecDeque::new() });
            merge.fill(merge.partitions.len() - 1).await?;
        }
        Ok(merge)
    }

    /// When the next block was taken in.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.ready.peek().map(|Reverse((at, _))| *at)
    }

    /// Events in damaged ranges so far.
    pub(super) const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// The next block, and the first of its offsets that is in the range.
    pub(super) async fn next(&mut self) -> Result<Option<(Committed, Offset)>, Refusal> {
        let Some(Reverse((_, index))) = self.ready.pop() else { return Ok(None) };
        let next = self.partitions.get_mut(index).and_then(|from| {
            let first = from.first;
            from.blocks.pop_front().map(|block| (block, first))
        });
        self.fill(index).await?;
        Ok(next)
    }

    /// Makes a partition ready, if it has a further block in the range.
    async fn fill(&mut self, index: usize) -> Result<(), Refusal> {
        let Some(partition) = self.partitions.get_mut(index) else { return Ok(()) };
        while partition.blocks.is_empty() && partition.next < partition.end {
            match self.log.read(partition.place, partition.next, READ_BYTES).await {
                Ok(blocks) if blocks.is_empty() => partition.next = partition.end,
                Ok(blocks) => {
                    partition.next = blocks.last().map_or(partition.end, Committed::end_offset);
                    let end = partition.end;
                    let known = blocks.into_iter();
                    partition.blocks =
                        known.filter(|block| block.block.header.base_offset < end).collect();
                }
                Err(ReadError::DataLoss { to, .. }) => {
                    self.unreadable += to.0.saturating_add(1) - partition.next.0;
                    partition.next = Offset(to.0.saturating_add(1));
                }
                Err(ReadError::Trimmed { trim, .. }) => partition.next = trim,
                Err(ReadError::UnknownPartition(_) | ReadError::OutOfRange { .. }) => {
                    partition.next = partition.end;
                }
                Err(error @ ReadError::Io(_)) => return Err(refused(&error)),
            }
        }
        let at = partition.blocks.front().map(|block| block.block.header.ingested_at);
        // Times only grow within a partition: nothing after a late block is in the range.
        match at.filter(|&at| at < self.to) {
            Some(at) => self.ready.push(Reverse((at, index))),
            None => {
                partition.blocks.clear();
                partition.next = partition.end;
            }
        }
        Ok(())
    }
}

fn refused(error: &ReadError) -> Refusal {
    let code = match error {
        ReadError::DataLoss { .. } => Code::DataLoss,
        _ => Code::Internal,
    };
    Refusal::new(code, error.to_string())
}

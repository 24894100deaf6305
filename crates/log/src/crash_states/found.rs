//! What one recovery found: everything that a log lets be read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidings_event::block::Block;
use tidings_event::{JournalSeq, Offset, TopicPartition};

use crate::partition_log::{Journal, PartitionLog, ReadError, Table, TopicSpec};

/// Tables that work writes to.
pub(crate) const TABLES: [Table; 2] = [Table::CURSORS, Table::CATALOG];

/// Most bytes asked for at once.
const READ_BYTES: usize = 1 << 16;

pub(crate) type Keys = BTreeMap<(Table, Bytes), Bytes>;

/// What is ready at once, as all reading is where there is no runtime.
pub(crate) fn ready<T>(work: impl Future<Output = T>) -> Result<T, String> {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err("a read waits for something".to_owned()),
    }
}

/// All keys of the tables that work writes to.
pub(crate) fn keys(log: &dyn PartitionLog) -> Keys {
    let all = TABLES.into_iter().flat_map(|table| {
        log.table(table).into_iter().map(move |(key, value)| ((table, key), value))
    });
    all.collect()
}

/// What one recovery found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Found {
    pub(crate) partitions: BTreeMap<TopicPartition, (u64, Vec<Block>)>,
    pub(crate) keys: Keys,
}

impl Found {
    /// Reads everything there is of some topics.
    pub(crate) fn read<'a>(
        log: &dyn PartitionLog,
        topics: impl Iterator<Item = &'a TopicSpec>,
    ) -> Result<Self, String> {
        let mut found = Self::default();
        for spec in topics {
            for partition in 0..spec.partitions {
                let id = TopicPartition::new(spec.id.0, partition);
                let bounds = match log.bounds(id) {
                    Err(ReadError::UnknownPartition(_)) => continue,
                    other => other.map_err(|error| format!("{id}: {error}"))?,
                };
                if bounds.tail != bounds.durable_tail {
                    return Err(format!("{id}: {bounds:?} right after opening"));
                }
                let blocks = partition_of(log, id, bounds.trim)
                    .map_err(|error| format!("{id} {bounds:?}: {error}"))?;
                dense(id, bounds.trim, bounds.tail, &blocks)?;
                found.partitions.insert(id, (bounds.trim.0, blocks));
            }
        }
        found.keys = keys(log);
        found.journals(log)?;
        Ok(found)
    }

    /// Whether the journals, read as a whole, hold the same blocks in the same order.
    fn journals(&self, log: &dyn PartitionLog) -> Result<(), String> {
        let mut read: BTreeMap<TopicPartition, Vec<Block>> = BTreeMap::new();
        for journal in Journal::TOPICS {
            let mut after = JournalSeq(0);
            loop {
                let more = ready(log.read_journal(journal, after, READ_BYTES))?;
                let more = more.map_err(|error| error.to_string())?;
                let Some(last) = more.last() else { break };
                after = last.seq;
                for committed in more {
                    let id = committed.topic_partition();
                    let trim = self.partitions.get(&id).map_or(u64::MAX, |(trim, _)| *trim);
                    if committed.end_offset().0 > trim {
                        read.entry(id).or_default().push(committed.block);
                    }
                }
            }
        }
        for (id, (_, blocks)) in &self.partitions {
            let by_journal = read.remove(id).unwrap_or_default();
            if by_journal != *blocks {
                let (one, other) = (blocks.len(), by_journal.len());
                return Err(format!("{id}: {one} blocks by partition, {other} by journal"));
            }
        }
        Ok(())
    }

    pub(crate) fn end(&self, partition: TopicPartition) -> u64 {
        let known = self.partitions.get(&partition);
        known.map_or(0, |(trim, blocks)| {
            blocks.last().map_or(*trim, |block| block.header.end_offset().0)
        })
    }
}

fn partition_of(
    log: &dyn PartitionLog,
    partition: TopicPartition,
    from: Offset,
) -> Result<Vec<Block>, String> {
    let (mut blocks, mut next) = (Vec::new(), from);
    loop {
        let more = ready(log.read(partition, next, READ_BYTES))?.map_err(|e| e.to_string())?;
        let Some(last) = more.last() else { return Ok(blocks) };
        next = last.end_offset();
        blocks.extend(more.into_iter().map(|committed| committed.block));
    }
}

/// Whether blocks go from the trim point to the tail without hole or overlap.
fn dense(id: TopicPartition, trim: Offset, tail: Offset, blocks: &[Block]) -> Result<(), String> {
    let mut next = trim;
    for block in blocks {
        let base = block.header.base_offset;
        let first = next == trim && base <= trim;
        if (base != next && !first) || block.header.end_offset() <= next {
            return Err(format!("{id}: block at {base} where {next} was expected"));
        }
        next = block.header.end_offset();
    }
    if next == tail { Ok(()) } else { Err(format!("{id}: blocks end at {next}, tail is {tail}")) }
}

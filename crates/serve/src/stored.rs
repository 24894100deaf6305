//! Stored events of one partition, as every door browses them.

use bytes::Bytes;
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::{Code, Offset, PartitionId, Refusal, Timestamp, TopicName, TopicPartition};
use tidings_log::PartitionLog;

use crate::doors::Doors;
use crate::refusals::{of_read, topic_unknown};

/// Bytes of blocks read for one answer: it ends there, and `next` continues.
const READ_BYTES: usize = 1 << 20;

/// Where browsing starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrowseFrom {
    /// The oldest event kept.
    Oldest,
    /// This offset.
    Offset(Offset),
    /// The first block taken in at or after a time.
    Time(Timestamp),
}

/// One stored event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) offset: u64,
    pub(crate) ingested_at: Timestamp,
    /// Canonical bytes; shares the log's.
    pub(crate) event: Bytes,
}

/// Up to `limit` events of a partition in offset order, and the offset that continues.
pub(crate) async fn browse(
    doors: &Doors,
    name: &TopicName,
    partition: u32,
    from: BrowseFrom,
    limit: usize,
) -> Result<(Vec<Stored>, u64), Refusal> {
    let snapshot = doors.parts.catalog.snapshot();
    let topic = snapshot.topic(name).ok_or_else(|| topic_unknown(name.path()))?;
    if partition >= topic.partitions {
        let detail = format!("partition {partition} of a topic with {}", topic.partitions);
        return Err(Refusal::new(Code::FieldInvalid, detail).at_field("partition"));
    }
    let partition = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
    let log = &*doors.parts.log;
    let from = start(log, partition, from).await?;
    let blocks = log.read(partition, from, READ_BYTES).await.map_err(|e| of_read(&e))?;
    walk(&blocks, from, limit)
}

async fn start(
    log: &dyn PartitionLog,
    partition: TopicPartition,
    from: BrowseFrom,
) -> Result<Offset, Refusal> {
    match from {
        BrowseFrom::Offset(offset) => Ok(offset),
        BrowseFrom::Time(time) => log.resolve_time(partition, time).await.map_err(|e| of_read(&e)),
        BrowseFrom::Oldest => log.bounds(partition).map(|b| b.trim).map_err(|e| of_read(&e)),
    }
}

fn walk(blocks: &[Committed], from: Offset, limit: usize) -> Result<(Vec<Stored>, u64), Refusal> {
    let (mut stored, mut next) = (Vec::new(), from.0);
    for committed in blocks {
        let header = &committed.block.header;
        let body = &committed.block.body;
        for (offset, event) in (header.base_offset.0..).zip(events(body)) {
            if offset < from.0 {
                continue;
            }
            if stored.len() == limit {
                return Ok((stored, next));
            }
            let event = event.map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
            let event = body.slice_ref(event);
            stored.push(Stored { offset, ingested_at: header.ingested_at, event });
            next = offset + 1;
        }
    }
    Ok((stored, next))
}

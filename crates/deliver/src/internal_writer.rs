//! Appends to a topic of the service itself. There is one writer a topic, so that each block starts
//! at its partition's tail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidings_catalog::InternalTopic;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::{Offset, PartitionId, Timestamp, TopicPartition};
use tidings_log::{AppendError, PartitionLog, Pending};

/// An append that was accepted.
#[derive(Debug)]
pub(crate) struct Written {
    /// Resolves when all of it is durable.
    pub(crate) pending: Pending,
    /// Where the first item of each partition lies; the others follow it.
    pub(crate) firsts: BTreeMap<PartitionId, Offset>,
    /// Header and body bytes.
    pub(crate) bytes: u64,
}

/// See the module.
pub(crate) struct InternalWriter {
    log: Arc<dyn PartitionLog>,
    topic: InternalTopic,
    /// The newest time of what was appended; held while blocks are.
    newest: Mutex<Timestamp>,
}

impl InternalWriter {
    pub(crate) fn new(log: Arc<dyn PartitionLog>, topic: InternalTopic) -> Self {
        Self { log, topic, newest: Mutex::default() }
    }

    /// Appends items, in order, each in the partition that keeps what is about its key. An item has
    /// at most what an event may have.
    pub(crate) fn append(
        &self,
        items: &[(PartitionId, impl AsRef<[u8]>)],
    ) -> Result<Written, AppendError> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.log.time().max(*newest);
        *newest = now;
        let mut by_partition: BTreeMap<PartitionId, Vec<&[u8]>> = BTreeMap::new();
        for (about, item) in items {
            let place = self.topic.about(*about).partition;
            by_partition.entry(place).or_default().push(item.as_ref());
        }
        let (mut blocks, mut firsts) = (Vec::new(), BTreeMap::new());
        for (partition, items) in by_partition {
            let place = TopicPartition { topic: self.topic.id, partition };
            let tail = self.log.bounds(place).map_err(|_| AppendError::UnknownPartition(place))?;
            firsts.insert(partition, tail.tail);
            self.cut(place, tail.tail, &items, now, &mut blocks);
        }
        let bytes = blocks.iter().map(|b| (b.header.encoded_bytes() + b.body.len()) as u64).sum();
        let pending = self.log.append(blocks)?;
        Ok(Written { pending, firsts, bytes })
    }

    /// Cuts items into blocks of at most a body's size.
    fn cut(
        &self,
        place: TopicPartition,
        tail: Offset,
        items: &[&[u8]],
        now: Timestamp,
        blocks: &mut Vec<Block>,
    ) {
        let (mut builder, mut base) = (BodyBuilder::default(), tail);
        for item in items {
            if !builder.push(item) {
                base = self.close(place, base, &mut builder, now, blocks);
                // An item alone always fits.
                builder.push(item);
            }
        }
        if !builder.is_empty() {
            self.close(place, base, &mut builder, now, blocks);
        }
    }

    fn close(
        &self,
        topic_partition: TopicPartition,
        base_offset: Offset,
        builder: &mut BodyBuilder,
        ingested_at: Timestamp,
        blocks: &mut Vec<Block>,
    ) -> Offset {
        let (body, count) = builder.take();
        let header = BlockHeader {
            flags: Flags::default(),
            topic_partition,
            epoch: self.log.epoch(),
            term: self.log.term(),
            base_offset,
            count,
            codec: 0,
            // A body has at most 1 MiB.
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body_crc: crc32c(&body),
            ingested_at,
            producer: None,
            extensions: Bytes::new(),
        };
        blocks.push(Block { header, body });
        base_offset.plus(u64::from(count))
    }
}

impl std::fmt::Debug for InternalWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InternalWriter").field("topic", &self.topic.path).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

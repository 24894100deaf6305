//! Appending events as admission would, for tests.

use bytes::Bytes;
use tidings_catalog::Topic;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::{PartitionId, TopicPartition};
use tidings_log::{MemoryLog, PartitionLog};

/// The first partition of a topic.
pub(crate) fn first(topic: &Topic) -> TopicPartition {
    TopicPartition { topic: topic.id, partition: PartitionId(0) }
}

/// Stores events as one block.
pub(crate) async fn append(log: &MemoryLog, at: TopicPartition, all: &[Vec<u8>]) {
    let mut builder = BodyBuilder::default();
    assert!(all.iter().all(|event| builder.push(event)));
    let (body, count) = builder.take();
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: at,
        epoch: log.epoch(),
        term: log.term(),
        base_offset: log.bounds(at).unwrap().tail,
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: log.clock().wall(),
        producer: None,
        extensions: Bytes::new(),
    };
    log.append(vec![Block { header, body }]).unwrap().await.unwrap();
}

//! Topics, blocks and readings, as the cases and the crash tests make them.

use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, Offset, Timestamp, TopicId, TopicPartition};

use crate::{Journal, PartitionLog, ReadError, Retention, Table, TableChange, TopicSpec};

/// A day.
pub const DAY: Duration = Duration::from_secs(86_400);

/// What blocks are ingested at when a case does not care: late enough to look back a year.
pub const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// A topic kept for a time.
#[must_use]
pub fn topic(id: u64, partitions: u32, age: Duration) -> TopicSpec {
    TopicSpec { id: TopicId(id), partitions, retention: Retention { age, bytes: None } }
}

/// Makes a short-lived topic exist and returns its first partition.
pub async fn partition(log: &dyn PartitionLog, id: u64) -> TopicPartition {
    log.ensure_topic(&topic(id, 4, DAY)).await.expect("a new topic");
    TopicPartition::new(id, 0)
}

/// A block of this log at an offset, of so many events of so many bytes, all told apart.
#[must_use]
pub fn block(
    log: &dyn PartitionLog,
    partition: TopicPartition,
    base: u64,
    (count, bytes): (u32, usize),
) -> Block {
    let mut body = BodyBuilder::default();
    for event in 0..u64::from(count) {
        assert!(body.push(&event_bytes(partition, base + event, bytes)), "too large a block");
    }
    with_body(log, partition, base, body.take())
}

/// A block with a body of one's own.
#[must_use]
pub fn with_body(
    log: &dyn PartitionLog,
    topic_partition: TopicPartition,
    base: u64,
    (body, count): (Bytes, u32),
) -> Block {
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition,
        epoch: log.epoch(),
        term: log.term(),
        base_offset: Offset(base),
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).expect("a body is small"),
        body_crc: crc32c(&body),
        ingested_at: NOW,
        producer: None,
        extensions: Bytes::new(),
    };
    Block { header, body }
}

/// Bytes that say whose they are.
fn event_bytes(partition: TopicPartition, offset: u64, bytes: usize) -> Vec<u8> {
    let mut event = format!("{partition}@{offset};").into_bytes();
    let filler = (offset as u8) ^ (partition.partition.0 as u8);
    event.resize(bytes.max(event.len()), filler);
    event
}

/// Appends one block and waits until it is durable.
pub async fn append(log: &dyn PartitionLog, block: Block) -> JournalSeq {
    append_all(log, vec![block]).await
}

/// Appends blocks by one call and waits until they are durable.
pub async fn append_all(log: &dyn PartitionLog, blocks: Vec<Block>) -> JournalSeq {
    log.append(blocks).expect("accepted").await.expect("durable")
}

/// Appends blocks of so many one-event blocks, each durable before the next.
pub async fn fill(log: &dyn PartitionLog, partition: TopicPartition, blocks: u64) -> Vec<Block> {
    let start = log.bounds(partition).expect("a partition").tail.0;
    let mut appended = Vec::new();
    for base in start..start + blocks {
        let block = block(log, partition, base, (1, 40));
        append(log, block.clone()).await;
        appended.push(block);
    }
    appended
}

/// Everything of a partition from an offset on, read at most so many bytes at a time.
///
/// # Errors
/// The first that a read answers.
pub async fn read_from(
    log: &dyn PartitionLog,
    partition: TopicPartition,
    from: Offset,
    max_bytes: usize,
) -> Result<Vec<Committed>, ReadError> {
    let (mut blocks, mut next) = (Vec::<Committed>::new(), from);
    loop {
        let more = log.read(partition, next, max_bytes).await?;
        let Some(last) = more.last() else { return Ok(blocks) };
        next = last.end_offset();
        blocks.extend(more);
    }
}

/// The blocks kept of a partition, without where they were stored.
pub async fn read_all(log: &dyn PartitionLog, partition: TopicPartition) -> Vec<Block> {
    let trim = log.bounds(partition).expect("a partition").trim;
    let read = read_from(log, partition, trim, 1 << 20).await.expect("readable");
    read.into_iter().map(|committed| committed.block).collect()
}

/// Everything of a journal after a group, read at most so many bytes at a time.
pub async fn read_journal(
    log: &dyn PartitionLog,
    journal: Journal,
    after: JournalSeq,
    max_bytes: usize,
) -> Vec<Committed> {
    let (mut blocks, mut after) = (Vec::<Committed>::new(), after);
    loop {
        let more = log.read_journal(journal, after, max_bytes).await.expect("readable");
        let Some(last) = more.last() else { return blocks };
        assert!(last.seq > after, "group {} was read again after {after}", last.seq);
        after = last.seq;
        blocks.extend(more);
    }
}

/// A change of a key.
#[must_use]
pub fn set(table: Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> TableChange {
    let bytes = |slice: &[u8]| Bytes::copy_from_slice(slice);
    TableChange { table, key: bytes(key.as_ref()), value: Some(bytes(value.as_ref())) }
}

/// The removal of a key.
#[must_use]
pub fn delete(table: Table, key: impl AsRef<[u8]>) -> TableChange {
    TableChange { table, key: Bytes::copy_from_slice(key.as_ref()), value: None }
}

/// Commits with the log's own term and waits until it is durable.
pub async fn commit(log: &dyn PartitionLog, changes: Vec<TableChange>) {
    log.commit(log.term(), changes).expect("accepted").await.expect("durable");
}

//! The hooks that tests of other crates rely on; the contract itself is the conformance suite's.

use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::{BlockHeader, Flags, crc32c};
use tidings_event::{ManualClock, PartitionId};

use super::*;
use crate::{PendingError, Retention};

const PARTITION: TopicPartition = TopicPartition { topic: TopicId(7), partition: PartitionId(1) };

async fn log() -> Arc<MemoryLog> {
    let log = MemoryLog::new(Arc::new(ManualClock::at(Timestamp(5))));
    let retention = Retention { age: Duration::from_secs(60), bytes: None };
    log.ensure_topic(&TopicSpec { id: PARTITION.topic, partitions: 2, retention }).await.unwrap();
    log
}

fn block(log: &MemoryLog, base: u64, body: &'static str) -> Block {
    let body = Bytes::from_static(body.as_bytes());
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: PARTITION,
        epoch: log.epoch(),
        term: log.term(),
        base_offset: Offset(base),
        count: 1,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: log.clock().wall(),
        producer: None,
        extensions: Bytes::new(),
    };
    Block { header, body }
}

fn set(value: &'static str) -> Vec<TableChange> {
    let (key, value) = (Bytes::from_static(b"key"), Some(Bytes::from_static(value.as_bytes())));
    vec![TableChange { table: Table::CURSORS, key, value }]
}

#[tokio::test]
async fn held_appends_are_written_but_not_readable_until_released() {
    let log = log().await;
    log.hold();
    let pending = log.append(vec![block(&log, 0, "a")]).unwrap();
    let commit = log.commit(log.term(), set("new")).unwrap();
    let bounds = log.bounds(PARTITION).unwrap();
    assert_eq!((bounds.tail, bounds.durable_tail), (Offset(1), Offset(0)));
    assert!(log.read(PARTITION, Offset(0), 1).await.unwrap().is_empty());
    assert_eq!(log.get(Table::CURSORS, b"key"), None);
    assert!(log.pressure(Journal::Short).queued_bytes > 0);

    log.release_all();
    assert_eq!(pending.await, Ok(JournalSeq(1)));
    assert_eq!(commit.await, Ok(JournalSeq(1)));
    assert_eq!(log.read(PARTITION, Offset(0), 1).await.unwrap().len(), 1);
    assert_eq!(log.get(Table::CURSORS, b"key"), Some(Bytes::from_static(b"new")));
    assert_eq!(log.pressure(Journal::Short).queued_bytes, 0);
}

#[tokio::test]
async fn failing_leaves_pending_appends_unknown_and_refuses_more() {
    let log = log().await;
    log.append(vec![block(&log, 0, "a")]).unwrap().await.unwrap();
    log.hold();
    let pending = log.append(vec![block(&log, 1, "b")]).unwrap();
    log.fail();
    assert_eq!(pending.await, Err(PendingError));
    assert_eq!(log.append(vec![block(&log, 2, "c")]).unwrap_err(), AppendError::ReadOnly);
    assert_eq!(log.commit(log.term(), set("x")).unwrap_err(), AppendError::ReadOnly.into());
    assert!(log.health().is_err());
    assert_eq!(log.read(PARTITION, Offset(0), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn reopening_keeps_what_was_durable_and_fences_the_old_term() {
    let log = log().await;
    log.append(vec![block(&log, 0, "a")]).unwrap().await.unwrap();
    log.hold();
    let lost = log.append(vec![block(&log, 1, "b")]).unwrap();
    let again = log.reopen();
    assert_eq!(again.term(), Term(2));
    assert_eq!(again.bounds(PARTITION).unwrap().tail, Offset(1));
    let fenced = AppendError::Fenced { given: Term(1), current: Term(2) };
    assert_eq!(again.append(vec![block(&log, 1, "c")]).unwrap_err(), fenced);
    let seq = again.append(vec![block(&again, 1, "c")]).unwrap().await.unwrap();
    assert_eq!(seq, JournalSeq(2));
    drop(lost);
}

#[tokio::test]
async fn a_full_disk_and_a_full_queue_refuse_until_there_is_room() {
    let log = log().await;
    log.fill(true);
    assert_eq!(log.append(vec![block(&log, 0, "a")]).unwrap_err(), AppendError::StorageFull);
    log.commit(log.term(), set("reserve")).unwrap().await.unwrap();
    log.fill(false);
    log.limit_queues(1);
    assert!(matches!(log.append(vec![block(&log, 0, "a")]).unwrap_err(), AppendError::Full { .. }));
    log.limit_queues(1 << 20);
    log.append(vec![block(&log, 0, "a")]).unwrap().await.unwrap();
}

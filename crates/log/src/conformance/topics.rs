//! Cases of topics: made, changed, dropped.

use std::sync::Arc;

use tidings_event::{JournalSeq, Offset, TopicId, TopicPartition};
use tokio::task::JoinSet;

use super::Engine;
use super::fixture::{DAY, append, block, fill, partition, read_all, read_journal, topic};
use crate::{AppendError, Journal, PartitionLog, ReadError, Retention, TopicError, TopicSpec};

/// Nothing is lost by asking twice; what cannot change is refused.
pub async fn ensuring_again_is_fine_and_a_mismatch_is_named(engine: &mut dyn Engine) {
    let mut log = engine.open().await;
    log.ensure_topic(&topic(1, 4, DAY)).await.unwrap();
    append(&*log, block(&*log, TopicPartition::new(1, 3), 0, (2, 10))).await;
    for _ in 0..2 {
        log.ensure_topic(&topic(1, 4, DAY)).await.unwrap();
        let mismatch = TopicError::Mismatch { id: TopicId(1), partitions: 4, journal: "short" };
        for spec in [topic(1, 5, DAY), topic(1, 3, DAY), topic(1, 4, 8 * DAY)] {
            assert_eq!(log.ensure_topic(&spec).await.unwrap_err(), mismatch);
        }
        log.close().await;
        log = engine.open().await;
        assert_eq!(read_all(&*log, TopicPartition::new(1, 3)).await.len(), 1);
    }
}

/// And is in force at the next trim, also after a restart.
pub async fn retention_may_change_within_its_class(engine: &mut dyn Engine) {
    let log = engine.open().await;
    log.ensure_topic(&topic(1, 1, DAY)).await.unwrap();
    let partition = TopicPartition::new(1, 0);
    fill(&*log, partition, 10).await;
    let retention = Retention { age: 2 * DAY, bytes: Some(1) };
    let spec = TopicSpec { id: TopicId(1), partitions: 1, retention };
    log.ensure_topic(&spec).await.unwrap();
    log.close().await;
    let log = engine.open().await;
    log.trim(super::fixture::NOW).await;
    assert_eq!(log.bounds(partition).unwrap().trim, Offset(10));
}

async fn ensure_all(log: &Arc<dyn PartitionLog>, ids: std::ops::Range<u64>) {
    let mut ensured = JoinSet::new();
    for id in ids {
        let log = Arc::clone(log);
        ensured.spawn(async move { log.ensure_topic(&topic(id, 1, DAY)).await });
    }
    while let Some(done) = ensured.join_next().await {
        done.unwrap().unwrap();
    }
}

/// 4,096 of them, each written to, every second dropped, all as it was after a restart.
pub async fn thousands_of_topics_come_and_go(engine: &mut dyn Engine) {
    const TOPICS: u64 = 4096;
    let log = engine.open().await;
    ensure_all(&log, 1..TOPICS + 1).await;
    let mut pending = Vec::new();
    for id in 1..=TOPICS {
        let block = block(&*log, TopicPartition::new(id, 0), 0, (1, 20));
        pending.push(log.append(vec![block]).unwrap());
    }
    for accepted in pending {
        accepted.await.unwrap();
    }
    let mut dropped = JoinSet::new();
    for id in (2..=TOPICS).step_by(2) {
        let log = Arc::clone(&log);
        dropped.spawn(async move { log.drop_topic(TopicId(id)).await });
    }
    while let Some(done) = dropped.join_next().await {
        done.unwrap().unwrap();
    }
    log.close().await;
    let log = engine.open().await;
    for id in 1..=TOPICS {
        let bounds = log.bounds(TopicPartition::new(id, 0));
        assert_eq!(bounds.is_ok(), id % 2 == 1, "topic {id}");
    }
    for id in (1..=TOPICS).step_by(512) {
        assert_eq!(read_all(&*log, TopicPartition::new(id, 0)).await.len(), 1);
    }
}

/// Its id is not given again, and its events are in no reading.
pub async fn a_dropped_topic_is_forgotten_for_ever(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let (gone, stays) = (partition(&*log, 1).await, partition(&*log, 2).await);
    fill(&*log, gone, 3).await;
    fill(&*log, stays, 3).await;
    log.drop_topic(TopicId(1)).await.unwrap();
    assert_eq!(log.drop_topic(TopicId(9)).await.unwrap_err(), TopicError::Unknown(TopicId(9)));
    for _ in 0..2 {
        let log = engine.open().await;
        let unknown = ReadError::UnknownPartition(gone);
        assert_eq!(log.read(gone, Offset(0), 1).await.unwrap_err(), unknown);
        let refused = log.append(vec![block(&*log, gone, 3, (1, 10))]).unwrap_err();
        assert_eq!(refused, AppendError::UnknownPartition(gone));
        let again = log.ensure_topic(&topic(1, 4, DAY)).await.unwrap_err();
        assert_eq!(again, TopicError::Dropped(TopicId(1)));
        assert_eq!(log.drop_topic(TopicId(1)).await.unwrap_err(), TopicError::Dropped(TopicId(1)));
        let read = read_journal(&*log, Journal::Short, JournalSeq(0), 1 << 20).await;
        assert_eq!(read.len(), 3);
        assert!(read.iter().all(|committed| committed.topic_partition() == stays));
        log.close().await;
    }
}

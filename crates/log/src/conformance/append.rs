//! Cases of appending: what is stored, in which order, and what is refused.

use bytes::Bytes;
use tidings_event::block::{
    BODY_BYTES_MAX, Block, BodyBuilder, FIXED_BYTES, Flags, HEADER_BYTES_MAX, ProducerStamp,
};
use tidings_event::{JournalSeq, Offset, Term, Timestamp, TopicPartition};
use tokio::task::JoinSet;

use super::Engine;
use super::fixture::{DAY, append, append_all, block, partition, read_all, topic, with_body};
use crate::{AppendError, Journal};

/// Bytes, order and every header field.
pub async fn a_block_comes_back_as_it_was(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut first = block(&*log, partition, 0, (3, 100));
    first.header.flags = Flags(Flags::MEMORY.0 | 1 << 30);
    first.header.ingested_at = Timestamp(123_456_789);
    first.header.producer = Some(ProducerStamp { id: [9; 16], epoch: 4, first_sequence: 77 });
    first.header.extensions = Bytes::from_static(&[1, 0, 4, 0, 5, 6, 7, 8]);
    let second = block(&*log, partition, 3, (1, 1));
    append(&*log, first.clone()).await;
    append(&*log, second.clone()).await;
    assert_eq!(read_all(&*log, partition).await, [first.clone(), second.clone()]);
    log.close().await;
    let log = engine.open().await;
    assert_eq!(read_all(&*log, partition).await, [first, second]);
}

/// Appends do not wait for each other to be stored in the order of the calls.
pub async fn pipelined_appends_keep_their_order(engine: &mut dyn Engine) {
    let log = engine.open().await;
    log.ensure_topic(&topic(1, 4, DAY)).await.unwrap();
    let (mut pending, mut appended) = (Vec::new(), Vec::new());
    for base in 0..64 {
        for partition in 0..4 {
            let block = block(&*log, TopicPartition::new(1, partition), base, (1, 200));
            pending.push(log.append(vec![block.clone()]).unwrap());
            appended.push(block);
        }
    }
    let mut last = JournalSeq(0);
    for pending in pending {
        let seq = pending.await.unwrap();
        assert!(seq >= last, "group {seq} resolved after group {last}");
        last = seq;
    }
    for partition in 0..4 {
        let partition = TopicPartition::new(1, partition);
        let mine = appended.iter().filter(|b| b.header.topic_partition == partition);
        assert_eq!(read_all(&*log, partition).await, mine.cloned().collect::<Vec<_>>());
    }
}

/// Two writers race for the tail; the loser is told and tries again.
pub async fn writers_that_share_a_partition_keep_their_own_order(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut writers = JoinSet::new();
    for writer in 0..2u8 {
        let log = log.clone();
        writers.spawn(async move {
            for number in 0..50u8 {
                let mut body = BodyBuilder::default();
                assert!(body.push(&[writer, number]));
                let body = body.take();
                let pending = loop {
                    let tail = log.bounds(partition).unwrap().tail;
                    match log.append(vec![with_body(&*log, partition, tail.0, body.clone())]) {
                        Ok(pending) => break pending,
                        Err(AppendError::NotAtTail { .. }) => tokio::task::yield_now().await,
                        Err(other) => panic!("{other}"),
                    }
                };
                pending.await.unwrap();
            }
        });
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let stored = read_all(&*log, partition).await;
    assert_eq!(stored.len(), 100);
    for writer in 0..2u8 {
        let mine = stored.iter().filter(|block| block.body[2] == writer).map(|block| block.body[3]);
        assert_eq!(mine.collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
    }
}

/// Below the tail it would be swallowed, above it would leave a gap.
pub async fn a_block_off_the_tail_is_refused_and_nothing_stored(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let stored = block(&*log, partition, 0, (5, 10));
    append(&*log, stored.clone()).await;
    for base in [0, 4, 6, u64::MAX - 9] {
        let refused = log.append(vec![block(&*log, partition, base, (2, 10))]).unwrap_err();
        let (base, tail) = (Offset(base), Offset(5));
        assert_eq!(refused, AppendError::NotAtTail { partition, base, tail });
    }
    assert_eq!(log.bounds(partition).unwrap().tail, Offset(5));
    assert_eq!(read_all(&*log, partition).await, [stored]);
}

/// The good blocks before a bad one, and after it.
pub async fn one_refused_block_refuses_the_whole_call(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let one = partition(&*log, 1).await;
    let other = TopicPartition { partition: tidings_event::PartitionId(1), ..one };
    let good = block(&*log, one, 0, (1, 10));
    let bad = block(&*log, other, 1, (1, 10));
    for blocks in [vec![good.clone(), bad.clone()], vec![bad, good]] {
        assert!(log.append(blocks).is_err());
    }
    assert_eq!(log.bounds(one).unwrap().tail, Offset(0));
    append(&*log, block(&*log, one, 0, (1, 10))).await;
    assert!(read_all(&*log, other).await.is_empty());
}

/// It resolves when all of it is durable.
pub async fn one_call_may_write_to_several_journals(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let ages = [(1, DAY), (2, 30 * DAY), (3, 365 * DAY)];
    let mut blocks = Vec::new();
    for (id, age) in ages {
        log.ensure_topic(&topic(id, 1, age)).await.unwrap();
        blocks.push(block(&*log, TopicPartition::new(id, 0), 0, (2, 50)));
    }
    append_all(&*log, blocks.clone()).await;
    for ((id, _), block) in ages.into_iter().zip(blocks) {
        assert_eq!(read_all(&*log, TopicPartition::new(id, 0)).await, [block]);
    }
    for journal in Journal::TOPICS {
        assert!(*log.durable(journal).borrow() > JournalSeq(0), "{}", journal.name());
    }
}

/// Each starts where the one before it ends.
pub async fn blocks_of_one_partition_may_follow_each_other_in_one_call(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let blocks: Vec<Block> = (0..5).map(|n| block(&*log, partition, n * 2, (2, 30))).collect();
    append_all(&*log, blocks.clone()).await;
    assert_eq!(read_all(&*log, partition).await, blocks);
}

/// The limit is exact, and what is refused leaves no trace.
pub async fn the_largest_block_fits_and_one_byte_more_does_not(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let max = log.caps().block_bytes_max;
    let body_bytes = (max - FIXED_BYTES).min(BODY_BYTES_MAX);
    let extension_bytes = (max - FIXED_BYTES - body_bytes).min(HEADER_BYTES_MAX - FIXED_BYTES);
    let sized = |bytes: usize| {
        let mut largest = with_body(&*log, partition, 0, (Bytes::from(vec![5; bytes]), 1));
        largest.header.extensions = Bytes::from(vec![0; extension_bytes]);
        largest
    };
    let refused = log.append(vec![sized(body_bytes + 1)]).unwrap_err();
    assert!(matches!(refused, AppendError::InvalidBlock { .. }), "{refused}");
    assert_eq!(log.bounds(partition).unwrap().tail, Offset(0));
    append(&*log, sized(body_bytes)).await;
    assert_eq!(read_all(&*log, partition).await, [sized(body_bytes)]);
}

/// A length that is not the body's would be stored as damage.
pub async fn a_header_that_contradicts_its_body_is_refused(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    for change in [1u32, u32::MAX] {
        let mut bad = block(&*log, partition, 0, (1, 10));
        bad.header.body_bytes = bad.header.body_bytes.wrapping_add(change);
        let refused = log.append(vec![bad]).unwrap_err();
        assert!(matches!(refused, AppendError::InvalidBlock { .. }), "{refused}");
    }
    let mut empty = block(&*log, partition, 0, (1, 10));
    empty.header.count = 0;
    assert!(matches!(log.append(vec![empty]), Err(AppendError::InvalidBlock { .. })));
    assert_eq!(log.bounds(partition).unwrap().tail, Offset(0));
}

/// No topic, and no such partition of a topic.
pub async fn an_unknown_partition_is_refused(engine: &mut dyn Engine) {
    let log = engine.open().await;
    partition(&*log, 1).await;
    for partition in [TopicPartition::new(1, 4), TopicPartition::new(2, 0)] {
        let refused = log.append(vec![block(&*log, partition, 0, (1, 10))]).unwrap_err();
        assert_eq!(refused, AppendError::UnknownPartition(partition));
        assert!(log.bounds(partition).is_err());
        assert!(log.read(partition, Offset(0), 1).await.is_err());
        assert!(log.resolve_time(partition, Timestamp(0)).await.is_err());
    }
}

/// A block made under the term before.
pub async fn an_old_term_is_fenced(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let old = block(&*log, partition, 0, (1, 10));
    log.close().await;
    let log = engine.open().await;
    let (given, current) = (old.header.term, log.term());
    assert_eq!(log.append(vec![old]).unwrap_err(), AppendError::Fenced { given, current });
    let mut future = block(&*log, partition, 0, (1, 10));
    future.header.term = Term(current.0 + 1);
    assert!(matches!(log.append(vec![future]), Err(AppendError::Fenced { .. })));
    append(&*log, block(&*log, partition, 0, (1, 10))).await;
}

/// Memory is bounded whatever the disk does.
pub async fn a_full_queue_refuses_until_it_drains(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    if !engine.hold() {
        return;
    }
    let limit = log.pressure(Journal::Short).limit_bytes;
    let (mut pending, mut base) = (Vec::new(), 0);
    loop {
        let block = block(&*log, partition, base, (1, 64 << 10));
        match log.append(vec![block]) {
            Ok(accepted) => pending.push(accepted),
            Err(AppendError::Full { .. }) => break,
            Err(other) => panic!("{other}"),
        }
        base += 1;
        assert!(base * (64 << 10) <= limit + (4 << 20), "the queue has no end");
    }
    assert!(log.pressure(Journal::Short).is_high());
    assert_eq!(log.bounds(partition).unwrap().tail, Offset(base));
    engine.release();
    for accepted in pending {
        accepted.await.unwrap();
    }
    append(&*log, block(&*log, partition, base, (1, 10))).await;
    assert_eq!(log.pressure(Journal::Short).queued_bytes, 0);
}

/// The tail moves, the durable tail does not.
pub async fn nothing_is_readable_before_it_is_durable(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    append(&*log, block(&*log, partition, 0, (1, 10))).await;
    if !engine.hold() {
        return;
    }
    let mut pending = log.append(vec![block(&*log, partition, 1, (2, 10))]).unwrap();
    let bounds = log.bounds(partition).unwrap();
    assert_eq!((bounds.tail, bounds.durable_tail), (Offset(3), Offset(1)));
    assert!(log.read(partition, Offset(1), 1 << 20).await.unwrap().is_empty());
    assert_eq!(read_all(&*log, partition).await.len(), 1);
    let durable = *log.durable(Journal::Short).borrow();
    assert!(log.read_journal(Journal::Short, durable, 1 << 20).await.unwrap().is_empty());
    let waits = futures_poll(&mut pending).await;
    assert!(waits, "resolved before it was durable");
    engine.release();
    pending.await.unwrap();
    assert_eq!(log.bounds(partition).unwrap().durable_tail, Offset(3));
    assert_eq!(read_all(&*log, partition).await.len(), 2);
}

/// Whether an append still waits.
async fn futures_poll(pending: &mut crate::Pending) -> bool {
    std::future::poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut *pending).poll(context);
        std::task::Poll::Ready(polled.is_pending())
    })
    .await
}

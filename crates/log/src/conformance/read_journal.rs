//! Cases of reading a whole journal: every block once, in the order it was stored.

use tidings_event::block::Block;
use tidings_event::hop::Committed;
use tidings_event::{JournalSeq, TopicPartition};

use super::Engine;
use super::fixture::{DAY, append_all, block, read_journal, topic};
use crate::{Journal, PartitionLog};

/// Appends calls of one to three blocks over two topics; returns the blocks in order.
async fn fill(log: &dyn PartitionLog) -> Vec<Block> {
    log.ensure_topic(&topic(1, 2, DAY)).await.unwrap();
    log.ensure_topic(&topic(2, 2, DAY)).await.unwrap();
    // Of another journal: not to be seen.
    log.ensure_topic(&topic(3, 1, 30 * DAY)).await.unwrap();
    let mut appended = Vec::new();
    let partitions = [(1, 0), (2, 1), (1, 1), (2, 0), (1, 0)];
    for round in 0..100 {
        let mut call = Vec::new();
        for &(topic, partition) in partitions.iter().skip(round % 3).take(1 + round % 2) {
            let partition = TopicPartition::new(topic, partition);
            let tail = log.bounds(partition).unwrap().tail.0;
            call.push(block(log, partition, tail, (2, 3000)));
        }
        appended.extend(call.iter().cloned());
        if round % 7 == 0 {
            let other = TopicPartition::new(3, 0);
            let tail = log.bounds(other).unwrap().tail.0;
            call.push(block(log, other, tail, (1, 10)));
        }
        append_all(log, call).await;
    }
    appended
}

fn blocks(read: &[Committed]) -> Vec<Block> {
    read.iter().map(|committed| committed.block.clone()).collect()
}

/// However few bytes are asked for at a time.
pub async fn a_journal_is_read_in_the_order_it_was_stored(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let appended = fill(&*log).await;
    for max_bytes in [0, 5_000, 1 << 20] {
        let read = read_journal(&*log, Journal::Short, JournalSeq(0), max_bytes).await;
        assert!(read.is_sorted_by_key(|committed| committed.seq));
        assert_eq!(blocks(&read), appended);
    }
    let others = read_journal(&*log, Journal::Medium, JournalSeq(0), 1).await;
    assert!(others.iter().all(|committed| committed.topic_partition().topic.0 == 3));
    assert_eq!(others.len(), 15);
    assert!(read_journal(&*log, Journal::Long, JournalSeq(0), 1).await.is_empty());
}

/// A group is never cut, and the durable sequence is where reading ends.
pub async fn reading_a_journal_resumes_after_any_group(engine: &mut dyn Engine) {
    let log = engine.open().await;
    fill(&*log).await;
    let all = read_journal(&*log, Journal::Short, JournalSeq(0), 1 << 20).await;
    for after in all.iter().map(|committed| committed.seq) {
        let rest = read_journal(&*log, Journal::Short, after, 10_000).await;
        let want: Vec<_> = all.iter().filter(|committed| committed.seq > after).cloned().collect();
        assert_eq!(blocks(&rest), blocks(&want), "after group {after}");
    }
    let durable = *log.durable(Journal::Short).borrow();
    assert!(all.iter().all(|committed| committed.seq <= durable));
    assert!(log.read_journal(Journal::Short, durable, 1).await.unwrap().is_empty());
}

/// Same blocks under the same sequence numbers.
pub async fn a_journal_reads_the_same_after_reopening(engine: &mut dyn Engine) {
    let log = engine.open().await;
    fill(&*log).await;
    let of = |read: Vec<Committed>| -> Vec<(JournalSeq, Block)> {
        read.into_iter().map(|committed| (committed.seq, committed.block)).collect()
    };
    let before = of(read_journal(&*log, Journal::Short, JournalSeq(0), 1 << 20).await);
    log.close().await;
    let log = engine.open().await;
    let after = of(read_journal(&*log, Journal::Short, JournalSeq(0), 1 << 20).await);
    assert_eq!(after, before);
}

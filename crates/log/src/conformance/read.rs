//! Cases of reading one partition: where reads start, end and go on.

use std::time::Duration;

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::block::Block;
use tidings_event::{JournalSeq, Offset, Position, Timestamp, TopicPartition};

use super::Engine;
use super::fixture::{
    DAY, NOW, append, block, fill, partition, read_all, read_from, read_journal, topic,
};
use crate::{Journal, PartitionLog, ReadError};

/// On an empty partition, at a block, inside one, at the tail, above it.
pub async fn reads_start_anywhere_up_to_the_tail(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let read = |from| log.read(partition, Offset(from), 1 << 20);
    let above = |asked, durable_tail| {
        let (asked, durable_tail) = (Offset(asked), Offset(durable_tail));
        ReadError::OutOfRange { asked, durable_tail }
    };
    assert!(read(0).await.unwrap().is_empty());
    assert_eq!(read(1).await.unwrap_err(), above(1, 0));
    for base in [0, 10, 20] {
        append(&*log, block(&*log, partition, base, (10, 20))).await;
    }
    let bases = |blocks: Vec<tidings_event::hop::Committed>| -> Vec<u64> {
        blocks.iter().map(|committed| committed.block.header.base_offset.0).collect()
    };
    for (from, want) in [(0, 0), (9, 0), (10, 10), (11, 10), (19, 10), (20, 20), (29, 20)] {
        let want: Vec<u64> = [0, 10, 20].into_iter().filter(|&base| base >= want).collect();
        assert_eq!(bases(read(from).await.unwrap()), want, "from {from}");
    }
    assert!(read(30).await.unwrap().is_empty());
    assert_eq!(read(31).await.unwrap_err(), above(31, 30));
    assert_eq!(read(u64::MAX).await.unwrap_err(), above(u64::MAX, 30));
}

/// The reader asks for no more than it has room for, and gets at least one block.
pub async fn reads_are_bounded_by_bytes_and_resume(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let appended = fill(&*log, partition, 30).await;
    let bytes = appended[0].header.encoded_bytes() + appended[0].body.len();
    for (max_bytes, most) in [(0, 1), (1, 1), (bytes, 1), (3 * bytes, 3), (1 << 20, 30)] {
        let once = log.read(partition, Offset(0), max_bytes).await.unwrap();
        assert!((1..=most).contains(&once.len()), "{} blocks in {max_bytes} bytes", once.len());
        let all = read_from(&*log, partition, Offset(0), max_bytes).await.unwrap();
        let all: Vec<Block> = all.into_iter().map(|committed| committed.block).collect();
        assert_eq!(all, appended);
    }
}

/// A position says the same after a restart, and positions sort as events were stored.
pub async fn positions_keep_their_order_across_openings(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let positions = |log: &dyn PartitionLog, blocks: &[Block]| -> Vec<Position> {
        let (topic, epoch) = (partition.topic, log.epoch());
        let position = |offset| Position { topic, epoch, partition: partition.partition, offset };
        blocks.iter().map(|block| position(block.header.base_offset)).collect()
    };
    fill(&*log, partition, 300).await;
    let before = positions(&*log, &read_all(&*log, partition).await);
    log.close().await;
    let log = engine.open().await;
    fill(&*log, partition, 10).await;
    let after = positions(&*log, &read_all(&*log, partition).await);
    assert!(after.is_sorted() && after.len() == 310);
    assert_eq!(after[..300], before);
    for position in after {
        assert_eq!(position.to_string().parse(), Ok(position));
    }
}

/// Against the naive search, between and beyond the times there are, and after trimming.
pub async fn times_resolve_to_the_first_block_at_or_after(engine: &mut dyn Engine) {
    let log = engine.open().await;
    log.ensure_topic(&topic(1, 1, DAY)).await.unwrap();
    let partition = TopicPartition::new(1, 0);
    let resolve = |at| log.resolve_time(partition, Timestamp(at));
    assert_eq!(resolve(NOW.0).await.unwrap(), Offset(0));
    let mut rng = StdRng::seed_from_u64(20);
    let (mut time, mut base, mut stored) = (NOW.0, 0, Vec::new());
    for _ in 0..200 {
        // Several blocks may share a time; producers' clocks play no part.
        time += rng.random_range(0..3) * rng.random_range(1..1_000_000_000_000);
        let count = rng.random_range(1..5);
        let mut block = block(&*log, partition, base, (count, 10));
        block.header.ingested_at = Timestamp(time);
        append(&*log, block).await;
        stored.push((time, base));
        base += u64::from(count);
    }
    let naive = |at: u64, trim: u64| {
        let found = stored.iter().find(|&&(time, base)| time >= at && base >= trim);
        Offset(found.map_or(base, |&(_, base)| base))
    };
    let probes: Vec<u64> = (0..100).map(|_| rng.random_range(NOW.0..time)).collect();
    let probes = || probes.iter().copied().chain([0, NOW.0, time, time + 1, u64::MAX]);
    let shared = || stored.iter().map(|&(time, _)| time).step_by(7);
    for at in probes().chain(shared()) {
        assert_eq!(resolve(at).await.unwrap(), naive(at, 0), "at {at}");
    }
    let middle = Timestamp(stored[100].0);
    log.trim(Timestamp(middle.0 + u64::try_from(DAY.as_nanos()).unwrap())).await;
    let trim = log.bounds(partition).unwrap().trim.0;
    assert!(trim > 0);
    for at in probes().chain(shared()) {
        assert_eq!(resolve(at).await.unwrap(), naive(at, trim), "at {at}, trimmed to {trim}");
    }
}

/// What is still in memory and what is not, by both ways of reading.
pub async fn old_and_new_bytes_are_the_same(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut appended = Vec::new();
    for base in 0..60 {
        let block = block(&*log, partition, base * 4, (4, 10_000));
        append(&*log, block.clone()).await;
        appended.push(block);
    }
    assert_eq!(read_all(&*log, partition).await, appended);
    let journal = read_journal(&*log, Journal::Short, JournalSeq(0), 100_000).await;
    let journal: Vec<Block> = journal.into_iter().map(|committed| committed.block).collect();
    assert_eq!(journal, appended);
    for &at in &[0, 1, 30, 58, 59] {
        let from = appended[at].header.base_offset;
        let read = log.read(partition, from, 1).await.unwrap();
        assert_eq!(read[0].block, appended[at], "block {at}");
    }
}

/// A reader that waits for the watch misses nothing.
pub async fn the_durable_watch_tells_when_to_read(engine: &mut dyn Engine) {
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut durable = log.durable(Journal::Short);
    durable.borrow_and_update();
    let mut next = Offset(0);
    for base in 0..20 {
        let mut one = block(&*log, partition, base, (1, 10));
        one.body = Bytes::copy_from_slice(&one.body);
        let pending = log.append(vec![one]).unwrap();
        while next.0 <= base {
            tokio::time::timeout(Duration::from_secs(60), durable.changed())
                .await
                .expect("the watch changes")
                .unwrap();
            let blocks = read_from(&*log, partition, next, 1 << 20).await.unwrap();
            next = blocks.last().map_or(next, tidings_event::hop::Committed::end_offset);
        }
        let seq = pending.await.unwrap();
        assert!(*durable.borrow() >= seq);
    }
}

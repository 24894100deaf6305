//! What goes wrong between an owner and the broker, or between two owners: nothing acknowledged is lost, nothing is
//! there twice, and whoever was taken over is told. On a real broker, as the cases.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::block::Block;
use tidings_event::{JournalSeq, TopicPartition};
use tidings_log::conformance::Engine;
use tidings_log::conformance::fixture::{
    append, block, commit, fill, partition, read_all, read_journal, set,
};
use tidings_log::{AppendError, Journal, PartitionLog, Pending, Table};
use tidings_telemetry::Timer;

use crate::rig::OnPulsar;

/// Nothing here takes as long.
const LIMIT: Duration = Duration::from_secs(60);

/// Appends one block after the other, each where the one before it ends.
fn pipeline(
    log: &dyn PartitionLog,
    partition: TopicPartition,
    blocks: u64,
) -> (Vec<Block>, Vec<Pending>) {
    let start = log.bounds(partition).unwrap().tail.0;
    let made: Vec<Block> =
        (0..blocks).map(|n| block(log, partition, start + n * 2, (2, 2000))).collect();
    let pending = made.iter().map(|block| log.append(vec![block.clone()]).unwrap()).collect();
    (made, pending)
}

/// Waits for all of them; says where the last one is.
async fn resolve(pending: Vec<Pending>) -> JournalSeq {
    let mut last = JournalSeq(0);
    for accepted in pending {
        last = Timer.limit(LIMIT, accepted).await.unwrap().unwrap();
    }
    last
}

/// Waits until an owner has what it needs again.
async fn recover(log: &dyn PartitionLog) {
    let healthy = async {
        while log.health().is_err() {
            Timer.after(Duration::from_millis(10)).await;
        }
    };
    Timer.limit(LIMIT, healthy).await.unwrap();
}

/// What an owner says is there, what the next one finds, and what the journal holds.
async fn holds_just(
    engine: &mut OnPulsar,
    log: Arc<dyn PartitionLog>,
    partition: TopicPartition,
    want: &[Block],
) {
    assert_eq!(read_all(&*log, partition).await, want);
    log.close().await;
    let log = engine.open().await;
    assert_eq!(read_all(&*log, partition).await, want);
    let journal = read_journal(&*log, Journal::Short, JournalSeq(0), 1 << 20).await;
    let journal: Vec<Block> = journal.into_iter().map(|committed| committed.block).collect();
    assert_eq!(journal, want);
}

/// Whatever was under way, at whichever moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_lose_and_double_nothing() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut rng = StdRng::seed_from_u64(7);
    let mut appended = vec![];
    for _ in 0..6 {
        let (made, mut pending) = pipeline(&*log, partition, 200);
        // Some have come back, some are under way, some wait.
        let first = pending.drain(..rng.random_range(1..150)).collect();
        resolve(first).await;
        engine.gate.cut().await;
        commit(&*log, vec![set(Table::CURSORS, "round", appended.len().to_string())]).await;
        resolve(pending).await;
        appended.extend(made);
    }
    recover(&*log).await;
    holds_just(&mut engine, log, partition, &appended).await;
}

/// Some of what was under way is stored, and nobody was told; the rest never got there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_receipts_are_looked_up() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut appended = fill(&*log, partition, 3).await;
    for round in 0..3 {
        let (made, first) = pipeline(&*log, partition, 1);
        appended.extend(made);
        let last = resolve(first).await;
        let entries = engine.entries("short").await;
        engine.gate.shut();
        let (stored, mut pending) = pipeline(&*log, partition, 50);
        // The broker says so to whoever asks past the gate.
        let has_some = async { while engine.entries("short").await == entries {} };
        Timer.limit(LIMIT, has_some).await.unwrap();
        engine.gate.shut_both();
        let (unsent, more) = pipeline(&*log, partition, 50);
        pending.extend(more);
        engine.gate.cut().await;
        engine.gate.open();
        let groups = resolve(pending).await.0 - last.0;
        // Each of them is in the topic once, and the start of the next hold.
        assert_eq!(engine.entries("short").await, entries + groups + 1, "round {round}");
        appended.extend(stored.into_iter().chain(unsent));
    }
    recover(&*log).await;
    holds_just(&mut engine, log, partition, &appended).await;
}

/// The topic moves, or its ledger ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unloaded_topic_goes_on() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut appended = vec![];
    for _ in 0..3 {
        let (made, mut pending) = pipeline(&*log, partition, 300);
        resolve(pending.drain(..20).collect()).await;
        engine.unload("short").await;
        resolve(pending).await;
        appended.extend(made);
        // With nothing under way, too.
        engine.unload("short").await;
        appended.extend(fill(&*log, partition, 2).await);
    }
    holds_just(&mut engine, log, partition, &appended).await;
}

/// Publishers wait, memory stays bounded, and all goes on when it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_broker_holds_back_and_loses_nothing() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let limit = log.pressure(Journal::Short).limit_bytes;
    engine.gate.shut();
    let (mut made, mut pending) = (vec![], vec![]);
    let refused = loop {
        let block = block(&*log, partition, made.len() as u64, (1, 32 << 10));
        match log.append(vec![block.clone()]) {
            Ok(accepted) => pending.push(accepted),
            Err(refused) => break refused,
        }
        made.push(block);
        assert!(made.len() as u64 * (32 << 10) < 2 * limit, "the queue has no end");
    };
    assert!(matches!(refused, AppendError::Full { .. }), "{refused}");
    // Longer than a connection lives that hears nothing.
    Timer.after(Duration::from_secs(20)).await;
    assert!(log.health().is_err());
    let still = log.append(vec![block(&*log, partition, made.len() as u64, (1, 32 << 10))]);
    assert!(matches!(still, Err(AppendError::Full { .. })));
    engine.gate.open();
    resolve(pending).await;
    recover(&*log).await;
    holds_just(&mut engine, log, partition, &made).await;
}

/// Waits until an owner says that another one has the log.
async fn told(former: &dyn PartitionLog, partition: TopicPartition) {
    let told = async {
        loop {
            let tail = former.bounds(partition).unwrap().tail.0;
            match former.append(vec![block(former, partition, tail, (1, 10))]) {
                Ok(pending) => assert!(pending.await.is_err(), "it acknowledged"),
                Err(AppendError::Fenced { .. } | AppendError::ReadOnly) => return,
                Err(other) => panic!("{other}"),
            }
        }
    };
    Timer.limit(LIMIT, told).await.unwrap();
    assert!(former.health().is_err());
}

/// By the next thing that it tries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_taken_over_is_told() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let former = engine.open().await;
    let partition = partition(&*former, 1).await;
    let mut appended = fill(&*former, partition, 5).await;
    let log = engine.another().await;
    assert!(log.term() > former.term());
    told(&*former, partition).await;
    let refused = former.commit(former.term(), vec![set(Table::CURSORS, "key", "late")]);
    assert!(refused.is_err());
    appended.extend(fill(&*log, partition, 5).await);
    assert_eq!(log.health(), Ok(()));
    former.close().await;
    holds_just(&mut engine, log, partition, &appended).await;
}

/// The next owner came and went while it slept: what it sends is stored, and must not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_slept_through_two_owners_acknowledges_nothing() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let former = engine.open().await;
    let partition = partition(&*former, 1).await;
    let mut appended = fill(&*former, partition, 5).await;
    let between = engine.another().await;
    appended.extend(fill(&*between, partition, 5).await);
    between.close().await;
    told(&*former, partition).await;
    let log = engine.another().await;
    appended.extend(fill(&*log, partition, 5).await);
    former.close().await;
    holds_just(&mut engine, log, partition, &appended).await;
}

/// With appends under way each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_takeovers_keep_every_acknowledged_block() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let mut log = engine.open().await;
    let partition = partition(&*log, 1).await;
    let mut acknowledged = 0;
    let mut formers = vec![];
    for round in 0..12 {
        let start = log.bounds(partition).unwrap().tail.0;
        let (_, mut pending) = pipeline(&*log, partition, 40);
        resolve(pending.drain(..20).collect()).await;
        let next = engine.another().await;
        let stored = read_all(&*next, partition).await;
        let end = stored.last().unwrap().header.end_offset().0;
        assert!(end >= start + 40, "round {round}: {end} after {start}");
        // Those that the former owner acknowledged after all are there, in their order.
        for (at, accepted) in pending.into_iter().enumerate() {
            if Timer.limit(LIMIT, accepted).await.unwrap().is_ok() {
                assert!(end >= start + 40 + at as u64 * 2 + 2, "round {round}");
                acknowledged += 1;
            }
        }
        formers.push(std::mem::replace(&mut log, next));
    }
    println!("{acknowledged} blocks were acknowledged while the log was being taken over");
    let stored = read_all(&*log, partition).await;
    for pair in stored.windows(2) {
        assert_eq!(pair[0].header.end_offset(), pair[1].header.base_offset);
    }
    append(&*log, block(&*log, partition, stored.last().unwrap().header.end_offset().0, (1, 9)))
        .await;
    for former in formers {
        former.close().await;
    }
}

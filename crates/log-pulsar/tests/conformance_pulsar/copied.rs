//! A log on the fake disk that is copied to a real broker: what the next owner finds is what the former one had.

use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::block::Block;
use tidings_event::{Epoch, ManualClock, Offset, Term, TopicPartition};
use tidings_log::conformance::Engine;
use tidings_log::conformance::fixture::{DAY, NOW, append, append_all, block, topic};
use tidings_log::fake_disk::FakeDisk;
use tidings_log::migration::fixture::{
    DROPPED, EMPTIED, EPOCH, KEPT, LONG, TRIMMED, closed, damage, log, open,
};
use tidings_log::migration::{Progress, compare, copy, total};
use tidings_log::{
    AppendError, ClosedLog, Journal, Origin, PartitionLog, ReadError, Table, TopicError,
};
use tidings_log_pulsar::OpenError;
use tidings_telemetry::Timer;

use crate::rig::OnPulsar;

/// Nothing here takes as long.
const LIMIT: Duration = Duration::from_secs(60);

/// Everything that can be read of a partition: its blocks, and the offsets that are told as lost.
async fn readable(log: &dyn PartitionLog, id: TopicPartition) -> (Vec<Block>, Vec<(u64, u64)>) {
    let (mut blocks, mut lost) = (vec![], vec![]);
    let mut next = log.bounds(id).unwrap().trim;
    loop {
        match log.read(id, next, 1 << 20).await {
            Ok(found) => {
                let Some(last) = found.last() else { return (blocks, lost) };
                next = last.end_offset();
                blocks.extend(found.into_iter().map(|committed| committed.block));
            }
            Err(ReadError::DataLoss { from, to, .. }) => {
                next = Offset(to.0 + 1);
                lost.push((from.0, to.0));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Both logs answer the same to everything that a stage may ask.
async fn answers_the_same(source: &dyn PartitionLog, target: &dyn PartitionLog, of: &ClosedLog) {
    assert_eq!((target.epoch(), source.epoch()), (Epoch(EPOCH), Epoch(EPOCH)));
    assert!(target.term() > source.term());
    for journal in Journal::TOPICS {
        assert_eq!(*target.durable(journal).borrow(), *source.durable(journal).borrow());
        for (id, _) in of.partitions(journal) {
            assert_eq!(target.bounds(id), source.bounds(id), "{id}");
            assert_eq!(readable(target, id).await, readable(source, id).await, "{id}");
            for from in [0, 1, 7, 100, 1 << 40].map(Offset) {
                let answers = [target, source].map(|log| log.read(id, from, 1));
                let [found, wanted] = futures::future::join_all(answers).await.try_into().unwrap();
                assert_eq!(found.err(), wanted.err(), "{id} from {from}");
            }
            let times = [target, source].map(|log| log.resolve_time(id, NOW));
            let [found, wanted] = futures::future::join_all(times).await.try_into().unwrap();
            assert_eq!(found, wanted);
        }
    }
    for table in (1..1000).map(Table) {
        assert_eq!(target.table(table), source.table(table));
    }
}

async fn copied(engine: &OnPulsar, source: &ClosedLog) {
    let import = engine.import(source.origin()).await.unwrap();
    copy(source, &import, &Progress::default()).await.unwrap();
    import.close().await;
}

async fn finished(engine: &OnPulsar, source: &ClosedLog) {
    let import = engine.import(source.origin()).await.unwrap();
    let compared = compare(source, &import, &Progress::default()).await.unwrap();
    assert_eq!((compared.blocks, compared.bytes), total(source));
    import.finish().await.unwrap();
    import.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_owner_finds_what_the_former_one_had() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let disk = log(40).await;
    damage(&disk);
    let source = closed(&disk);
    copied(&engine, &source).await;
    let unfinished = engine.try_open().await.unwrap_err();
    assert!(matches!(unfinished, OpenError::Unfinished { .. }), "{unfinished}");
    finished(&engine, &source).await;

    let target = engine.open().await;
    let former = open(&disk.copy(), Arc::new(ManualClock::at(NOW)));
    answers_the_same(&*former, &*target, &source).await;
    let trim = target.bounds(TRIMMED).unwrap().trim;
    let (asked, below) = (Offset(0), target.read(TRIMMED, Offset(0), 1).await);
    assert_eq!(below.unwrap_err(), ReadError::Trimmed { asked, trim });
    assert_eq!(
        target.ensure_topic(&topic(4, 1, DAY)).await,
        Err(TopicError::Dropped(DROPPED.topic))
    );

    // It goes on where the other one ended, with offsets and sequences.
    let seq = target.durable(Journal::Short).borrow().0;
    for id in [KEPT, LONG, TRIMMED, EMPTIED] {
        let tail = former.bounds(id).unwrap().tail.0;
        let early = block(&*target, id, tail - 1, (1, 10));
        let refused = target.append(vec![early]).unwrap_err();
        assert!(matches!(refused, AppendError::NotAtTail { .. }), "{refused}");
        append(&*target, block(&*target, id, tail, (1, 10))).await;
    }
    assert_eq!(target.durable(Journal::Short).borrow().0, seq + 3);
    let before = readable(&*target, LONG).await;
    let target = engine.open().await;
    assert_eq!(readable(&*target, LONG).await, before);
    assert_eq!(before.1.len(), 1, "what is lost is told as lost for ever");
}

/// As the end of the process would, at moments that differ.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_killed_again_and_again_goes_on() {
    let Some(engine) = OnPulsar::find().await else { return };
    let source = closed(&log(600).await);
    let (blocks, _) = total(&source);
    let mut rng = StdRng::seed_from_u64(11);
    let mut kills = 0;
    loop {
        let import = engine.import(source.origin()).await.unwrap();
        let progress = Progress::default();
        let enough = rng.random_range(0..blocks / 8);
        let has_enough = async {
            while progress.so_far().0 < enough {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = copy(&source, &import, &progress) => {
                done.unwrap();
                import.close().await;
                break;
            }
            () = has_enough => {}
        }
        import.abandon();
        kills += 1;
    }
    assert!(kills > 2, "{kills}");
    finished(&engine, &source).await;
}

/// The topics are taken again, and what was under way is sent again under its sequence.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_over_cut_connections_is_whole() {
    let Some(engine) = OnPulsar::find().await else { return };
    let source = closed(&log(200).await);
    let import = engine.import(source.origin()).await.unwrap();
    let (blocks, progress) = (total(&source).0, Progress::default());
    let cut = async {
        for part in 1..6 {
            while progress.so_far().0 < blocks * part / 7 {
                tokio::task::yield_now().await;
            }
            engine.gate.cut().await;
            // A service that is started there meanwhile takes the topics for a moment.
            assert!(matches!(engine.try_open().await, Err(OpenError::Unfinished { .. })));
        }
    };
    let both = async { tokio::join!(copy(&source, &import, &progress), cut) };
    Timer.limit(LIMIT, both).await.unwrap().0.unwrap();
    import.close().await;
    finished(&engine, &source).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_empty_namespace_takes_a_copy_and_whoever_owns_another_is_left_alone() {
    let Some(mut engine) = OnPulsar::find().await else { return };
    let source = closed(&log(4).await);
    let owner = engine.open().await;
    owner.ensure_topic(&topic(1, 1, DAY)).await.unwrap();
    let id = TopicPartition::new(1, 0);
    append_all(&*owner, vec![block(&*owner, id, 0, (1, 10))]).await;
    let entries = engine.entries("state").await;
    let occupied = engine.import(source.origin()).await.err().unwrap();
    assert!(matches!(occupied, OpenError::Occupied { .. }), "{occupied}");
    assert_eq!(engine.entries("state").await, entries, "nothing was sent");
    append_all(&*owner, vec![block(&*owner, id, 1, (1, 10))]).await;
    assert_eq!(owner.health(), Ok(()));
    owner.close().await;

    let engine = OnPulsar::new().await;
    copied(&engine, &source).await;
    let other = FakeDisk::new();
    open(&other, Arc::new(ManualClock::at(NOW))).close().await;
    let occupied = engine.import(closed(&other).origin()).await.err().unwrap();
    assert!(occupied.to_string().contains("a copy of another log"), "{occupied}");
    finished(&engine, &source).await;
    let finished = engine.import(source.origin()).await.err().unwrap();
    assert!(matches!(finished, OpenError::Finished { .. }), "{finished}");
    let served_since = Origin { term: Term(source.origin().term.0 + 1), ..source.origin() };
    let occupied = engine.import(served_since).await.err().unwrap();
    assert!(occupied.to_string().contains("which was served since"), "{occupied}");
}

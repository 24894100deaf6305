//! From a log on the fake disk to a target in memory, which may end at any call: what comes out is equal, or it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tidings_event::block::{Block, BlockHeader, Flags, crc32c};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, JournalSeq, Offset, Term, TopicPartition};

use super::fixture::{
    DAMAGED_AT, DIR, EMPTIED, KEPT, LONG, TRIMMED, closed, damage, grow, log, open,
};
use super::{Difference, MigrationError, Progress, Target, compare, copy, missing, total};
use crate::conformance::fixture::{NOW, commit, delete, set};
use crate::embedded::parts::{Tables, encode};
use crate::embedded::{CheckError, ClosedLog, OpenError, Records};
use crate::fake_disk::FakeDisk;
use crate::partition_log::{
    AppendError, Bounds, Journal, PartitionLog, Pending, ReadError, Table, TableChange,
};

/// What a target has stored; it outlives those who write it.
#[derive(Default)]
struct Stored {
    groups: BTreeMap<(Journal, u64), Vec<Block>>,
    tables: Tables,
    commits: u64,
}

/// A target in memory, which takes so many calls and then no more.
#[derive(Clone, Default)]
struct InMemory {
    stored: Arc<Mutex<Stored>>,
    calls_left: Arc<Mutex<usize>>,
}

impl InMemory {
    fn over(stored: &Arc<Mutex<Stored>>, calls: usize) -> Self {
        Self { stored: Arc::clone(stored), calls_left: Arc::new(Mutex::new(calls)) }
    }

    fn stored(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap()
    }

    fn call(&self) -> Result<Pending, AppendError> {
        let mut left = self.calls_left.lock().unwrap();
        *left = left.checked_sub(1).ok_or(AppendError::ReadOnly)?;
        let (sender, pending) = Pending::channel();
        sender.send(JournalSeq(0)).unwrap();
        Ok(pending)
    }
}

#[async_trait]
impl Target for InMemory {
    fn reached(&self, journal: Journal) -> JournalSeq {
        let stored = self.stored();
        let last = stored.groups.keys().filter(|(kind, _)| *kind == journal).map(|(_, seq)| *seq);
        JournalSeq(last.max().unwrap_or(0)).max(stored.tables.copied_seq(journal))
    }

    fn import(
        &self,
        journal: Journal,
        seq: JournalSeq,
        blocks: Vec<Block>,
    ) -> Result<Pending, AppendError> {
        assert!(self.reached(journal) < seq, "{seq} comes twice, or late");
        let pending = self.call()?;
        assert!(self.stored().groups.insert((journal, seq.0), blocks).is_none());
        Ok(pending)
    }

    fn record(&self, changes: &[TableChange]) -> Result<Pending, AppendError> {
        let pending = self.call()?;
        let (body, count) = encode(changes).expect("it fits into a commit");
        let mut stored = self.stored();
        stored.commits += 1;
        let base_offset = stored.tables.read().tail;
        let header = BlockHeader {
            flags: Flags::INTERNAL,
            topic_partition: TopicPartition::new(0, 0),
            epoch: Epoch(1),
            term: Term(1),
            base_offset,
            count,
            codec: 0,
            body_bytes: u32::try_from(body.len()).unwrap(),
            body_crc: crc32c(&body),
            ingested_at: NOW,
            producer: None,
            extensions: bytes::Bytes::new(),
        };
        if count > 0 {
            stored.tables.apply([(stored.commits, &Block { header, body })].into_iter());
        }
        Ok(pending)
    }

    fn records(&self) -> Records {
        self.stored().tables.records()
    }

    fn bounds(&self, partition: TopicPartition) -> Result<Bounds, ReadError> {
        let stored = self.stored();
        let topic = stored.tables.topic(partition.topic).filter(|topic| !topic.dropped);
        let journal = topic.ok_or(ReadError::UnknownPartition(partition))?.spec.retention.journal();
        let of = |ends: Vec<(TopicPartition, u64)>| {
            ends.iter().find(|(id, _)| *id == partition).map_or(0, |(_, end)| *end)
        };
        let trim = of(stored.tables.trims(journal));
        let ends = stored.tables.copied_ends(journal).into_iter().map(|(id, end)| (id, end.0));
        let blocks = stored.groups.values().flatten().map(|block| &block.header);
        let here = blocks.filter(|header| header.topic_partition == partition);
        let stored_end = here.map(|header| header.end_offset().0).max().unwrap_or(0);
        let tail = Offset(trim.max(of(ends.collect())).max(stored_end));
        Ok(Bounds { trim: Offset(trim), durable_tail: tail, tail })
    }

    async fn groups(
        &self,
        journal: Journal,
        after: JournalSeq,
        max_bytes: usize,
    ) -> Result<Vec<Committed>, ReadError> {
        let stored = self.stored();
        let (mut found, mut bytes) = (vec![], 0);
        for ((_, seq), blocks) in stored.groups.range((journal, after.0 + 1)..=(journal, u64::MAX))
        {
            for block in blocks {
                let id = block.header.topic_partition;
                let trims = stored.tables.trims(journal);
                let trim =
                    trims.iter().find(|(other, _)| *other == id).map_or(0, |(_, trim)| *trim);
                if stored.tables.is_kept(id.topic) && block.header.end_offset().0 > trim {
                    bytes += block.body.len();
                    found.push(Committed { seq: JournalSeq(*seq), block: block.clone() });
                }
            }
            // Less than the source reads at a time.
            if bytes > max_bytes / 3 {
                break;
            }
        }
        Ok(found)
    }

    fn health(&self) -> Result<(), String> {
        let left = *self.calls_left.lock().unwrap();
        if left > 0 { Ok(()) } else { Err("it takes no more".to_owned()) }
    }
}

async fn moved(source: &ClosedLog, target: &InMemory) -> Result<super::Compared, MigrationError> {
    copy(source, target, &Progress::default()).await?;
    compare(source, target, &Progress::default()).await
}

#[tokio::test]
async fn everything_is_copied_and_found_equal() {
    let source = closed(&log(40).await);
    assert!(source.report().is_sound());
    let (target, progress) = (InMemory::over(&Arc::default(), usize::MAX), Progress::default());
    let (blocks, bytes) = total(&source);
    assert_eq!(missing(&source, &target), (blocks, bytes));
    copy(&source, &target, &progress).await.unwrap();
    assert_eq!(missing(&source, &target), (0, 0));
    assert_eq!(progress.so_far(), (blocks, bytes));
    let compared = compare(&source, &target, &Progress::default()).await.unwrap();
    assert_eq!((compared.blocks, compared.bytes), (blocks, bytes));
    assert_eq!(compared.partitions, 13, "all of topics that are not dropped");
    assert!(compared.records > 3000, "{compared:?}");
    let emptied = target.bounds(EMPTIED).unwrap();
    assert_eq!((emptied.trim, emptied.tail), (Offset(20), Offset(20)));
    assert!(target.bounds(TRIMMED).unwrap().trim.0 > 0);
    let copied = target.stored().tables.copied().unwrap();
    assert_eq!((copied.origin, copied.finished), (source.origin(), false));
    assert_eq!(copied.origin.epoch, Epoch(super::fixture::EPOCH));
}

#[tokio::test]
async fn a_copy_that_ends_at_any_call_goes_on() {
    let source = closed(&log(6).await);
    let mut calls = 0;
    loop {
        let stored = Arc::default();
        let first = copy(&source, &InMemory::over(&stored, calls), &Progress::default()).await;
        if let Err(error) = &first {
            assert!(error.to_string().contains("it takes no more"), "{error}");
        }
        // And once more, soon after.
        let again = InMemory::over(&stored, 4);
        let (left, progress) = (missing(&source, &again), Progress::default());
        let _ended = copy(&source, &again, &progress).await;
        let gone = left.0 - missing(&source, &again).0;
        assert!(gone >= progress.so_far().0, "{gone} blocks were copied");
        let compared = moved(&source, &InMemory::over(&stored, usize::MAX)).await.unwrap();
        assert_eq!(compared.blocks, total(&source).0, "after {calls} calls");
        if first.is_ok() {
            break;
        }
        calls += 1;
    }
    assert!(calls > 15, "{calls}");
}

#[tokio::test]
async fn what_is_damaged_stays_so_and_ends_where_it_did() {
    let disk = log(10).await;
    let end = closed(&disk).partitions(Journal::Long)[0].1.tail;
    damage(&disk);
    let source = closed(&disk);
    let damaged: Vec<_> =
        source.report().damaged.iter().map(|it| (it.partition, it.from.0)).collect();
    assert_eq!(damaged, [(KEPT, DAMAGED_AT), (LONG, end.0 - 1)]);
    let target = InMemory::over(&Arc::default(), usize::MAX);
    let compared = moved(&source, &target).await.unwrap();
    assert_eq!(compared.blocks, total(&source).0);
    assert_eq!(
        target.bounds(LONG).unwrap().tail,
        end,
        "what is published next gets no offset twice"
    );
}

#[tokio::test]
async fn a_source_that_was_served_in_between_is_copied_on() {
    let disk = log(6).await;
    let stored = Arc::default();
    moved(&closed(&disk), &InMemory::over(&stored, usize::MAX)).await.unwrap();
    let served = open(&disk, Arc::new(tidings_event::ManualClock::at(NOW)));
    grow(&served, 6..9, NOW, false).await;
    commit(&*served, vec![delete(Table::PRODUCERS, "p"), set(Table::CURSORS, "new", "1")]).await;
    served.drop_topic(KEPT.topic).await.unwrap();
    served.close().await;
    let source = closed(&disk);
    let target = InMemory::over(&stored, usize::MAX);
    let compared = moved(&source, &target).await.unwrap();
    assert_eq!(compared.blocks, total(&source).0);
    assert!(target.bounds(KEPT).is_err());
}

#[tokio::test]
async fn every_difference_is_told() {
    let source = closed(&log(6).await);
    let fresh = async || {
        let target = InMemory::over(&Arc::default(), usize::MAX);
        moved(&source, &target).await.unwrap();
        target
    };
    let found = async |target: &InMemory| {
        let outcome = compare(&source, target, &Progress::default()).await;
        match outcome {
            Err(MigrationError::Differs(difference)) => difference,
            other => panic!("{other:?}"),
        }
    };
    let block_differs = |difference: &Difference, why: &str| {
        let Difference::Block { journal: Journal::Short, what, .. } = difference else {
            panic!("{difference}")
        };
        assert_eq!(*what, why);
    };
    let change = |target: &InMemory, change: fn(&mut Vec<Block>)| {
        let mut stored = target.stored();
        let mut groups = stored.groups.iter_mut().filter(|((kind, _), _)| *kind == Journal::Short);
        change(groups.nth(2).unwrap().1);
    };
    let target = fresh().await;
    change(&target, |group| group[0].body = group[0].body.slice(1..));
    block_differs(&found(&target).await, "its body differs");
    let target = fresh().await;
    change(&target, |group| group[0].header.term = Term(1));
    block_differs(&found(&target).await, "its header differs");
    let target = fresh().await;
    change(&target, Vec::clear);
    block_differs(&found(&target).await, "another one stands in its place");
    let target = fresh().await;
    target.record(&[set(Table::CURSORS, "cursor-00001", "other")]).unwrap();
    let told = found(&target).await.to_string();
    assert_eq!(told, "table 2, key `cursor-00001`: its value differs");
    target.record(&[delete(Table::CURSORS, "cursor-00001")]).unwrap();
    assert!(found(&target).await.to_string().ends_with("it is not there"));
    let target = fresh().await;
    target.record(&[set(Table::CURSORS, "more", "1")]).unwrap();
    assert!(found(&target).await.to_string().ends_with("the source does not have it"));
    let target = fresh().await;
    target.stored().groups.insert((Journal::Long, 1000), vec![]);
    assert!(matches!(found(&target).await, Difference::End { journal: Journal::Long, .. }));
    let refused = copy(&source, &target, &Progress::default()).await;
    assert!(matches!(refused, Err(MigrationError::Ahead { journal: Journal::Long, .. })));
}

#[tokio::test]
async fn a_closed_log_is_locked_and_never_changed() {
    let disk = log(6).await;
    let before = content(&disk);
    let source = closed(&disk);
    let (path, clock) = (std::path::Path::new(DIR), Arc::new(tidings_event::ManualClock::at(NOW)));
    let second = ClosedLog::open(Arc::new(disk.clone()), path, clock);
    assert!(matches!(second, Err(CheckError::Open(OpenError::Locked(_)))));
    moved(&source, &InMemory::over(&Arc::default(), usize::MAX)).await.unwrap();
    drop(source);
    assert_eq!(content(&disk), before);
    // It can still be served.
    open(&disk, Arc::new(tidings_event::ManualClock::at(NOW))).close().await;
}

fn content(disk: &FakeDisk) -> Vec<(std::path::PathBuf, bytes::Bytes)> {
    let files = disk.files().into_iter().filter(|(path, _)| !path.ends_with("LOCK"));
    files.map(|(path, _)| (path.clone(), disk.content(&path).unwrap())).collect()
}

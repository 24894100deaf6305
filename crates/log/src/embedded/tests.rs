//! The engine on a real disk: what was acknowledged is there after every kind of stop, what is
//! damaged is named.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::{Block, BlockHeader, EXTENSION_BYTES_MAX, Flags, crc32c};
use tidings_event::{JournalSeq, ManualClock, Offset, Term, Timestamp, TopicId, TopicPartition};
use tidings_telemetry::{Counter, Recorder};

use super::*;
use crate::disk::SystemDisk;
use crate::partition_log::Retention;

const DAY: Duration = Duration::from_secs(86_400);
const P0: TopicPartition = TopicPartition::new(7, 0);

pub(super) fn options() -> EmbeddedOptions {
    EmbeddedOptions { mark_after: None, ..EmbeddedOptions::default() }
}

pub(super) fn open_with(dir: &Path, options: EmbeddedOptions) -> Arc<EmbeddedLog> {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000_000)));
    EmbeddedLog::open(Arc::new(SystemDisk), dir, options, clock, Recorder::new()).unwrap()
}

fn open(dir: &Path) -> Arc<EmbeddedLog> {
    open_with(dir, options())
}

fn spec(id: u64) -> TopicSpec {
    let retention = Retention { age: DAY, bytes: None };
    TopicSpec { id: TopicId(id), partitions: 2, retention }
}

pub(super) fn block(log: &EmbeddedLog, partition: TopicPartition, base: u64, body: &[u8]) -> Block {
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: partition,
        epoch: log.epoch(),
        term: log.term(),
        base_offset: Offset(base),
        count: 2,
        codec: 0,
        body_bytes: body.len() as u32,
        body_crc: crc32c(body),
        ingested_at: Timestamp(base),
        producer: None,
        extensions: Bytes::new(),
    };
    Block { header, body: Bytes::copy_from_slice(body) }
}

async fn put(log: &EmbeddedLog, base: u64, body: &[u8]) -> JournalSeq {
    log.append(vec![block(log, P0, base, body)]).unwrap().await.unwrap()
}

/// All bodies of a partition, with damaged ranges in their places.
pub(super) async fn contents(
    log: &EmbeddedLog,
    partition: TopicPartition,
) -> Vec<(u64, Result<Bytes, u64>)> {
    let bounds = log.bounds(partition).unwrap();
    let (mut at, mut out) = (bounds.trim, vec![]);
    while at < bounds.durable_tail {
        match log.read(partition, at, 100).await {
            Ok(blocks) => {
                for found in blocks {
                    at = found.end_offset();
                    out.push((found.block.header.base_offset.0, Ok(found.block.body)));
                }
            }
            Err(ReadError::DataLoss { from, to, .. }) => {
                out.push((from.0, Err(to.0)));
                at = to.plus(1);
            }
            Err(other) => panic!("{other}"),
        }
    }
    out
}

/// A log of ten blocks, three in a segment.
async fn in_small_segments(dir: &Path) -> Arc<EmbeddedLog> {
    let small =
        EmbeddedOptions { segment_bytes_min: 16 << 10, segment_bytes_max: 16 << 10, ..options() };
    let log = open_with(dir, small);
    log.ensure_topic(&spec(7)).await.unwrap();
    for base in (0..20).step_by(2) {
        put(&log, base, &[base as u8; 3000]).await;
    }
    log
}

fn segments(dir: &Path, journal: &str) -> Vec<PathBuf> {
    let mut names: Vec<_> = fs::read_dir(dir.join(journal))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "seg"))
        .collect();
    names.sort();
    names
}

fn flip(path: &Path, needle: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.windows(needle.len()).position(|w| w == needle).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash_and_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let mut base = 0;
    for round in 0..6 {
        let log = open(dir.path());
        assert_eq!(log.term(), Term(round + 1));
        log.ensure_topic(&spec(7)).await.unwrap();
        let bounds = log.bounds(P0).unwrap();
        assert_eq!((bounds.tail, bounds.durable_tail), (Offset(base), Offset(base)));
        for _ in 0..3 {
            put(&log, base, format!("body-{base}").as_bytes()).await;
            base += 2;
        }
        let want: Vec<_> =
            (0..base).step_by(2).map(|b| (b, Ok(Bytes::from(format!("body-{b}"))))).collect();
        assert_eq!(contents(&log, P0).await, want);
        let all = log.read_journal(Journal::Short, JournalSeq(0), usize::MAX).await.unwrap();
        assert_eq!(all.len(), want.len());
        assert_eq!(all.last().map(|c| c.seq), Some(*log.durable(Journal::Short).borrow()));
        if round % 2 == 0 {
            log.close().await;
        }
    }
    assert!(check(&SystemDisk, dir.path()).unwrap().is_sound());
}

#[tokio::test]
async fn many_segments_are_read_back_and_one_append_is_one_group() {
    let dir = tempfile::tempdir().unwrap();
    let small = EmbeddedOptions {
        segment_bytes_min: 16 << 10,
        segment_bytes_max: 32 << 10,
        ring_bytes: 0,
        ..options()
    };
    let log = open_with(dir.path(), small.clone());
    log.ensure_topic(&spec(7)).await.unwrap();
    for base in (0..80).step_by(4) {
        let body = vec![base as u8; 3000];
        let blocks = vec![block(&log, P0, base, &body), block(&log, P0, base + 2, &body)];
        log.append(blocks).unwrap().await.unwrap();
    }
    assert!(segments(dir.path(), "short").len() > 3);
    assert_eq!(contents(&log, P0).await.len(), 40);
    let all = log.read_journal(Journal::Short, JournalSeq(3), 1 << 20).await.unwrap();
    assert_eq!((all.len(), all[0].seq, all[1].seq), (34, JournalSeq(4), JournalSeq(4)));
    drop(log);
    let log = open_with(dir.path(), small);
    assert_eq!(contents(&log, P0).await.len(), 40);
}

#[tokio::test]
async fn what_the_ring_lets_go_of_is_read_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_with(dir.path(), EmbeddedOptions { ring_bytes: 64 << 10, ..options() });
    log.ensure_topic(&spec(7)).await.unwrap();
    let body = |base: u64| vec![base as u8; 3000];
    for base in (0..40).step_by(2) {
        put(&log, base, &body(base)).await;
    }
    assert_eq!(log.context.recorder.counted(Counter::LogReads), 0);
    let freed = log.shed();
    assert!(freed > 18 * 3000 && freed < 20 * 3000, "{freed}");
    assert_eq!(log.shed(), 0);
    let want: Vec<_> = (0..40).step_by(2).map(|base| (base, Ok(Bytes::from(body(base))))).collect();
    assert_eq!(contents(&log, P0).await, want);
    assert!(log.context.recorder.counted(Counter::LogReads) > 0);
    // The newest is still in memory, and the ring goes on.
    put(&log, 40, &body(40)).await;
    let reads = log.context.recorder.counted(Counter::LogReads);
    assert_eq!(log.read(P0, Offset(40), 1).await.unwrap().len(), 1);
    assert_eq!(log.context.recorder.counted(Counter::LogReads), reads);
}

#[tokio::test]
async fn damage_is_named_never_served_and_the_rest_is_readable() {
    for (needle, clean) in [(&b"body-4"[..], true), (b"body-4", false), (b"TGR1", true)] {
        let dir = tempfile::tempdir().unwrap();
        let log = open(dir.path());
        log.ensure_topic(&spec(7)).await.unwrap();
        for base in (0..10).step_by(2) {
            put(&log, base, format!("body-{base}").as_bytes()).await;
        }
        if clean {
            log.close().await;
        }
        drop(log);
        flip(&segments(dir.path(), "short")[0], needle);
        let lost = if needle == b"TGR1" { 0 } else { 4 };
        let mut want: Vec<_> =
            (0..10).step_by(2).map(|b| (b, Ok(Bytes::from(format!("body-{b}"))))).collect();
        want[lost / 2] = (lost as u64, Err(lost as u64 + 1));
        let report = check(&SystemDisk, dir.path()).unwrap();
        assert_eq!(report.damaged.len(), 1, "{report:?}");
        assert_eq!(report.missing_groups, u64::from(needle == b"TGR1"), "{report:?}");
        assert!(!report.is_sound());
        for _ in 0..2 {
            let log = open(dir.path());
            assert_eq!(contents(&log, P0).await, want);
            let all = log.read_journal(Journal::Short, JournalSeq(0), 1 << 20).await.unwrap();
            assert_eq!(all.len(), 4);
        }
    }
}

#[tokio::test]
async fn the_loss_of_the_very_last_acknowledged_group_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    put(&log, 0, b"first").await;
    put(&log, 2, b"second").await;
    log.close().await;
    drop(log);
    let path = &segments(dir.path(), "short")[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[8192..12_288].fill(0);
    fs::write(path, bytes).unwrap();
    let log = open(dir.path());
    assert_eq!(contents(&log, P0).await, [(0, Ok(Bytes::from("first"))), (2, Err(3))]);
    assert_eq!(log.bounds(P0).unwrap().tail, Offset(4));
}

#[tokio::test]
async fn a_segment_that_is_lost_whole_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    put(&log, 0, b"first").await;
    put(&log, 2, b"second").await;
    log.close().await;
    drop(log);
    let path = segments(dir.path(), "short")[0].clone();
    let whole = fs::read(&path).unwrap();
    let mut bytes = whole.clone();
    bytes[..8192].fill(0);
    fs::write(&path, bytes).unwrap();
    let report = check(&SystemDisk, dir.path()).unwrap();
    assert_eq!((report.is_sound(), report.unreadable), (false, vec![path.clone()]));
    // A file that holds no more than its header was being created; but the last stop was clean, and
    // it put on record that there was more.
    fs::write(&path, vec![0; 4096]).unwrap();
    let report = check(&SystemDisk, dir.path()).unwrap();
    let lost = DamagedRange { partition: P0, from: Offset(0), to: Offset(3) };
    assert_eq!((report.is_sound(), report.damaged), (false, vec![lost]));
    fs::write(&path, whole).unwrap();
    assert!(check(&SystemDisk, dir.path()).unwrap().is_sound());
}

#[tokio::test]
async fn a_torn_tail_is_discarded_once_and_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    put(&log, 0, b"kept").await;
    put(&log, 2, b"torn").await;
    drop(log);
    let path = segments(dir.path(), "short")[0].clone();
    let whole = fs::read(&path).unwrap();
    flip(&path, b"torn");
    let log = open(dir.path());
    assert_eq!(contents(&log, P0).await, [(0, Ok(Bytes::from("kept")))]);
    put(&log, 2, b"new").await;
    drop(log);
    fs::write(&path, whole).unwrap();
    let log = open(dir.path());
    let want = [(0, Ok(Bytes::from("kept"))), (2, Ok(Bytes::from("new")))];
    assert_eq!(contents(&log, P0).await, want);
}

#[tokio::test]
async fn refused_appends_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    let good = block(&log, P0, 0, b"good");
    let gap = block(&log, P0, 4, b"gap");
    assert!(matches!(
        log.append(vec![good.clone(), gap]).unwrap_err(),
        AppendError::NotAtTail { tail: Offset(2), .. }
    ));
    let other = block(&log, TopicPartition::new(7, 2), 0, b"no such partition");
    assert!(matches!(log.append(vec![other]), Err(AppendError::UnknownPartition(_))));
    let mut old = good.clone();
    old.header.term = Term(0);
    assert!(matches!(log.append(vec![old]), Err(AppendError::Fenced { .. })));
    let mut short = good.clone();
    short.header.body_bytes = 1;
    assert!(matches!(log.append(vec![short]), Err(AppendError::InvalidBlock { .. })));
    assert_eq!(log.bounds(P0).unwrap().tail, Offset(0));
    log.append(vec![good]).unwrap().await.unwrap();
    log.close().await;
    assert_eq!(log.append(vec![]).map(|_| ()), Ok(()));
    let late = block(&log, P0, 2, b"late");
    assert_eq!(log.append(vec![late]).unwrap_err(), AppendError::Closed);
}

#[tokio::test]
async fn tables_topics_and_leases_survive() {
    let dir = tempfile::tempdir().unwrap();
    let often = EmbeddedOptions { snapshot_bytes: 200, ..options() };
    let change = |key: u32, value: Option<u32>| TableChange {
        table: Table::CURSORS,
        key: key.to_string().into(),
        value: value.map(|v| v.to_string().into()),
    };
    let mut tokens = vec![];
    for round in 0..4u32 {
        let log = open_with(dir.path(), often.clone());
        let lease = log.lease("owner").await.unwrap();
        assert!(matches!(log.lease("owner").await, Err(LeaseError::Held(_))));
        tokens.extend([lease.token, log.lease("another").await.unwrap().token]);
        for key in 0..20 {
            let changes = vec![change(key, Some(round)), change(100 + round, None)];
            log.commit(lease.token, changes).unwrap().await.unwrap();
        }
        log.commit(log.term(), vec![change(100 + round, Some(1))]).unwrap().await.unwrap();
        let stale = log.commit(Term(0), vec![change(0, None)]);
        assert!(matches!(stale, Err(CommitError::Fenced { .. })));
        if round == 0 {
            log.ensure_topic(&spec(7)).await.unwrap();
            log.ensure_topic(&spec(8)).await.unwrap();
            log.drop_topic(TopicId(8)).await.unwrap();
        }
        assert_eq!(log.ensure_topic(&spec(8)).await, Err(TopicError::Dropped(TopicId(8))));
        let other = TopicSpec { partitions: 3, ..spec(7) };
        assert!(matches!(log.ensure_topic(&other).await, Err(TopicError::Mismatch { .. })));
        assert_eq!(log.table(Table::CURSORS).len() as u32, 21 + round);
        assert_eq!(log.get(Table::CURSORS, b"3"), Some(round.to_string().into()));
        if round % 2 == 1 {
            log.close().await;
        }
    }
    assert!(tokens.is_sorted_by(|a, b| a < b));
}

#[tokio::test]
async fn retention_trims_exactly_and_respects_pins() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_with(
        dir.path(),
        EmbeddedOptions { segment_bytes_min: 8 << 10, segment_bytes_max: 8 << 10, ..options() },
    );
    log.ensure_topic(&spec(7)).await.unwrap();
    for base in (0..20).step_by(2) {
        put(&log, base, &[1; 100]).await;
    }
    log.until_indexed();
    let files = segments(dir.path(), "short").len();
    log.pin(P0, "snapshot", Offset(9));
    let now = Timestamp(12 + DAY.as_nanos() as u64);
    assert_eq!(log.trim(now).await, [(P0, 8)]);
    log.unpin(P0, "snapshot");
    assert_eq!(log.trim(now).await, [(P0, 4)]);
    assert_eq!(log.trim(now).await, []);
    assert!(matches!(log.read(P0, Offset(11), 1).await, Err(ReadError::Trimmed { .. })));
    assert!(segments(dir.path(), "short").len() < files);
    assert_eq!(log.resolve_time(P0, Timestamp(15)).await, Ok(Offset(16)));
    drop(log);
    let report = check(&SystemDisk, dir.path()).unwrap();
    assert!(report.is_sound(), "what retention removed is not missing: {report:?}");
    let log = open(dir.path());
    assert_eq!(log.bounds(P0).unwrap().trim, Offset(12));
    let found: Vec<u64> = contents(&log, P0).await.into_iter().map(|(base, _)| base).collect();
    assert_eq!(found, [12, 14, 16, 18]);
}

#[tokio::test]
async fn a_directory_is_opened_once_and_only_by_who_understands_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    let again = EmbeddedLog::open(
        Arc::new(SystemDisk),
        dir.path(),
        options(),
        Arc::new(ManualClock::default()),
        Recorder::new(),
    );
    assert!(matches!(again, Err(OpenError::Locked(_))));
    assert!(matches!(check(&SystemDisk, dir.path()), Err(CheckError::Open(OpenError::Locked(_)))));
    log.close().await;
    assert!(check(&SystemDisk, dir.path()).unwrap().is_sound());
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(check(&SystemDisk, empty.path()), Err(CheckError::NotALog(_))));
}

#[tokio::test]
async fn a_start_believes_the_index_of_a_full_segment_and_does_not_walk_it() {
    let dir = tempfile::tempdir().unwrap();
    let small = EmbeddedOptions {
        segment_bytes_min: 16 << 10,
        segment_bytes_max: 16 << 10,
        ring_bytes: 0,
        ..options()
    };
    let log = open_with(dir.path(), small.clone());
    log.ensure_topic(&spec(7)).await.unwrap();
    for base in (0..20).step_by(2) {
        put(&log, base, &[base as u8; 3000]).await;
    }
    log.close().await;
    drop(log);
    let path = &segments(dir.path(), "short")[0];
    let mut bytes = fs::read(path).unwrap();
    bytes[4096..8192].fill(0);
    fs::write(path, bytes).unwrap();
    let (clock, recorder) = (Arc::new(ManualClock::at(Timestamp(1_000_000))), Recorder::new());
    let disk = Arc::new(SystemDisk);
    let log = EmbeddedLog::open(disk, dir.path(), small, clock, Arc::clone(&recorder)).unwrap();
    assert_eq!(recorder.counted(Counter::LogDamaged), 0, "it was walked");
    let found = contents(&log, P0).await;
    assert_eq!((found.len(), &found[0]), (10, &(0, Err(1))));
    assert_eq!(recorder.counted(Counter::LogDamaged), 1);
}

#[tokio::test]
async fn what_is_there_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    for base in (0..10).step_by(2) {
        put(&log, base, b"body").await;
    }
    log.close().await;
    drop(log);
    // Two journals: five blocks; the topic, and where the log ended. Each has a mark.
    let report = check(&SystemDisk, dir.path()).unwrap();
    assert_eq!((report.segments, report.groups, report.blocks), (2, 9, 7));
    let folders = ["short", "medium", "long", "state"].map(|name| dir.path().join(name));
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(inspect(&SystemDisk, dir.path()).unwrap().unwrap().bytes, bytes);
    // A segment that was being created is no loss.
    fs::write(dir.path().join("short/0000000099.seg"), [0; 4096]).unwrap();
    assert!(check(&SystemDisk, dir.path()).unwrap().unreadable.is_empty());
}

#[tokio::test]
async fn the_ring_never_holds_more_than_it_may() {
    let dir = tempfile::tempdir().unwrap();
    let ring_bytes = 64 << 10;
    let log = open_with(dir.path(), EmbeddedOptions { ring_bytes, ..options() });
    log.ensure_topic(&spec(7)).await.unwrap();
    let reads = || log.context.recorder.counted(Counter::LogReads);
    let mut base = 0;
    for _ in 0..5 {
        for _ in 0..50 {
            put(&log, base, &[base as u8; 3000]).await;
            base += 2;
        }
        // What fits is in memory, and what does not is on disk only.
        let newest = base - 40;
        let before = reads();
        assert_eq!(log.read(P0, Offset(newest), usize::MAX).await.unwrap().len(), 20);
        assert_eq!(reads(), before);
        assert_eq!(log.read(P0, Offset(newest - 4), 1).await.unwrap().len(), 1);
        assert_eq!(reads(), before + 1);
        let freed = log.shed();
        assert!(freed > 17 * 3000 && freed <= ring_bytes as u64, "{freed}");
    }
}

#[tokio::test]
async fn the_largest_block_is_taken_and_no_larger_one() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    assert_eq!(log.caps().block_bytes_max, BODY_BYTES_MAX + HEADER_BYTES_MAX);
    let with = |body_bytes: usize, extension_bytes: usize| {
        let mut block = block(&log, P0, 0, &vec![7; body_bytes]);
        block.header.extensions = vec![1; extension_bytes].into();
        block
    };
    let refusal = |block: Block| match log.append(vec![block]) {
        Err(AppendError::InvalidBlock { partition: P0, reason }) => reason,
        other => panic!("{:?}", other.map(drop)),
    };
    assert_eq!(refusal(with(10, EXTENSION_BYTES_MAX + 1)), "its header is too large");
    assert_eq!(refusal(with(BODY_BYTES_MAX + 1, EXTENSION_BYTES_MAX)), "it is too large");
    let mut empty = with(10, 0);
    empty.header.count = 0;
    assert_eq!(refusal(empty), "it has no events");
    let mut other = with(10, 0);
    other.header.epoch = Epoch(2);
    assert_eq!(refusal(other), "its epoch is not the log's");
    let largest = with(BODY_BYTES_MAX, EXTENSION_BYTES_MAX);
    log.append(vec![largest.clone()]).unwrap().await.unwrap();
    assert_eq!(log.read(P0, Offset(0), 1).await.unwrap()[0].block, largest);
    drop(log);
    let log = open(dir.path());
    assert_eq!(log.read(P0, Offset(0), 1).await.unwrap()[0].block, largest);
}

#[tokio::test]
async fn what_is_committed_after_the_loss_of_older_records_goes_on_behind_them() {
    let dir = tempfile::tempdir().unwrap();
    let state = TopicPartition::new(0, 0);
    let set = |key: &'static str, value: &'static str| TableChange {
        table: Table::CURSORS,
        key: key.into(),
        value: Some(value.into()),
    };
    let log = open(dir.path());
    log.ensure_topic(&spec(7)).await.unwrap();
    for value in ["1", "2", "3"] {
        log.commit(log.term(), vec![set("kept", value)]).unwrap().await.unwrap();
    }
    log.close().await;
    let (seq, bounds) = (*log.durable(Journal::State).borrow(), log.bounds(state).unwrap());
    assert_eq!(bounds.durable_tail, Offset(4));
    drop(log);
    for path in segments(dir.path(), "state") {
        fs::remove_file(path).unwrap();
    }
    // Only the snapshot is left.
    let log = open(dir.path());
    assert_eq!((*log.durable(Journal::State).borrow(), log.bounds(state).unwrap()), (seq, bounds));
    log.commit(log.term(), vec![set("new", "4")]).unwrap().await.unwrap();
    assert_eq!(log.bounds(state).unwrap().durable_tail, Offset(5));
    drop(log);
    let log = open(dir.path());
    let found = ["kept", "new"].map(|key| log.get(Table::CURSORS, key.as_bytes()));
    assert_eq!(found, ["3", "4"].map(|value| Some(Bytes::from(value))));
}

#[tokio::test]
async fn groups_that_are_missing_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    in_small_segments(dir.path()).await.close().await;
    let whole = check(&SystemDisk, dir.path()).unwrap();
    assert_eq!((whole.is_sound(), whole.missing_groups), (true, 0));
    // One in the middle: three groups, with the events that were in them.
    fs::remove_file(&segments(dir.path(), "short")[1]).unwrap();
    let report = check(&SystemDisk, dir.path()).unwrap();
    let lost = DamagedRange { partition: P0, from: Offset(6), to: Offset(11) };
    assert_eq!((report.missing_groups, report.damaged), (3, vec![lost]));
    assert_eq!(report.groups, whole.groups - 3);
    // And the end, of which a clean stop put on record where it was.
    for path in segments(dir.path(), "short").split_off(1) {
        fs::remove_file(path).unwrap();
    }
    let report = check(&SystemDisk, dir.path()).unwrap();
    let lost = DamagedRange { to: Offset(19), ..lost };
    assert_eq!((report.missing_groups, report.damaged), (7, vec![lost]));
}

#[tokio::test]
async fn the_end_of_a_segment_is_missed_also_where_the_next_header_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    in_small_segments(dir.path()).await.close().await;
    // Three groups each: the last of the first one, and the header after it.
    let files = segments(dir.path(), "short");
    for (path, page) in [(&files[0], 3), (&files[1], 0)] {
        fs::remove_file(path.with_extension("idx")).unwrap();
        let mut bytes = fs::read(path).unwrap();
        bytes[page * 4096..][..4096].fill(0);
        fs::write(path, bytes).unwrap();
    }
    let report = check(&SystemDisk, dir.path()).unwrap();
    let lost = DamagedRange { partition: P0, from: Offset(4), to: Offset(5) };
    assert_eq!((report.missing_groups, report.damaged), (1, vec![lost]));
    let found = contents(&open(dir.path()), P0).await;
    assert_eq!((found.len(), &found[2]), (10, &(4, Err(5))));
}

#[tokio::test]
async fn damage_is_known_of_also_when_what_is_older_went() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_with(dir.path(), EmbeddedOptions { ring_bytes: 0, ..options() });
    log.ensure_topic(&spec(7)).await.unwrap();
    for base in (0..8).step_by(2) {
        put(&log, base, format!("body-{base}").as_bytes()).await;
    }
    flip(&segments(dir.path(), "short")[0], b"body-4");
    let lost = ReadError::DataLoss { partition: P0, from: Offset(4), to: Offset(5) };
    let seen = || log.context.recorder.counted(Counter::LogDamaged);
    assert_eq!(log.read(P0, Offset(4), 1).await.unwrap_err(), lost);
    assert_eq!(seen(), 1);
    assert_eq!(log.trim(Timestamp(3 + DAY.as_nanos() as u64)).await, [(P0, 4)]);
    assert_eq!(log.read(P0, Offset(4), 1).await.unwrap_err(), lost);
    assert_eq!(seen(), 1, "it is no new damage");
}

#[tokio::test]
async fn segments_are_told_by_their_headers_and_a_copy_of_one_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let log = in_small_segments(dir.path()).await;
    let want = contents(&log, P0).await;
    assert_eq!(want.len(), 10);
    log.close().await;
    drop(log);
    let files = segments(dir.path(), "short");
    let copy = dir.path().join("short/0000000099.seg");
    fs::copy(&files[1], &copy).unwrap();
    let report = check(&SystemDisk, dir.path()).unwrap();
    assert_eq!((report.damaged, report.missing_groups), (vec![], 0));
    fs::remove_file(copy).unwrap();
    // The second and the third change their names.
    let aside = dir.path().join("aside");
    for (from, to) in [(&files[1], &aside), (&files[2], &files[1]), (&aside, &files[2])] {
        fs::rename(from, to).unwrap();
    }
    assert!(check(&SystemDisk, dir.path()).unwrap().is_sound());
    assert_eq!(contents(&open(dir.path()), P0).await, want);
}

#[tokio::test]
async fn what_one_reader_found_damaged_the_next_one_is_told_without_reading() {
    let dir = tempfile::tempdir().unwrap();
    let log = open_with(dir.path(), EmbeddedOptions { ring_bytes: 0, ..options() });
    log.ensure_topic(&spec(7)).await.unwrap();
    put(&log, 0, b"body-0").await;
    flip(&segments(dir.path(), "short")[0], b"body-0");
    // Both wait for their turn, and there is one at a time.
    let mut turns = Arc::clone(&log.reads).acquire_many_owned(READS as u32).await.unwrap();
    let mut readers = [(); 2].map(|()| log.read(P0, Offset(0), 1));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for reader in &mut readers {
        assert!(reader.as_mut().poll(&mut context).is_pending());
    }
    drop(turns.split(1));
    for reader in readers {
        let found = reader.await.map(|blocks| blocks.len());
        assert!(matches!(found, Err(ReadError::DataLoss { from: Offset(0), .. })), "{found:?}");
    }
    let recorder = &log.context.recorder;
    let counted = [Counter::LogDamaged, Counter::LogReads].map(|what| recorder.counted(what));
    assert_eq!(counted, [1, 1]);
}

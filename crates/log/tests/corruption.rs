//! Damage is always detected, never served, and costs no more than what it hit.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidings_event::block::Block;
use tidings_event::{JournalSeq, ManualClock, Offset, TopicPartition};
use tidings_log::conformance::fixture::{DAY, NOW, append_all, block, commit, set, topic};
use tidings_log::disk::{Disk, OpenMode};
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{
    EmbeddedLog, EmbeddedOptions, Journal, OpenError, PartitionLog, ReadError, Table, check,
};
use tidings_telemetry::Recorder;

const DIR: &str = "/data";
const PAGE: u64 = 4096;

fn open(disk: &FakeDisk) -> Result<Arc<EmbeddedLog>, OpenError> {
    let options = EmbeddedOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 128 << 10,
        snapshot_bytes: 1 << 10,
        ..of_the_disk()
    };
    let clock = Arc::new(ManualClock::at(NOW));
    EmbeddedLog::open(Arc::new(disk.clone()), Path::new(DIR), options, clock, Recorder::new())
}

/// Nothing is answered from memory, and every block has a group of its own.
fn of_the_disk() -> EmbeddedOptions {
    EmbeddedOptions { ring_bytes: 1, group_bytes_max: 1, ..EmbeddedOptions::default() }
}

/// A log that never rests for long enough to write a mark.
fn open_busy(disk: &FakeDisk) -> Arc<EmbeddedLog> {
    let options = EmbeddedOptions { mark_after: None, ..of_the_disk() };
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(ManualClock::at(NOW)));
    EmbeddedLog::open(disk, Path::new(DIR), options, clock, Recorder::new()).unwrap()
}

/// What a check says is lost.
fn named(disk: &FakeDisk) -> Vec<(TopicPartition, Offset, Offset)> {
    let report = check(disk, Path::new(DIR)).unwrap();
    report.damaged.iter().map(|range| (range.partition, range.from, range.to)).collect()
}

type Stored = BTreeMap<TopicPartition, Vec<Block>>;

/// A log of three topics in two journals, over several openings and segments, closed.
async fn stored() -> (FakeDisk, Stored) {
    let (disk, mut stored) = (FakeDisk::new(), Stored::new());
    let mut rng = StdRng::seed_from_u64(12);
    for opening in 0..3u32 {
        let log = open(&disk).unwrap();
        for (id, age) in [(1, DAY), (2, DAY), (3, 30 * DAY)] {
            log.ensure_topic(&topic(id, 2, age)).await.unwrap();
        }
        for call in 0..40u32 {
            let mut blocks = Vec::new();
            for partition in [(1, call % 2), (2, 1), (3, 0)] {
                let partition = TopicPartition::new(partition.0, partition.1);
                let tail = log.bounds(partition).unwrap().tail.0;
                let size = (rng.random_range(1..4), rng.random_range(1..2500));
                blocks.push(block(&*log, partition, tail, size));
            }
            append_all(&*log, blocks.clone()).await;
            for block in blocks {
                stored.entry(block.header.topic_partition).or_default().push(block);
            }
            let key = format!("{}", call % 5);
            commit(&*log, vec![set(Table::CURSORS, key, format!("{opening}/{call}"))]).await;
        }
        log.close().await;
    }
    (disk, stored)
}

/// Offsets that reads said are lost.
type Lost = BTreeMap<TopicPartition, Vec<(u64, u64)>>;

/// Reads everything, past what is lost; panics where anything is wrong or silently missing.
async fn read(log: &dyn PartitionLog, stored: &Stored, what: &str) -> Lost {
    let mut lost = Lost::new();
    for (&partition, blocks) in stored {
        let end = blocks.last().unwrap().header.end_offset();
        let bounds = log.bounds(partition).unwrap();
        assert_eq!((bounds.trim, bounds.durable_tail), (Offset(0), end), "{what}: {partition}");
        let mut next = Offset(0);
        while next < end {
            match log.read(partition, next, 10_000).await {
                Ok(read) => {
                    assert!(!read.is_empty(), "{what}: {partition} has nothing at {next}");
                    for committed in read {
                        assert_eq!(committed.block.header.base_offset, next, "{what}: {partition}");
                        assert!(blocks.contains(&committed.block), "{what}: {partition}@{next}");
                        next = committed.end_offset();
                    }
                }
                Err(ReadError::DataLoss { partition: named, from, to }) => {
                    assert_eq!((named, from), (partition, next), "{what}");
                    assert!(to >= from && to < end, "{what}: {partition} lost {from}..={to}");
                    lost.entry(partition).or_default().push((from.0, to.0));
                    next = to.plus(1);
                }
                Err(other) => panic!("{what}: {partition}@{next}: {other}"),
            }
        }
    }
    for journal in Journal::TOPICS {
        let mut after = JournalSeq(0);
        loop {
            let read = log.read_journal(journal, after, 10_000).await.unwrap();
            let Some(last) = read.last() else { break };
            after = last.seq;
            for committed in read {
                let blocks = &stored[&committed.topic_partition()];
                assert!(blocks.contains(&committed.block), "{what}: {} {after}", journal.name());
            }
        }
    }
    lost
}

/// Damages a copy of the disk; says what was done.
fn damage(disk: &FakeDisk, files: &[(PathBuf, u64)], rng: &mut StdRng) -> String {
    let (path, bytes) = &files[rng.random_range(0..files.len())];
    let at = rng.random_range(0..*bytes);
    if rng.random() {
        disk.flip_bit(path, at * 8 + rng.random_range(0..8)).unwrap();
        format!("bit of byte {at} in {} flipped", path.display())
    } else {
        disk.zero_page(path, at / PAGE).unwrap();
        format!("page {} of {} zeroed", at / PAGE, path.display())
    }
}

fn files_of(disk: &FakeDisk, wanted: impl Fn(&str) -> bool) -> Vec<(PathBuf, u64)> {
    let files = disk.files().into_iter();
    files.filter(|(path, bytes)| *bytes > 0 && wanted(&path.to_string_lossy())).collect()
}

fn covers(lost: &Lost, partition: TopicPartition, offset: u64) -> bool {
    let ranges = lost.get(&partition).into_iter().flatten();
    ranges.into_iter().any(|&(from, to)| (from..=to).contains(&offset))
}

#[tokio::test]
async fn damaged_segments_cost_one_group_and_are_named() {
    let (disk, stored) = stored().await;
    let segments = files_of(&disk, |path| path.ends_with(".seg") && !path.contains("/state/"));
    let mut losses = 0;
    for seed in 0..400 {
        let mut rng = StdRng::seed_from_u64(seed);
        let copy = disk.copy();
        let what = format!("seed {seed}: {}", damage(&copy, &segments, &mut rng));
        let report = check(&copy, Path::new(DIR)).unwrap_or_else(|e| panic!("{what}: {e}"));
        let log = open(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
        let lost = read(&*log, &stored, &what).await;
        let ranges: Vec<_> =
            lost.iter().flat_map(|(p, r)| r.iter().map(|r| (*p, r.0, r.1))).collect();
        // A call wrote at most two blocks to one journal, and a segment's header is not missed.
        assert!(ranges.len() <= 2, "{what}: {ranges:?}");
        for &(partition, from, to) in &ranges {
            for offset in from..=to {
                let named = report.damaged.iter().any(|range| {
                    range.partition == partition && (range.from.0..=range.to.0).contains(&offset)
                });
                assert!(named, "{what}: check does not name {partition}@{offset}: {report:?}");
            }
        }
        assert!(ranges.is_empty() || !report.is_sound(), "{what}");
        for range in &report.damaged {
            assert!(covers(&lost, range.partition, range.from.0), "{what}: {range:?} is readable");
        }
        losses += usize::from(!ranges.is_empty());
        // What is damaged stays so: a restart does not change the verdict, and writing goes on.
        let partition = TopicPartition::new(1, 0);
        let tail = log.bounds(partition).unwrap().tail.0;
        append_all(&*log, vec![block(&*log, partition, tail, (1, 10))]).await;
        log.close().await;
    }
    assert!(losses > 150, "only {losses} of the damages hit anything");
}

/// Neighbouring groups, each of a partition that is in no other group, in a log that was killed: what
/// stands behind them names all of them.
#[tokio::test]
async fn neighbours_that_are_destroyed_are_named_though_their_partitions_never_come_again() {
    for (destroyed, behind) in [(1, 1), (2, 1), (3, 1), (16, 1), (17, 32), (40, 64), (300, 512)] {
        let disk = FakeDisk::new();
        let log = open_busy(&disk);
        let id = |partition: u32| TopicPartition::new(1, partition);
        log.ensure_topic(&topic(1, destroyed + 1, DAY)).await.unwrap();
        for partition in 1..=destroyed {
            append_all(&*log, vec![block(&*log, id(partition), 0, (3, 100))]).await;
        }
        let (segment, bytes) = files_of(&disk, |path| path.contains("/short/")).remove(0);
        for base in 0..behind {
            append_all(&*log, vec![block(&*log, id(0), base, (1, 100))]).await;
        }
        drop(log);
        for page in 1..bytes / PAGE {
            disk.zero_page(&segment, page).unwrap();
        }
        let what = format!("{destroyed} groups with {behind} behind");
        let all: Vec<_> = (1..=destroyed).map(|p| (id(p), Offset(0), Offset(2))).collect();
        assert_eq!(named(&disk), all, "{what}");
        let log = open_busy(&disk);
        for partition in 1..=destroyed {
            assert_eq!(log.bounds(id(partition)).unwrap().tail, Offset(3), "{what}");
            let lost = log.read(id(partition), Offset(0), 1).await;
            assert!(matches!(lost, Err(ReadError::DataLoss { .. })), "{what}: {lost:?}");
        }
        assert_eq!(log.read(id(0), Offset(0), 1 << 20).await.unwrap().len(), behind as usize);
    }
}

/// All of a segment whose index is gone, too, and whose partitions nobody wrote to again.
#[tokio::test]
async fn what_an_earlier_segment_held_is_named_by_the_next() {
    let disk = FakeDisk::new();
    let id = |partition: u32| TopicPartition::new(1, partition);
    for opening in 0..2 {
        let log = open_busy(&disk);
        log.ensure_topic(&topic(1, 6, DAY)).await.unwrap();
        for partition in opening * 3..opening * 3 + 3 {
            append_all(&*log, vec![block(&*log, id(partition), 0, (3, 100))]).await;
        }
        drop(log);
    }
    let (index, _) = files_of(&disk, |path| path.ends_with("short/0000000001.idx")).remove(0);
    disk.replace(&index, None);
    for page in 1..=3 {
        disk.zero_page(&index.with_extension("seg"), page).unwrap();
    }
    assert_eq!(named(&disk), [0, 1, 2].map(|p| (id(p), Offset(0), Offset(2))));
}

/// A process that ends while it makes a segment leaves a file without a header, and goes on in the next.
#[tokio::test]
async fn a_segment_that_was_never_begun_is_no_loss_and_one_that_was_is() {
    let disk = FakeDisk::new();
    let id = TopicPartition::new(1, 0);
    let path = |number: u32| PathBuf::from(format!("{DIR}/short/{number:010}.seg"));
    for base in 0..3 {
        let log = open_busy(&disk);
        log.ensure_topic(&topic(1, 1, DAY)).await.unwrap();
        append_all(&*log, vec![block(&*log, id, base, (1, 100))]).await;
        drop(log);
        // The first opening writes to segment 1.
        if base == 0 {
            disk.open(&path(2), OpenMode::CreateNew).unwrap();
        }
        let report = check(&disk, Path::new(DIR)).unwrap();
        assert!(report.is_sound(), "after {base}: {report:?}");
    }
    let begun = [path(1), path(3), path(4)];
    for path in &begun {
        let copy = disk.copy();
        copy.cut(path, 0).unwrap();
        // It cannot be told of the last one: nothing speaks of it.
        let is_last = *path == begun[2];
        assert_eq!(check(&copy, Path::new(DIR)).unwrap().is_sound(), is_last, "{path:?}");
    }
}

/// Several places at once may hide where a loss ends; that there is one, never.
#[tokio::test]
async fn no_amount_of_damage_is_served_or_kept_quiet() {
    let (disk, stored) = stored().await;
    let segments = files_of(&disk, |path| path.ends_with(".seg") && !path.contains("/state/"));
    for seed in 3000..3200 {
        let mut rng = StdRng::seed_from_u64(seed);
        let copy = disk.copy();
        for _ in 0..rng.random_range(2..12) {
            damage(&copy, &segments, &mut rng);
        }
        let report = check(&copy, Path::new(DIR)).unwrap();
        let log = open(&copy).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        for (&partition, blocks) in &stored {
            let (tail, mut next) = (log.bounds(partition).unwrap().tail, Offset(0));
            let end = blocks.last().unwrap().header.end_offset();
            assert!(tail == end || !report.is_sound(), "seed {seed}: {partition} ends at {tail}");
            while next < tail {
                match log.read(partition, next, 10_000).await {
                    Ok(read) => {
                        for committed in read {
                            assert!(blocks.contains(&committed.block), "seed {seed}: {partition}");
                            next = committed.end_offset();
                        }
                    }
                    Err(ReadError::DataLoss { to, .. }) => {
                        assert!(!report.is_sound(), "seed {seed}: {partition}");
                        next = to.plus(1);
                    }
                    Err(other) => panic!("seed {seed}: {partition}@{next}: {other}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn damage_is_judged_the_same_by_every_later_start() {
    let (disk, stored) = stored().await;
    let segments = files_of(&disk, |path| path.ends_with(".seg") && !path.contains("/state/"));
    for seed in 1000..1100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let copy = disk.copy();
        let what = format!("seed {seed}: {}", damage(&copy, &segments, &mut rng));
        let mut verdicts = Vec::new();
        for _ in 0..3 {
            let log = open(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
            verdicts.push(read(&*log, &stored, &what).await);
            log.close().await;
        }
        assert!(verdicts.windows(2).all(|pair| pair[0] == pair[1]), "{what}: {verdicts:?}");
    }
}

#[tokio::test]
async fn damage_under_a_running_log_is_not_served() {
    let (disk, stored) = stored().await;
    for seed in 2000..2150 {
        let mut rng = StdRng::seed_from_u64(seed);
        let copy = disk.copy();
        let log = open(&copy).unwrap();
        let segments = files_of(&copy, |path| path.ends_with(".seg") && !path.contains("/state/"));
        let what = format!("seed {seed}: {}", damage(&copy, &segments, &mut rng));
        let lost = read(&*log, &stored, &what).await;
        assert!(lost.values().map(Vec::len).sum::<usize>() <= 2, "{what}: {lost:?}");
    }
}

#[tokio::test]
async fn a_damaged_index_costs_nothing() {
    let (disk, stored) = stored().await;
    let indexes = files_of(&disk, |path| path.ends_with(".idx"));
    assert!(!indexes.is_empty());
    for seed in 0..150 {
        let mut rng = StdRng::seed_from_u64(seed);
        let copy = disk.copy();
        let what = format!("seed {seed}: {}", damage(&copy, &indexes, &mut rng));
        let log = open(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(read(&*log, &stored, &what).await, Lost::new(), "{what}");
    }
}

#[tokio::test]
async fn one_damaged_snapshot_costs_nothing() {
    let (disk, stored) = stored().await;
    let tables = open(&disk.copy()).unwrap().table(Table::CURSORS);
    let snapshots = files_of(&disk, |path| path.contains("snapshot-"));
    assert!(!snapshots.is_empty());
    for seed in 0..100 {
        let mut rng = StdRng::seed_from_u64(seed);
        let copy = disk.copy();
        let what = format!("seed {seed}: {}", damage(&copy, &snapshots, &mut rng));
        let log = open(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(log.table(Table::CURSORS), tables, "{what}");
        assert_eq!(read(&*log, &stored, &what).await, Lost::new(), "{what}");
    }
}

#[tokio::test]
async fn a_damaged_identity_is_made_anew_from_the_segments() {
    let (disk, stored) = stored().await;
    let term = open(&disk.copy()).unwrap().term();
    let meta = files_of(&disk, |path| path.ends_with("log.meta"));
    for seed in 0..50 {
        let copy = disk.copy();
        let what = damage(&copy, &meta, &mut StdRng::seed_from_u64(seed));
        let report = check(&copy, Path::new(DIR)).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(report.unreadable, [meta[0].0.clone()], "{what}");
        let log = open(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!((log.term(), read(&*log, &stored, &what).await), (term, Lost::new()), "{what}");
    }
}

#[tokio::test]
async fn damage_of_the_state_is_told_or_harmless() {
    let (disk, stored) = stored().await;
    let tables = open(&disk.copy()).unwrap().table(Table::CURSORS);
    let segments = files_of(&disk, |path| path.contains("/state/") && path.ends_with(".seg"));
    for seed in 0..150 {
        let copy = disk.copy();
        let what = damage(&copy, &segments, &mut StdRng::seed_from_u64(seed));
        let report = check(&copy, Path::new(DIR)).unwrap_or_else(|e| panic!("{what}: {e}"));
        let log = open(&copy).unwrap_or_else(|error| panic!("{what}: {error}"));
        if log.table(Table::CURSORS) != tables {
            assert!(!report.is_sound(), "seed {seed}: {what}: tables differ, check says nothing");
        }
        for &partition in stored.keys() {
            assert!(log.bounds(partition).is_ok(), "seed {seed}: {what}: {partition} is gone");
        }
    }
}

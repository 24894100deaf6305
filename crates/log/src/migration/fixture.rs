//! A log that has everything that a move must keep, for the tests of every target.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_event::block::{
    Block, BlockHeader, Flags, KeyNote, KeyNotes, KeyState, ProducerStamp, crc32c, extension_type,
    put_extension,
};
use tidings_event::{ManualClock, Timestamp, TopicId, TopicPartition};
use tidings_telemetry::Recorder;

use crate::conformance::fixture::{DAY, NOW, append_all, block, commit, delete, set, topic};
use crate::fake_disk::FakeDisk;
use crate::{ClosedLog, EmbeddedLog, EmbeddedOptions, PartitionLog, Retention, Table, TopicSpec};

/// Where the log is on its disk.
pub const DIR: &str = "/data";
/// The log's epoch: not the one that a new log has.
pub const EPOCH: u32 = 5;
/// A topic that is not trimmed, with blocks of every kind, and one that lasts longer.
pub const KEPT: TopicPartition = TopicPartition::new(1, 0);
/// A topic of the longest class, whose last block [`damage`] takes.
pub const LONG: TopicPartition = TopicPartition::new(3, 0);
/// A topic whose beginning was trimmed.
pub const TRIMMED: TopicPartition = TopicPartition::new(6, 0);
/// A topic of which nothing is kept any more.
pub const EMPTIED: TopicPartition = TopicPartition::new(7, 0);
/// A topic that was dropped.
pub const DROPPED: TopicPartition = TopicPartition::new(4, 0);
/// First offset of the block in the middle of [`KEPT`] that [`damage`] takes.
pub const DAMAGED_AT: u64 = 12;

/// Opens the log for its owner.
#[must_use]
pub fn open(disk: &FakeDisk, clock: Arc<ManualClock>) -> Arc<EmbeddedLog> {
    let options = EmbeddedOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 256 << 10,
        ..EmbeddedOptions::default()
    };
    let disk = Arc::new(disk.clone());
    EmbeddedLog::open(disk, Path::new(DIR), options, clock, Recorder::new()).unwrap()
}

/// Opens it to be copied, when its owner is gone.
#[must_use]
pub fn closed(disk: &FakeDisk) -> ClosedLog {
    let clock = Arc::new(ManualClock::at(NOW));
    ClosedLog::open(Arc::new(disk.clone()), Path::new(DIR), clock).unwrap()
}

/// A log of `rounds` rounds of appends, trimmed once in between, with a topic dropped; closed.
pub async fn log(rounds: u64) -> FakeDisk {
    let disk = FakeDisk::new();
    disk.replace(&Path::new(DIR).join("log.meta"), Some(&identity()));
    let clock = Arc::new(ManualClock::at(NOW));
    let log = open(&disk, Arc::clone(&clock));
    for spec in topics() {
        log.ensure_topic(&spec).await.unwrap();
    }
    grow(&log, 0..rounds / 2, NOW, true).await;
    clock.advance(Duration::from_secs(2 * 3600));
    let later = Timestamp(NOW.0 + 2 * 3_600_000_000_000);
    log.trim(later).await;
    log.drop_topic(DROPPED.topic).await.unwrap();
    grow(&log, rounds / 2..rounds, later, false).await;
    let many = (0..3000).map(|n| set(Table::CURSORS, format!("cursor-{n:05}"), vec![n as u8; 40]));
    commit(&*log, many.collect()).await;
    let value = vec![7; 300 << 10];
    commit(&*log, vec![set(Table::LAST_VALUES, "large", value), set(Table(999), "own", "x")]).await;
    commit(&*log, vec![set(Table::PRODUCERS, "gone", "x")]).await;
    commit(&*log, vec![delete(Table::PRODUCERS, "gone"), set(Table::PRODUCERS, "p", "")]).await;
    log.close().await;
    disk
}

/// Appends rounds of blocks, some groups with several; `early` to topics that are trimmed or dropped as well.
pub async fn grow(log: &EmbeddedLog, rounds: std::ops::Range<u64>, at: Timestamp, early: bool) {
    let tail = |id| log.bounds(id).unwrap().tail.0;
    for round in rounds {
        let mut of_kept = stamped(block(log, KEPT, tail(KEPT), (3, 300)), round);
        of_kept.header.ingested_at = at;
        let mut group = vec![of_kept, block(log, LONG, tail(LONG), (1, 50))];
        if round % 3 == 0 {
            let medium = TopicPartition::new(2, 1);
            group.push(block(log, medium, tail(medium), (2, 20_000)));
        }
        if round % 2 == 0 {
            group.push(block(log, TRIMMED, tail(TRIMMED), (1, 2000)));
        }
        group.iter_mut().for_each(|block| block.header.ingested_at = at);
        append_all(log, group).await;
        if early {
            append_all(log, vec![block(log, DROPPED, tail(DROPPED), (1, 100))]).await;
            append_all(log, vec![block(log, EMPTIED, tail(EMPTIED), (1, 100))]).await;
        }
    }
    // The largest that there is.
    let (largest, bytes) = (TopicPartition::new(1, 1), (1 << 20) - 64);
    append_all(log, vec![block(log, largest, tail(largest), (1, bytes))]).await;
}

/// Damages the bodies of two blocks: in the middle of a partition, and at the end of another one.
pub fn damage(disk: &FakeDisk) {
    let last = closed(disk).partitions(crate::Journal::Long)[0].1.tail.0 - 1;
    for (partition, offset) in [(KEPT, DAMAGED_AT), (LONG, last)] {
        let words = format!("{partition}@{offset};");
        let mut flipped = 0;
        for (path, _) in disk.files() {
            let content = disk.content(&path).unwrap();
            let is_segment = path.extension().is_some_and(|extension| extension == "seg");
            let at = content.windows(words.len()).position(|bytes| bytes == words.as_bytes());
            if let Some(at) = at.filter(|_| is_segment) {
                disk.flip_bit(&path, at as u64 * 8).unwrap();
                flipped += 1;
            }
        }
        assert_eq!(flipped, 1, "{words}");
    }
}

fn topics() -> Vec<TopicSpec> {
    let trimmed = Retention { age: DAY, bytes: Some(10_000) };
    vec![
        topic(1, 4, DAY),
        topic(2, 2, DAY * 30),
        topic(3, 1, DAY * 200),
        topic(4, 1, DAY),
        topic(5, 3, DAY),
        TopicSpec { id: TopicId(6), partitions: 2, retention: trimmed },
        topic(7, 1, Duration::from_secs(3600)),
    ]
}

/// With everything that a header can say.
fn stamped(mut block: Block, round: u64) -> Block {
    let mut notes = KeyNotes::default();
    notes.push(KeyNote { index: 1, state: KeyState::Gap, expected: round, seen: round + 1 });
    let mut extensions = vec![];
    assert!(put_extension(&mut extensions, extension_type::KEY_NOTES, &notes.encode()));
    block.header = BlockHeader {
        flags: Flags::EXPIRES,
        producer: Some(ProducerStamp { id: [9; 16], epoch: 2, first_sequence: round * 3 }),
        extensions: extensions.into(),
        ..block.header
    };
    block
}

/// `log.meta` of a log that had an epoch before.
fn identity() -> Bytes {
    let mut bytes = b"TLM1".to_vec();
    for word in [1, 0, 0, 0, EPOCH] {
        bytes.extend_from_slice(&u32::to_le_bytes(word));
    }
    bytes.extend_from_slice(&40u64.to_le_bytes());
    bytes.extend_from_slice(&77u32.to_le_bytes());
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes.into()
}

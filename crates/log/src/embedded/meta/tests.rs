//! Terms never come again, whatever became of `log.meta`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_event::{ManualClock, Timestamp, TopicId, TopicPartition};
use tidings_telemetry::Recorder;

use super::super::EmbeddedLog;
use super::super::tests::{block, open_with, options};
use super::*;
use crate::PartitionLog;
use crate::disk::SystemDisk;
use crate::fake_disk::{Call, EIO, ENOSPC, FakeDisk};
use crate::partition_log::{Retention, TopicSpec};

const P0: TopicPartition = TopicPartition::new(7, 0);

/// Opens a log and stores something in it, so that a segment says its term.
async fn use_once(dir: &Path, base: u64) -> Term {
    let log = open_with(dir, options());
    let retention = Retention { age: Duration::from_secs(86_400), bytes: None };
    log.ensure_topic(&TopicSpec { id: TopicId(7), partitions: 1, retention }).await.unwrap();
    log.append(vec![block(&log, P0, base, b"body")]).unwrap().await.unwrap();
    log.close().await;
    log.term()
}

#[tokio::test]
async fn a_term_never_comes_again_when_the_file_is_an_older_one_or_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let file = path(dir.path());
    assert_eq!(use_once(dir.path(), 0).await, Term(1));
    let old = fs::read(&file).unwrap();
    for round in 2..5 {
        assert_eq!(use_once(dir.path(), 2 * (round - 1)).await, Term(round));
    }
    fs::write(&file, &old).unwrap();
    let known = find(&SystemDisk, dir.path()).unwrap();
    let identity = known.identity.unwrap();
    assert_eq!((identity.term, known.rebuilt), (Term(4), true));
    assert_eq!(use_once(dir.path(), 8).await, Term(5));
    fs::remove_file(&file).unwrap();
    assert_eq!(use_once(dir.path(), 10).await, Term(6));
    fs::write(&file, b"no log").unwrap();
    assert_eq!(use_once(dir.path(), 12).await, Term(7));
    let found = find(&SystemDisk, dir.path()).unwrap();
    assert_eq!(found.identity, Some(Identity { term: Term(7), ..identity }));
    assert!(!found.rebuilt, "the file says so itself again");
    let log = open_with(dir.path(), options());
    let stored = log.read(P0, tidings_event::Offset(0), usize::MAX).await.unwrap();
    assert_eq!(stored.len(), 7);
    assert!(stored.iter().all(|found| found.block.body == Bytes::from_static(b"body")));
}

#[tokio::test]
async fn the_segments_decide_whose_log_it_is_and_not_a_file_of_another() {
    let dir = tempfile::tempdir().unwrap();
    use_once(dir.path(), 0).await;
    let mine = find(&SystemDisk, dir.path()).unwrap().identity.unwrap();
    let other = Identity { epoch: Epoch(9), term: Term(50), log: mine.log + 1 };
    fs::write(path(dir.path()), encode(other)).unwrap();
    let known = find(&SystemDisk, dir.path()).unwrap();
    assert_eq!((known.identity, known.rebuilt), (Some(mine), true));
    assert_eq!(use_once(dir.path(), 2).await, Term(2));
}

#[test]
fn a_disk_that_fails_is_no_full_one() {
    let disk = FakeDisk::new();
    let open = || {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000)));
        let dir = Path::new("/log");
        EmbeddedLog::open(Arc::new(disk.clone()), dir, options(), clock, Recorder::new())
    };
    drop(open().unwrap());
    // What is there is not written over: it may be all that is left.
    disk.fail(Call::Rename, 0, EIO);
    assert!(matches!(open(), Err(OpenError::Io { .. })));
    assert_eq!(open().unwrap().term(), Term(2));
    disk.fail(Call::Rename, 0, ENOSPC);
    assert_eq!(open().unwrap().term(), Term(3));
}

#[test]
fn what_is_written_of_an_identity_is_read_back_and_nothing_else_is() {
    let file = Path::new("/log.meta");
    let identity = Identity { epoch: Epoch(3), term: Term(1 << 40), log: 0xFFEE_DDCC };
    let bytes = encode(identity);
    assert_eq!(decode(file, &bytes).unwrap(), identity);
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert!(matches!(decode(file, &other), Err(OpenError::Damaged { .. })), "byte {at}");
        assert!(matches!(decode(file, &bytes[..at]), Err(OpenError::Damaged { .. })), "{at} bytes");
    }
    // The version is at 4, the incompatible features at 16; the others may be anything.
    for (at, want) in [(4, Some(0x11)), (8, None), (12, None), (16, Some(0x10))] {
        let mut other = bytes.clone();
        other[at] |= 0x10;
        let content = other.len() - 4;
        let crc = crc32c(&other[..content]);
        other[content..].copy_from_slice(&crc.to_le_bytes());
        match (decode(file, &other), want) {
            (Ok(read), None) => assert_eq!(read, identity),
            (Err(OpenError::Feature { bits, .. }), Some(want)) => assert_eq!(bits, want),
            (other, want) => panic!("{at}: {other:?}, not {want:?}"),
        }
    }
}

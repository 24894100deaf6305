//! What version 1 wrote opens for ever: a committed data directory, read in a copy.
//!
//! `TIDINGS_FIXTURE_OUT=dir cargo test -p tidings-log what_is_written_now` writes such a directory.

use std::fs;
use std::path::{Path, PathBuf};

use super::tests::{block, contents, open_with, options};
use super::*;
use crate::disk::SystemDisk;
use crate::partition_log::Retention;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/v1/log");
const SHORT: TopicPartition = TopicPartition::new(3, 1);
const LONG: TopicPartition = TopicPartition::new(4, 0);

fn small() -> EmbeddedOptions {
    EmbeddedOptions { segment_bytes_min: 12 << 10, segment_bytes_max: 12 << 10, ..options() }
}

fn body(partition: TopicPartition, base: u64) -> Bytes {
    Bytes::from(format!("body of {partition} at {base}"))
}

async fn write(dir: &Path) {
    let log = open_with(dir, small());
    for (partition, days) in [(SHORT, 7), (LONG, 365)] {
        let age = std::time::Duration::from_secs(days * 86_400);
        let retention = Retention { age, bytes: Some(1 << 30) };
        let spec = TopicSpec { id: partition.topic, partitions: 2, retention };
        log.ensure_topic(&spec).await.unwrap();
    }
    for base in [0, 2, 4] {
        let blocks = [SHORT, LONG].map(|p| block(&log, p, base, &body(p, base)));
        log.append(blocks.to_vec()).unwrap().await.unwrap();
    }
    let change = |key: &'static str, value: Option<&'static str>| TableChange {
        table: Table::CATALOG,
        key: Bytes::from(key),
        value: value.map(Bytes::from),
    };
    let changes = vec![change("kept", Some("in the snapshot")), change("gone", Some("once"))];
    log.commit(log.term(), changes).unwrap().await.unwrap();
    log.close().await;
    drop(log);
    // Then a stop without a close: replayed from the journal.
    let log = open_with(dir, small());
    log.append(vec![block(&log, SHORT, 6, &body(SHORT, 6))]).unwrap().await.unwrap();
    let changes = vec![change("later", Some("in the journal")), change("gone", None)];
    log.commit(log.term(), changes).unwrap().await.unwrap();
}

async fn verify(dir: &Path) {
    let report = check(&SystemDisk, dir).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let log = open_with(dir, small());
    assert_eq!((log.epoch(), log.term()), (Epoch(1), Term(3)));
    for (partition, bases) in [(SHORT, &[0, 2, 4, 6][..]), (LONG, &[0, 2, 4])] {
        let want: Vec<_> = bases.iter().map(|b| (*b, Ok(body(partition, *b)))).collect();
        assert_eq!(contents(&log, partition).await, want);
    }
    let table: Vec<(Bytes, Bytes)> = log.table(Table::CATALOG).into_iter().collect();
    let want = [("kept", "in the snapshot"), ("later", "in the journal")];
    assert_eq!(table, want.map(|(key, value)| (Bytes::from(key), Bytes::from(value))));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_written_now_is_read_back() {
    let temporary = tempfile::tempdir().unwrap();
    let out = std::env::var_os("TIDINGS_FIXTURE_OUT").map(PathBuf::from);
    write(out.as_deref().unwrap_or(temporary.path())).await;
    if out.is_none() {
        verify(temporary.path()).await;
    }
}

#[tokio::test]
async fn what_version_1_wrote_opens_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    copy(Path::new(FIXTURE), dir.path());
    verify(dir.path()).await;
}

#[tokio::test]
async fn an_index_that_is_missing_or_damaged_changes_nothing() {
    for damage in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        copy(Path::new(FIXTURE), dir.path());
        let path = dir.path().join("short/0000000001.idx");
        if damage {
            let mut bytes = fs::read(&path).unwrap();
            bytes[60] ^= 1;
            fs::write(&path, bytes).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        verify(dir.path()).await;
        assert_eq!(
            fs::read(&path).unwrap(),
            fs::read(Path::new(FIXTURE).join("short/0000000001.idx")).unwrap()
        );
    }
}

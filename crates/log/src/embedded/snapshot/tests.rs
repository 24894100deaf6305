//! A snapshot is of one log, and what it was made from is kept until there are two.

use std::io::IoSlice;
use std::sync::Arc;

use tidings_event::ManualClock;
use tidings_telemetry::Recorder;

use super::*;
use crate::conformance::fixture::{NOW, commit, set};
use crate::disk::OpenMode;
use crate::fake_disk::FakeDisk;
use crate::partition_log::{Journal, PartitionLog};
use crate::{EmbeddedLog, EmbeddedOptions};

fn open(disk: &FakeDisk) -> Arc<EmbeddedLog> {
    let options = EmbeddedOptions {
        segment_bytes_min: 8 << 10,
        segment_bytes_max: 8 << 10,
        mark_after: None,
        ..EmbeddedOptions::default()
    };
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(ManualClock::at(NOW)));
    EmbeddedLog::open(disk, Path::new("/log"), options, clock, Recorder::new()).unwrap()
}

#[test]
fn the_tables_of_another_log_are_not_taken_for_its_own() {
    let tables = Tables::default();
    let set = |value: &'static str| set(Table::CURSORS, "key", value);
    tables.load(3, Offset(5), vec![set("value")]);
    // A log without a name, and a snapshot without one, are of before there were names.
    for (wrote, reads, is_taken) in [(7, 7, true), (7, 8, false), (0, 8, true), (7, 0, true)] {
        let (seq, bytes) = encode(&tables, wrote);
        let found = decode((seq, reads), &bytes);
        let want = is_taken.then(|| (Offset(5), vec![set("value")]));
        assert_eq!(found, want, "{wrote} {reads}");
    }
}

#[tokio::test]
async fn records_are_kept_until_two_snapshots_hold_them() {
    let disk = FakeDisk::new();
    let log = open(&disk);
    let segments = || {
        let files = disk.files().into_iter().map(|(path, _)| path);
        files.filter(|p| p.starts_with("/log/state") && p.extension().is_some_and(|e| e == "seg"))
    };
    let journal = log.journal(Journal::State);
    for key in 0..6_u32 {
        commit(&*log, vec![set(Table::CURSORS, key.to_string(), "1")]).await;
    }
    log.until_indexed();
    let before = segments().count();
    assert!(before > 3);
    journal.snapshot().unwrap();
    assert_eq!(segments().count(), before);
    // It is damaged: nothing is lost by that.
    let copy = disk.copy();
    for (_, path) in files(&copy, Path::new("/log/state")).unwrap() {
        copy.open(&path, OpenMode::Write).unwrap().write_all_at(&[IoSlice::new(b"?")], 0).unwrap();
    }
    assert_eq!(open(&copy).table(Table::CURSORS).len(), 6);
    commit(&*log, vec![set(Table::CURSORS, "6", "1")]).await;
    journal.snapshot().unwrap();
    assert!(segments().count() < before);
    drop(log);
    assert_eq!(open(&disk).table(Table::CURSORS).len(), 7);
}

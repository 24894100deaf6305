//! Where a segment ends, and how many groups it lacks.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use tidings_event::{ManualClock, Offset};
use tidings_telemetry::Recorder;

use super::*;
use crate::conformance::fixture::{self, NOW, block};
use crate::disk::{Disk, OpenMode};
use crate::fake_disk::FakeDisk;
use crate::partition_log::PartitionLog;
use crate::{DamagedRange, EmbeddedOptions, Noted, StillLog, check};

fn open(disk: &FakeDisk) -> StillLog {
    let options = EmbeddedOptions {
        segment_bytes_min: 8 * PAGE as u64,
        segment_bytes_max: 8 * PAGE as u64,
        group_bytes_max: 1,
        mark_after: None,
        ..EmbeddedOptions::default()
    };
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(ManualClock::at(NOW)));
    StillLog::open(disk, Path::new("/log"), options, clock, Recorder::new()).unwrap()
}

/// Zeroes pages of a segment of the short journal.
fn zero(disk: &FakeDisk, segment: u32, pages: &[u64]) {
    let path = format!("/log/short/{segment:010}.seg");
    let file = disk.open(Path::new(&path), OpenMode::Write).unwrap();
    for page in pages {
        file.write_all_at(&[IoSlice::new(&[0; PAGE])], page * PAGE as u64).unwrap();
    }
}

#[test]
fn what_is_behind_a_tear_goes_and_what_was_acknowledged_before_it_is_missed() {
    let disk = FakeDisk::new();
    let (mut still, noted) = (open(&disk), Noted::on(&disk));
    let log = Arc::clone(still.log());
    let id = still.until(&noted, fixture::partition(&*log, 1)).unwrap();
    let mut pending = vec![];
    // One group, and three more by one write: only the first is known to be durable.
    for bases in [0..1, 1..4] {
        pending
            .extend(bases.map(|base| log.append(vec![block(&*log, id, base, (1, 10))]).unwrap()));
        assert!(still.step());
    }
    for (torn, lost) in [(&[3][..], None), (&[1, 3], Some(0))] {
        let disk = disk.copy();
        zero(&disk, 1, torn);
        let report = check(&disk, Path::new("/log")).unwrap();
        assert_eq!(report.missing_groups, u64::from(lost.is_some()), "{torn:?}");
        let range = |at| DamagedRange { partition: id, from: Offset(at), to: Offset(at) };
        let lost: Vec<_> = lost.map(range).into_iter().collect();
        assert_eq!(report.damaged, lost, "{torn:?}");
        let bounds = open(&disk).log().bounds(id).unwrap();
        assert_eq!(bounds.durable_tail, Offset(2), "{torn:?}");
    }
}

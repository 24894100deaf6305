//! What goes into one group and one write, what is counted, and when the disk is left alone.

use std::path::Path;
use std::time::Duration;

use tidings_event::{ManualClock, TopicPartition};
use tidings_telemetry::Recorder;

use super::*;
use crate::conformance::fixture::{self, NOW, append, block};
use crate::fake_disk::FakeDisk;
use crate::partition_log::{AppendError, PartitionLog};
use crate::{EmbeddedLog, EmbeddedOptions, Noted, StillLog};

fn options() -> EmbeddedOptions {
    EmbeddedOptions { mark_after: None, ..EmbeddedOptions::default() }
}

/// A log that writes when it is told to, and a partition of it.
fn still(disk: &FakeDisk, options: EmbeddedOptions) -> (StillLog, Arc<Noted>, TopicPartition) {
    let (clock, noted) = (Arc::new(ManualClock::at(NOW)), Noted::on(disk));
    let disk = Arc::new(disk.clone());
    let mut still =
        StillLog::open(disk, Path::new("/log"), options, clock, Recorder::new()).unwrap();
    let log = Arc::clone(still.log());
    let id = still.until(&noted, fixture::partition(&*log, 1)).unwrap();
    (still, noted, id)
}

/// A log of threads, its clock and what it counts.
fn busy(
    disk: &FakeDisk,
    options: EmbeddedOptions,
) -> (Arc<EmbeddedLog>, Arc<ManualClock>, Arc<Recorder>) {
    let (clock, recorder) = (Arc::new(ManualClock::at(NOW)), Recorder::new());
    let (disk, its_clock) = (Arc::new(disk.clone()), Arc::clone(&clock));
    let log = EmbeddedLog::open(disk, Path::new("/log"), options, its_clock, Arc::clone(&recorder));
    (log.unwrap(), clock, recorder)
}

#[test]
fn a_write_takes_what_fits_and_what_is_larger_goes_alone() {
    let disk = FakeDisk::new();
    let (mut still, _, id) = still(&disk, options());
    let log = Arc::clone(still.log());
    let size = (1, 700_000);
    let large = (0..4).map(|base| block(&*log, id, base, size)).collect();
    let mut pending = vec![log.append(large).unwrap()];
    pending.extend((4..7).map(|base| log.append(vec![block(&*log, id, base, size)]).unwrap()));
    // 2.8 MB by one append; of the other three two fit into two MiB.
    for stored in [4, 6, 7] {
        assert!(still.step());
        assert_eq!(log.bounds(id).unwrap().durable_tail.0, stored);
    }
    assert!(!still.step());
}

#[test]
fn an_append_stays_together_and_shares_its_group_while_there_is_room() {
    for (group_bytes_max, groups) in [(1, [1, 1, 2, 3]), (1 << 20, [1, 1, 1, 1])] {
        let disk = FakeDisk::new();
        let (mut still, noted, id) = still(&disk, EmbeddedOptions { group_bytes_max, ..options() });
        let log = Arc::clone(still.log());
        let next = |base| block(&*log, id, base, (1, 1000));
        let mut pending = vec![log.append(vec![next(0), next(1)]).unwrap()];
        pending.extend((2..4).map(|base| log.append(vec![next(base)]).unwrap()));
        assert!(still.step());
        let read = log.read_journal(Journal::Short, tidings_event::JournalSeq(0), usize::MAX);
        let found: Vec<_> = still.until(&noted, read).unwrap().unwrap();
        assert_eq!(found.iter().map(|c| c.seq.0).collect::<Vec<_>>(), groups);
    }
}

#[tokio::test]
async fn what_is_written_is_counted_and_synced_once_and_a_busy_journal_has_no_marks() {
    let disk = FakeDisk::new();
    let mark_after = Some(Duration::from_secs(3600));
    let (log, _, recorder) = busy(&disk, EmbeddedOptions { mark_after, ..options() });
    let id = fixture::partition(&*log, 1).await;
    // The first one begins the segment.
    append(&*log, block(&*log, id, 0, (1, 5000))).await;
    let stored = || {
        let files = disk.files().into_iter().filter(|(path, _)| path.starts_with("/log/short"));
        files.map(|(_, bytes)| bytes).sum::<u64>()
    };
    let counted = || [Counter::LogBytes, Counter::LogSyncs].map(|what| recorder.counted(what));
    let (before, [bytes, syncs]) = (stored(), counted());
    for base in 1..21 {
        append(&*log, block(&*log, id, base, (1, 5000))).await;
    }
    assert_eq!(counted(), [bytes + (stored() - before), syncs + 20]);
}

#[tokio::test]
async fn a_full_queue_of_a_slow_disk_says_to_wait_longer() {
    let disk = FakeDisk::new();
    let (log, clock, _) = busy(&disk, EmbeddedOptions { queue_bytes_max: 100_000, ..options() });
    let id = fixture::partition(&*log, 1).await;
    let mut waits = vec![];
    for slow_writes in [0, 60] {
        for _ in 0..slow_writes {
            disk.hold_syncs();
            let base = log.bounds(id).unwrap().tail.0;
            let pending = log.append(vec![block(&*log, id, base, (1, 30_000))]).unwrap();
            disk.until_a_sync_is_held();
            clock.advance(Duration::from_secs(1));
            disk.release_syncs();
            pending.await.unwrap();
        }
        disk.hold_syncs();
        let mut pending = vec![];
        let refused = loop {
            let base = log.bounds(id).unwrap().tail.0;
            match log.append(vec![block(&*log, id, base, (1, 30_000))]) {
                Ok(accepted) => pending.push(accepted),
                Err(refused) => break refused,
            }
        };
        let AppendError::Full { retry_after } = refused else { panic!("{refused}") };
        waits.push(retry_after);
        disk.release_syncs();
        for accepted in pending {
            accepted.await.unwrap();
        }
    }
    // Ninety thousand bytes, at what a disk is taken to do, and at the least it is taken to do.
    assert!(waits[0] < Duration::from_millis(2), "{waits:?}");
    assert!((80..120).contains(&waits[1].as_millis()), "{waits:?}");
}

//! The engine at its limits: a full disk, a full queue, a full journal, a failing disk, a clock that
//! jumps.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tidings_event::{Clock, ManualClock, Offset, Timestamp, TopicPartition};
use tidings_telemetry::{Counter, Gauge, Recorder};

use super::*;
use crate::conformance::fixture::{
    DAY, NOW, append, block, commit, fill, partition, read_all, set, topic,
};
use crate::disk::Disk;
use crate::fake_disk::{Call, EIO, ENOSPC, FakeDisk};
use crate::partition_log::PendingError;

struct Rig {
    log: Arc<EmbeddedLog>,
    clock: Arc<ManualClock>,
    recorder: Arc<Recorder>,
}

fn open_at(disk: &FakeDisk, options: EmbeddedOptions, wall: Timestamp) -> Rig {
    let clock = Arc::new(ManualClock::at(wall));
    let recorder = Recorder::new();
    let (disk, its_clock) = (Arc::new(disk.clone()), Arc::clone(&clock));
    let log = EmbeddedLog::open(disk, Path::new("/log"), options, its_clock, Arc::clone(&recorder));
    Rig { log: log.unwrap(), clock, recorder }
}

fn open(disk: &FakeDisk, options: EmbeddedOptions) -> Arc<EmbeddedLog> {
    open_at(disk, options, NOW).log
}

fn options() -> EmbeddedOptions {
    EmbeddedOptions { mark_after: None, ..EmbeddedOptions::default() }
}

fn after(wall: Timestamp, passed: Duration) -> Timestamp {
    Timestamp(wall.0 + passed.as_nanos() as u64)
}

#[tokio::test]
async fn a_write_that_does_not_fit_is_done_when_there_is_room() {
    // `ENFILE`, `EMFILE`: no handle for the moment.
    let kinds = [ENOSPC, 23, 24];
    // What fails is a group, the index of a full segment, or the next segment: its name or header.
    let calls = [(Call::Write, 0), (Call::Write, 1), (Call::Open, 0), (Call::Open, 1)];
    let without_handle = [(Call::Open, 0), (Call::Open, 1), (Call::SyncDir, 0), (Call::SyncDir, 1)];
    let cases = kinds.iter().flat_map(|&errno| {
        let calls = if errno == ENOSPC { calls } else { without_handle };
        calls.map(|(call, nth)| (call, nth, errno))
    });
    for (call, nth, errno) in cases {
        let disk = FakeDisk::new();
        let small = EmbeddedOptions {
            segment_bytes_min: 64 << 10,
            segment_bytes_max: 64 << 10,
            ..options()
        };
        let log = open(&disk, small.clone());
        let id = partition(&*log, 1).await;
        let mut stored = vec![];
        for base in 0..4 {
            disk.fail(call, nth, errno);
            let next = block(&*log, id, base, (1, 30_000));
            append(&*log, next.clone()).await;
            stored.push(next);
        }
        assert_eq!(log.health(), Ok(()), "{call:?} {nth} {errno}");
        assert_eq!(read_all(&*log, id).await, stored, "{call:?} {nth} {errno}");
        drop(log);
        let log = open(&disk.copy(), small);
        assert_eq!(read_all(&*log, id).await, stored, "{call:?} {nth} {errno}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_whatever_a_crash_leaves() {
    let small =
        EmbeddedOptions { segment_bytes_min: 8 << 10, segment_bytes_max: 8 << 10, ..options() };
    let disk = FakeDisk::new();
    let log = open(&disk, small.clone());
    let id = partition(&*log, 1).await;
    let stored = fill(&*log, id, 6).await;
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..20 {
        let log = open(&disk.crash(&mut rng), small.clone());
        assert_eq!(read_all(&*log, id).await, stored);
    }
}

#[test]
fn a_log_that_is_dropped_leaves_no_thread_behind() {
    let disk: Arc<dyn Disk> = Arc::new(FakeDisk::new());
    let (its_disk, clock) = (Arc::clone(&disk), Arc::new(ManualClock::at(NOW)));
    let log = EmbeddedLog::open(its_disk, Path::new("/log"), options(), clock, Recorder::new());
    drop(log.unwrap());
    assert_eq!(Arc::strong_count(&disk), 1);
}

#[tokio::test]
async fn a_start_without_room_serves_what_is_stored_and_goes_on_when_there_is_room() {
    let disk = FakeDisk::new();
    let log = open(&disk, options());
    let id = partition(&*log, 1).await;
    let first = block(&*log, id, 0, (1, 30_000));
    append(&*log, first.clone()).await;
    let before = log.term();
    drop(log);
    // Not a byte more than there is; every start has a term of its own all the same.
    disk.limit(0);
    for starts in 1..=3 {
        let log = open(&disk, options());
        assert_eq!(log.term().0, before.0 + starts);
        assert_eq!(read_all(&*log, id).await, std::slice::from_ref(&first));
        let next = block(&*log, id, 1, (1, 100));
        assert_eq!(log.append(vec![next]).unwrap_err(), AppendError::StorageFull);
        assert!(log.health().is_err());
    }
    let log = open(&disk, options());
    let next = block(&*log, id, 1, (1, 100));
    disk.limit(64 << 20);
    append(&*log, next.clone()).await;
    commit(&*log, vec![set(Table::CURSORS, b"k", b"v")]).await;
    assert_eq!(log.health(), Ok(()));
    drop(log);
    let log = open(&disk.copy(), options());
    assert_eq!(read_all(&*log, id).await, [first, next]);
}

#[tokio::test]
async fn what_cannot_even_be_written_over_is_served_and_stored_when_there_is_room() {
    let disk = FakeDisk::new();
    let log = open(&disk, options());
    let id = partition(&*log, 1).await;
    let mut stored = fill(&*log, id, 2).await;
    let next = block(&*log, id, 2, (1, 100));
    disk.fail_sync_of("seg", EIO);
    // The system takes it for stored, and it is in its cache only.
    log.append(vec![next.clone()]).unwrap().await.unwrap_err();
    stored.push(next);
    drop(log);
    let used: u64 = disk.files().iter().map(|(_, bytes)| bytes).sum();
    disk.copy_on_write();
    disk.limit(used + 100);
    for _ in 0..2 {
        let log = open(&disk, options());
        assert_eq!(read_all(&*log, id).await, stored);
        let refused = log.append(vec![block(&*log, id, 3, (1, 100))]).unwrap_err();
        assert_eq!(refused, AppendError::StorageFull);
    }
    let log = open(&disk, options());
    disk.limit(64 << 20);
    let next = block(&*log, id, 3, (1, 100));
    append(&*log, next.clone()).await;
    stored.push(next);
    assert_eq!(log.health(), Ok(()));
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..20 {
        let log = open(&disk.crash(&mut rng), options());
        assert_eq!(read_all(&*log, id).await, stored);
    }
}

#[tokio::test]
async fn what_is_queued_counts_as_used() {
    let disk = FakeDisk::new();
    disk.limit(12 << 20);
    let log = open(&disk, options());
    let id = partition(&*log, 1).await;
    disk.hold_syncs();
    let mut pending = vec![];
    let refused = loop {
        let next = block(&*log, id, pending.len() as u64, (1, 200_000));
        match log.append(vec![next]) {
            Ok(accepted) => pending.push(accepted),
            Err(refused) => break refused,
        }
    };
    assert_eq!(refused, AppendError::StorageFull);
    disk.release_syncs();
    for accepted in pending {
        accepted.await.unwrap();
    }
    // It is as full as may be until there is room again.
    disk.limit(8 << 20);
    assert!(log.health().unwrap_err().contains("only its reserve left"));
    disk.limit(64 << 20);
    assert_eq!(log.health(), Ok(()));
}

#[tokio::test]
async fn a_failed_write_makes_its_journal_read_only_and_no_other() {
    let disk = FakeDisk::new();
    let Rig { log, recorder, .. } = open_at(&disk, options(), NOW);
    let id = partition(&*log, 1).await;
    log.ensure_topic(&topic(2, 1, 30 * DAY)).await.unwrap();
    let stored = fill(&*log, id, 3).await;
    disk.fail(Call::Write, 0, EIO);
    let next = block(&*log, id, 3, (1, 10));
    assert_eq!(log.append(vec![next]).unwrap().await, Err(PendingError));
    let next = block(&*log, id, 4, (1, 10));
    assert_eq!(log.append(vec![next]).unwrap_err(), AppendError::ReadOnly);
    assert!(log.health().unwrap_err().contains("journal short is read-only"));
    assert_eq!(recorder.gauge(Gauge::LogReadOnly), 1);
    assert_eq!(read_all(&*log, id).await, stored);
    append(&*log, block(&*log, TopicPartition::new(2, 0), 0, (1, 10))).await;
    commit(&*log, vec![set(Table::CURSORS, "key", "value")]).await;
    drop(log);
    let log = open(&disk, options());
    assert_eq!(log.health(), Ok(()));
    assert!(read_all(&*log, id).await.starts_with(&stored));
}

#[tokio::test]
async fn a_read_that_fails_is_no_loss() {
    let disk = FakeDisk::new();
    let Rig { log, recorder, .. } =
        open_at(&disk, EmbeddedOptions { ring_bytes: 0, ..options() }, NOW);
    let id = partition(&*log, 1).await;
    let stored = fill(&*log, id, 2).await;
    // What fails is the front of the group, or the body.
    for nth in [0, 1] {
        disk.fail(Call::Read, nth, EIO);
        assert!(matches!(log.read(id, Offset(0), 1).await, Err(ReadError::Io(_))), "{nth}");
    }
    assert_eq!(read_all(&*log, id).await, stored);
    assert_eq!(recorder.counted(Counter::LogDamaged), 0);
}

#[tokio::test]
async fn the_oldest_segments_go_when_a_journal_is_full() {
    let disk = FakeDisk::new();
    let small = EmbeddedOptions {
        segment_bytes_min: 32 << 10,
        segment_bytes_max: 32 << 10,
        journal_bytes_max: 100 << 10,
        ..options()
    };
    let log = open(&disk, small.clone());
    let busy = partition(&*log, 1).await;
    let quiet = TopicPartition::new(1, 1);
    append(&*log, block(&*log, quiet, 0, (1, 100))).await;
    let mut stored = fill(&*log, busy, 0).await;
    for base in 0..40 {
        let next = block(&*log, busy, base, (1, 7000));
        append(&*log, next.clone()).await;
        stored.push(next);
    }
    append(&*log, block(&*log, quiet, 1, (1, 100))).await;
    let short = || disk.files().into_iter().filter(|(path, _)| path.starts_with("/log/short"));
    let bytes = || short().filter(|(p, _)| p.extension() == Some("seg".as_ref()));
    assert!(bytes().map(|(_, bytes)| bytes).sum::<u64>() > 300_000);
    log.until_indexed();
    let lost = log.trim(NOW).await;
    assert!(bytes().map(|(_, bytes)| bytes).sum::<u64>() <= 100 << 10);
    let trim = log.bounds(busy).unwrap().trim;
    assert_eq!(lost.iter().find(|(id, _)| *id == busy), Some(&(busy, trim.0)));
    assert_eq!(log.bounds(quiet).unwrap().trim, Offset(1));
    let asked = Offset(trim.0 - 1);
    let refused = log.read(busy, asked, 1).await.unwrap_err();
    assert_eq!(refused, ReadError::Trimmed { asked, trim });
    let kept = stored.split_off(trim.0 as usize);
    assert_eq!(read_all(&*log, busy).await, kept);
    drop(log);
    let log = open(&disk, small);
    assert_eq!(log.bounds(busy).unwrap().trim, trim);
    assert_eq!(read_all(&*log, busy).await, kept);
}

#[tokio::test]
async fn a_full_queue_says_when_to_try_again() {
    let disk = FakeDisk::new();
    let log = open(&disk, EmbeddedOptions { queue_bytes_max: 100_000, ..options() });
    let id = partition(&*log, 1).await;
    disk.hold_syncs();
    let mut pending = vec![];
    let refused = loop {
        let next = block(&*log, id, pending.len() as u64, (1, 30_000));
        match log.append(vec![next]) {
            Ok(accepted) => pending.push(accepted),
            Err(refused) => break refused,
        }
    };
    assert_eq!(pending.len(), 3);
    assert!(log.pressure(Journal::Short).is_high());
    let AppendError::Full { retry_after } = refused else { panic!("{refused}") };
    assert!(retry_after >= Duration::from_millis(1) && retry_after < Duration::from_secs(1));
    // Nothing of it was stored: the tail did not move.
    assert_eq!(log.bounds(id).unwrap().tail, Offset(3));
    disk.release_syncs();
    for accepted in pending {
        accepted.await.unwrap();
    }
    assert_eq!(log.pressure(Journal::Short).queued_bytes, 0);
    append(&*log, block(&*log, id, 3, (1, 30_000))).await;
}

#[tokio::test]
async fn reads_of_the_disk_take_turns_and_recent_blocks_are_there_at_once() {
    let disk = FakeDisk::new();
    let log = open(&disk, EmbeddedOptions { ring_bytes: 40_000, ..options() });
    let id = partition(&*log, 1).await;
    let mut stored = vec![];
    for base in 0..4 {
        stored.push(block(&*log, id, base, (1, 30_000)));
        append(&*log, stored[stored.len() - 1].clone()).await;
    }
    let others = Arc::clone(&log.reads).acquire_many_owned(READS as u32).await.unwrap();
    let mut oldest = log.read(id, Offset(0), 1);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(oldest.as_mut().poll(&mut context).is_pending());
    assert_eq!(log.read(id, Offset(3), 1).await.unwrap()[0].block, stored[3]);
    assert!(oldest.as_mut().poll(&mut context).is_pending());
    drop(others);
    assert_eq!(oldest.await.unwrap()[0].block, stored[0]);
    assert_eq!(log.reads.available_permits(), READS);
}

#[tokio::test]
async fn a_clock_that_jumped_across_a_restart_makes_nothing_older() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    for (moved, believed) in [(6 * DAY, true), (8 * DAY, false)] {
        let disk = FakeDisk::new();
        let log = open(&disk, options());
        let id = partition(&*log, 1).await;
        fill(&*log, id, 3).await;
        assert_eq!(log.trim(NOW).await, []);
        drop(log);
        let wall = after(NOW, moved);
        let Rig { log, clock, recorder } = open_at(&disk, options(), wall);
        let doubted = |want: bool| {
            assert_eq!(recorder.gauge(Gauge::LogWallDoubted), i64::from(want), "{moved:?}");
        };
        let trim = async || log.trim(clock.wall()).await;
        if !believed {
            assert_eq!(trim().await, []);
            doubted(true);
            clock.advance(minutes(9));
            assert_eq!(trim().await, []);
            // It jumps once more: the wait begins anew.
            clock.set_wall(after(clock.wall(), 2 * DAY));
            clock.advance(minutes(2));
            assert_eq!(trim().await, []);
            clock.advance(minutes(9));
            assert_eq!(trim().await, []);
            clock.advance(minutes(2));
            assert_eq!(trim().await, [], "it is followed, and nothing is older by that");
            doubted(false);
            let place = log.resolve_age(id, minutes(10)).await;
            assert_eq!(place, Ok(Offset(3)), "all of it is older than ten minutes");
            assert_eq!(log.resolve_age(id, DAY).await, Ok(Offset(0)));
            clock.advance(DAY);
        }
        assert_eq!(trim().await.len(), 1, "{moved:?}");
        doubted(false);
        assert_eq!(log.bounds(id).unwrap().trim, Offset(3));
        // What is believed now is on record.
        let wall = clock.wall();
        drop((log, doubted));
        let log = open_at(&disk, options(), after(wall, 6 * DAY)).log;
        append(&*log, block(&*log, id, 3, (1, 10))).await;
        assert_eq!(log.trim(after(wall, 6 * DAY)).await.len(), 1);
    }
}

#[tokio::test]
async fn a_jump_before_retention_ever_ran_makes_nothing_older_after_a_restart() {
    let disk = FakeDisk::new();
    let Rig { log, clock, .. } = open_at(&disk, options(), NOW);
    let id = partition(&*log, 1).await;
    append(&*log, block(&*log, id, 0, (1, 10))).await;
    let jumped = after(NOW, 365 * DAY);
    clock.set_wall(jumped);
    let mut late = block(&*log, id, 1, (1, 10));
    late.header.ingested_at = jumped;
    append(&*log, late).await;
    drop(log);
    let Rig { log, clock, .. } = open_at(&disk, options(), after(jumped, Duration::from_secs(1)));
    assert_eq!(log.trim(clock.wall()).await, []);
    assert_eq!(log.bounds(id).unwrap().trim, Offset(0));
}

#[tokio::test]
async fn a_jump_between_the_start_and_the_first_look_makes_nothing_older() {
    let disk = FakeDisk::new();
    for (start, jump) in [(NOW, 365 * DAY), (after(NOW, DAY), 6 * DAY)] {
        let Rig { log, clock, .. } = open_at(&disk, options(), start);
        let id = partition(&*log, 1).await;
        let tail = log.bounds(id).unwrap().tail.0;
        let mut now = block(&*log, id, tail, (1, 10));
        now.header.ingested_at = start;
        append(&*log, now).await;
        clock.set_wall(after(start, jump));
        assert_eq!(log.trim(clock.wall()).await, []);
        assert_eq!(log.bounds(id).unwrap().trim, Offset(0));
    }
}

#[tokio::test]
async fn a_start_goes_by_how_far_retention_had_come_and_not_by_the_oldest_block() {
    let disk = FakeDisk::new();
    let Rig { log, clock, .. } = open_at(&disk, options(), NOW);
    log.ensure_topic(&topic(1, 1, 30 * DAY)).await.unwrap();
    append(&*log, block(&*log, TopicPartition::new(1, 0), 0, (1, 10))).await;
    for _ in 0..20 {
        clock.advance(DAY);
        assert_eq!(log.trim(clock.wall()).await, []);
    }
    drop(log);
    let Rig { log, clock, recorder } = open_at(&disk, options(), after(clock.wall(), DAY));
    assert_eq!(log.trim(clock.wall()).await, []);
    assert_eq!(recorder.gauge(Gauge::LogWallDoubted), 0, "a stop of a day is none of three weeks");
    clock.advance(10 * DAY);
    assert_eq!(log.trim(clock.wall()).await.len(), 1);
}

#[tokio::test]
async fn the_time_is_not_that_of_a_clock_that_jumped() {
    let disk = FakeDisk::new();
    let Rig { log, clock, .. } = open_at(&disk, options(), NOW);
    let id = partition(&*log, 1).await;
    append(&*log, block(&*log, id, 0, (1, 10))).await;
    assert_eq!(log.trim(clock.wall()).await, []);
    for jump in [after(NOW, 3_650 * DAY), Timestamp(NOW.0 / 2)] {
        clock.set_wall(jump);
        assert_eq!(log.time(), NOW);
    }
    drop(log);
    let Rig { log, clock, .. } = open_at(&disk, options(), Timestamp(NOW.0 / 2));
    assert_eq!(log.time(), NOW, "behind after a restart, too");
    clock.advance(DAY);
    assert_eq!(log.time(), after(NOW, DAY), "time goes on");
    clock.set_wall(after(NOW, 2 * DAY));
    assert_eq!(log.time(), after(NOW, 2 * DAY), "a clock that is right again is gone by");
}

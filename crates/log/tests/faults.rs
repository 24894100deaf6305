//! A disk that fails: nothing confirmed is lost, nothing is confirmed that is not stored.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tidings_event::block::Block;
use tidings_event::{ManualClock, Offset, TopicPartition};
use tidings_log::conformance::fixture::{
    DAY, NOW, append, append_all, block, commit, fill, read_all, set, topic,
};
use tidings_log::fake_disk::{Call, EIO, ENOSPC, FakeDisk};
use tidings_log::{
    AppendError, CommitError, EmbeddedLog, EmbeddedOptions, Journal, OpenError, PartitionLog,
    PendingError, Retention, Table, TopicSpec, check,
};
use tidings_telemetry::Recorder;

const PARTITION: TopicPartition =
    TopicPartition { topic: tidings_event::TopicId(1), partition: tidings_event::PartitionId(0) };

fn open(disk: &FakeDisk) -> Result<Arc<EmbeddedLog>, OpenError> {
    let options = EmbeddedOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 64 << 10,
        snapshot_bytes: 2 << 10,
        mark_after: None,
        ..EmbeddedOptions::default()
    };
    let (disk, clock) = (Arc::new(disk.clone()), Arc::new(ManualClock::at(NOW)));
    EmbeddedLog::open(disk, Path::new("/data"), options, clock, Recorder::new())
}

async fn ensured(disk: &FakeDisk) -> Arc<EmbeddedLog> {
    let log = open(disk).unwrap();
    log.ensure_topic(&topic(1, 1, DAY)).await.unwrap();
    log.ensure_topic(&topic(2, 1, 30 * DAY)).await.unwrap();
    log
}

#[tokio::test]
async fn a_failed_sync_leaves_the_outcome_unknown_and_the_journal_read_only() {
    let disk = FakeDisk::new();
    let log = ensured(&disk).await;
    let stored = fill(&*log, PARTITION, 3).await;
    disk.fail(Call::Sync, 0, EIO);
    let pending = log.append(vec![block(&*log, PARTITION, 3, (1, 10))]).unwrap();
    assert_eq!(pending.await, Err(PendingError));
    for _ in 0..2 {
        let refused = log.append(vec![block(&*log, PARTITION, 4, (1, 10))]).unwrap_err();
        assert_eq!(refused, AppendError::ReadOnly);
    }
    assert!(log.health().unwrap_err().contains("short"));
    assert_eq!(read_all(&*log, PARTITION).await, stored);
    // The others go on.
    let other = TopicPartition::new(2, 0);
    append(&*log, block(&*log, other, 0, (1, 10))).await;
    commit(&*log, vec![set(Table::CURSORS, "key", "value")]).await;
    let syncs = disk.operations();
    drop(log);
    assert_eq!(disk.operations(), syncs, "the sync was tried again");
}

#[tokio::test]
async fn what_a_failed_sync_left_in_the_page_cache_is_stored_before_it_is_believed() {
    for seed in 0..50 {
        let disk = FakeDisk::new();
        let log = ensured(&disk).await;
        let stored = fill(&*log, PARTITION, 2).await;
        disk.fail(Call::Sync, 0, EIO);
        let lost = block(&*log, PARTITION, 2, (1, 5000));
        log.append(vec![lost.clone()]).unwrap().await.unwrap_err();
        drop(log);
        // The process starts again; the machine did not go down, so that the bytes can be read.
        let log = open(&disk.copy()).unwrap();
        assert_eq!(read_all(&*log, PARTITION).await, [&stored[..], &[lost]].concat());
        drop(log);
        let log = open(&disk).unwrap();
        let tail = log.bounds(PARTITION).unwrap().tail.0;
        append(&*log, block(&*log, PARTITION, tail, (1, 10))).await;
        let before = read_all(&*log, PARTITION).await;
        let log = open(&disk.crash(&mut StdRng::seed_from_u64(seed))).unwrap();
        assert_eq!(read_all(&*log, PARTITION).await, before, "seed {seed}");
    }
}

/// Work that any call may fail in; says what was confirmed.
async fn work(log: &EmbeddedLog) -> (Vec<Block>, Option<u32>) {
    let (mut stored, mut value) = (Vec::new(), None);
    for round in 0..12u32 {
        let Ok(bounds) = log.bounds(PARTITION) else { break };
        let next = block(log, PARTITION, bounds.tail.0, (2, 6000));
        if let Ok(pending) = log.append(vec![next.clone()])
            && pending.await.is_ok()
        {
            stored.push(next);
        }
        let change = set(Table::CURSORS, "round", round.to_be_bytes().repeat(30));
        if let Ok(pending) = log.commit(log.term(), vec![change])
            && pending.await.is_ok()
        {
            value = Some(round);
        }
        if round % 5 == 4 {
            log.trim(NOW).await;
        }
    }
    (stored, value)
}

#[tokio::test]
async fn any_call_may_fail_and_nothing_confirmed_is_lost() {
    let calls = [
        Call::Open,
        Call::Read,
        Call::Write,
        Call::Sync,
        Call::SyncDir,
        Call::Rename,
        Call::Remove,
    ];
    for (call, errno) in calls.into_iter().flat_map(|call| [(call, EIO), (call, ENOSPC)]) {
        for nth in 0..16 {
            let what = format!("{call:?} {nth} with {errno}");
            let disk = FakeDisk::new();
            ensured(&disk).await.close().await;
            disk.fail(call, nth, errno);
            // The opening itself may be what fails: then it says so.
            let Ok(log) = open(&disk) else { continue };
            let (stored, value) = work(&log).await;
            log.close().await;
            drop(log);
            let crashed = disk.crash(&mut StdRng::seed_from_u64(nth as u64));
            let log = open(&crashed).unwrap_or_else(|error| panic!("{what}: {error}"));
            let found = read_all(&*log, PARTITION).await;
            assert!(stored.iter().all(|block| found.contains(block)), "{what}: lost a block");
            let round = log.get(Table::CURSORS, b"round");
            let round = round.map(|v| u32::from_be_bytes(*v.first_chunk().unwrap()));
            assert!(round >= value, "{what}: lost a commit: {round:?} < {value:?}");
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_events_and_recovers_by_itself() {
    let disk = FakeDisk::new();
    disk.limit(8 << 20);
    let log = open(&disk).unwrap();
    let retention = Retention { age: DAY, bytes: Some(100_000) };
    let spec = TopicSpec { id: PARTITION.topic, partitions: 1, retention };
    log.ensure_topic(&spec).await.unwrap();
    let mut base = 0;
    let refused = loop {
        match log.append(vec![block(&*log, PARTITION, base, (1, 30_000))]) {
            Ok(pending) => pending.await.unwrap(),
            Err(refused) => break refused,
        };
        base += 1;
        assert!(base < 1000, "the disk never fills");
    };
    assert_eq!(refused, AppendError::StorageFull);
    assert_eq!(log.health(), Ok(()));
    // Consuming, acks and replay go on.
    assert_eq!(read_all(&*log, PARTITION).await.len() as u64, base);
    commit(&*log, vec![set(Table::CURSORS, "cursor", "5")]).await;
    // Retention makes room, and that is all it takes.
    log.trim(NOW).await;
    append(&*log, block(&*log, PARTITION, base, (1, 30_000))).await;
    let trim = log.bounds(PARTITION).unwrap().trim;
    assert!(trim > Offset(0));
    log.close().await;
    let log = open(&disk).unwrap();
    assert_eq!(log.bounds(PARTITION).unwrap().tail, Offset(base + 1));
    assert_eq!(log.get(Table::CURSORS, b"cursor").as_deref(), Some(&b"5"[..]));
}

#[tokio::test]
async fn a_write_waits_for_room_or_for_a_file_handle_and_nothing_is_in_doubt() {
    const EMFILE: i32 = 24;
    const EFBIG: i32 = 27;
    let faults = [
        (Call::Write, ENOSPC),
        (Call::Write, EFBIG),
        (Call::Open, EMFILE),
        (Call::SyncDir, EMFILE),
    ];
    for (call, errno) in faults {
        let disk = FakeDisk::new();
        let log = ensured(&disk).await;
        let stored = fill(&*log, PARTITION, 2).await;
        disk.fail(call, 0, errno);
        // Large enough that a segment begins.
        let mut blocks = stored;
        for base in 2..9 {
            let next = block(&*log, PARTITION, base, (1, 20_000));
            append(&*log, next.clone()).await;
            blocks.push(next);
        }
        assert_eq!(log.health(), Ok(()), "{call:?}");
        assert_eq!(read_all(&*log, PARTITION).await, blocks, "{call:?}");
        drop(log);
        let log = open(&disk.crash(&mut StdRng::seed_from_u64(1))).unwrap();
        assert_eq!(read_all(&*log, PARTITION).await, blocks, "{call:?}");
    }
}

#[tokio::test]
async fn a_segment_whose_header_finds_no_room_when_it_is_synced_is_made_anew() {
    for extension in ["tmp", "seg"] {
        let disk = FakeDisk::new();
        let log = ensured(&disk).await;
        let mut blocks = fill(&*log, PARTITION, 2).await;
        for base in 2..4 {
            blocks.push(block(&*log, PARTITION, base, (1, 20_000)));
            append(&*log, blocks[base as usize].clone()).await;
        }
        // The next one begins a segment: its header is synced, and the index of the full one.
        disk.fail_sync_of(extension, ENOSPC);
        blocks.push(block(&*log, PARTITION, 4, (1, 20_000)));
        append(&*log, blocks[4].clone()).await;
        log.until_indexed();
        assert_eq!(log.health(), Ok(()), "{extension}");
        assert_eq!(read_all(&*log, PARTITION).await, blocks, "{extension}");
        assert_eq!(disk.faults_left(), 0, "{extension}");
        drop(log);
        let log = open(&disk.crash(&mut StdRng::seed_from_u64(1))).unwrap();
        assert_eq!(read_all(&*log, PARTITION).await, blocks, "{extension}");
    }
}

#[tokio::test]
async fn a_directory_whose_sync_failed_is_not_synced_again_for_the_same_segment() {
    let disk = FakeDisk::new();
    let log = ensured(&disk).await;
    let blocks = fill(&*log, PARTITION, 2).await;
    // Of the index, and of the segment.
    (0..2).for_each(|nth| disk.fail(Call::SyncDir, nth, ENOSPC));
    let large = (2..6).map(|base| block(&*log, PARTITION, base, (1, 20_000)));
    let pending = log.append(large.collect()).unwrap();
    assert_eq!(pending.await, Err(PendingError));
    let reason = log.health().unwrap_err();
    assert!(reason.contains("short") && !reason.contains("exists"), "{reason}");
    drop(log);
    let log = open(&disk.crash(&mut StdRng::seed_from_u64(1))).unwrap();
    assert_eq!(read_all(&*log, PARTITION).await, blocks);
}

#[tokio::test]
async fn a_segment_that_cannot_be_removed_stays_the_first_until_it_can() {
    let disk = FakeDisk::new();
    let log = open(&disk).unwrap();
    let retention = Retention { age: DAY, bytes: Some(30_000) };
    let spec = TopicSpec { id: PARTITION.topic, partitions: 1, retention };
    log.ensure_topic(&spec).await.unwrap();
    let mut base = 0;
    let mut grow = async || {
        for _ in 0..16 {
            append(&*log, block(&*log, PARTITION, base, (1, 20_000))).await;
            base += 1;
        }
        log.until_indexed();
    };
    let segments = |disk: &FakeDisk| {
        let is_one = |path: &Path| {
            path.to_string_lossy().contains("short/")
                && path.extension().is_some_and(|e| e == "seg")
        };
        disk.files().iter().filter(|(path, _)| is_one(path)).count()
    };
    grow().await;
    let full = segments(&disk);
    disk.fail(Call::Remove, 1, EIO);
    log.trim(NOW).await;
    assert_eq!(segments(&disk), full, "the first could not be removed, so that none was");
    grow().await;
    log.trim(NOW).await;
    assert!(segments(&disk) < full, "all of them, later");
    log.close().await;
    let report = check(&disk.copy(), Path::new("/data")).unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn while_a_write_waits_for_room_appends_are_refused_and_reads_and_commits_go_on() {
    let disk = FakeDisk::new();
    let log = ensured(&disk).await;
    let stored = fill(&*log, PARTITION, 2).await;
    // So often that the looks at the disk go on for a while.
    (0..10).for_each(|nth| disk.fail(Call::Write, nth, ENOSPC));
    let waiting = log.append(vec![block(&*log, PARTITION, 2, (1, 10))]).unwrap();
    while log.health().is_ok() {
        tokio::task::yield_now().await;
    }
    let refused = log.append(vec![block(&*log, PARTITION, 3, (1, 10))]).unwrap_err();
    assert_eq!(refused, AppendError::StorageFull);
    assert_eq!(read_all(&*log, PARTITION).await, stored);
    waiting.await.unwrap();
    commit(&*log, vec![set(Table::CURSORS, "key", "value")]).await;
    append(&*log, block(&*log, PARTITION, 3, (1, 10))).await;
    assert_eq!(log.health(), Ok(()));
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let disk = FakeDisk::new();
    let log = ensured(&disk).await;
    assert!(matches!(open(&disk), Err(OpenError::Locked(_))));
    log.close().await;
    assert!(open(&disk).is_ok());
}

#[tokio::test]
async fn a_failed_state_journal_refuses_commits_and_topics_only() {
    let disk = FakeDisk::new();
    let log = ensured(&disk).await;
    append_all(&*log, vec![block(&*log, PARTITION, 0, (1, 10))]).await;
    disk.fail(Call::Sync, 0, EIO);
    let pending = log.commit(log.term(), vec![set(Table::CURSORS, "key", "value")]).unwrap();
    assert_eq!(pending.await, Err(PendingError));
    assert_eq!(log.get(Table::CURSORS, b"key"), None);
    let refused = log.commit(log.term(), vec![set(Table::CURSORS, "key", "value")]).unwrap_err();
    assert_eq!(refused, CommitError::Append(AppendError::ReadOnly));
    assert!(log.ensure_topic(&topic(9, 1, DAY)).await.is_err());
    assert!(log.health().unwrap_err().contains(Journal::State.name()));
    append_all(&*log, vec![block(&*log, PARTITION, 1, (1, 10))]).await;
}

//! Nobody waits for an index, a segment stays until it has its own, and a large one is as good.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tidings_event::{ManualClock, Timestamp, TopicId, TopicPartition};
use tidings_telemetry::{Counter, Recorder, Timer};

use crate::disk::{Disk, DiskFile, OpenMode, SystemDisk};
use crate::embedded::journal::Stop;
use crate::embedded::tests::{block, options};
use crate::embedded::{EmbeddedLog, EmbeddedOptions, index};
use crate::partition_log::{Journal, PartitionLog, Retention, TopicSpec};

const P0: TopicPartition = TopicPartition::new(7, 0);
const AGE: Duration = Duration::from_secs(60);
/// Something is wrong after this.
const ENDS: Duration = Duration::from_secs(30);

/// A disk on which no index is begun while it is held.
#[derive(Default)]
struct Held {
    is_held: Mutex<bool>,
    /// Told when that changes, and when somebody comes to wait.
    told: Condvar,
    waiting: Mutex<usize>,
}

impl Held {
    fn hold(&self, is_held: bool) {
        *self.is_held.lock().unwrap() = is_held;
        self.told.notify_all();
    }

    fn until_one_waits(&self) {
        let mut held = self.is_held.lock().unwrap();
        while *self.waiting.lock().unwrap() == 0 {
            held = self.told.wait(held).unwrap();
        }
    }
}

impl Disk for Held {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        if path.extension().is_some_and(|extension| extension == "tmp") {
            let mut held = self.is_held.lock().unwrap();
            *self.waiting.lock().unwrap() += 1;
            self.told.notify_all();
            while *held {
                held = self.told.wait(held).unwrap();
            }
            *self.waiting.lock().unwrap() -= 1;
        }
        SystemDisk.open(path, mode)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        SystemDisk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(path)
    }

    fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        SystemDisk.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        SystemDisk.lock(path)
    }
}

/// Holds a disk; what fails meanwhile lets it go.
struct Holding(Arc<Held>);

impl Holding {
    fn begin(disk: &Arc<Held>) -> Self {
        disk.hold(true);
        Self(Arc::clone(disk))
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.0.hold(false);
    }
}

struct Rig {
    disk: Arc<Held>,
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    recorder: Arc<Recorder>,
}

impl Rig {
    fn new() -> Self {
        Self {
            disk: Arc::default(),
            dir: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(Timestamp(1_000_000))),
            recorder: Recorder::new(),
        }
    }

    fn open(&self, segment_bytes: u64) -> Arc<EmbeddedLog> {
        let options = EmbeddedOptions {
            segment_bytes_min: segment_bytes,
            segment_bytes_max: segment_bytes,
            ring_bytes: 0,
            ..options()
        };
        let (disk, clock) = (Arc::clone(&self.disk), Arc::clone(&self.clock));
        let recorder = Arc::clone(&self.recorder);
        EmbeddedLog::open(disk, self.dir.path(), options, clock, recorder).unwrap()
    }

    fn segment(&self, number: u32) -> PathBuf {
        self.dir.path().join(format!("short/{number:010}.seg"))
    }

    fn is_indexed(&self, number: u32) -> bool {
        index::path(&self.segment(number)).exists()
    }
}

async fn topic(log: &EmbeddedLog, partitions: u32) {
    let retention = Retention { age: AGE, bytes: None };
    log.ensure_topic(&TopicSpec { id: TopicId(7), partitions, retention }).await.unwrap();
}

/// Fills more than one segment of 16 KiB, up to ten offsets on.
async fn fill(log: &EmbeddedLog, from: u64) {
    let filled = Timer.limit(ENDS, async {
        for base in (from..from + 10).step_by(2) {
            log.append(vec![block(log, P0, base, &[1; 3000])]).unwrap().await.unwrap();
        }
    });
    assert!(filled.await.is_ok(), "acks wait for an index");
}

/// A log whose first segment is full, and held back from its index.
async fn held() -> (Rig, Arc<EmbeddedLog>, Holding) {
    let rig = Rig::new();
    let log = rig.open(16 << 10);
    topic(&log, 1).await;
    let holding = Holding::begin(&rig.disk);
    fill(&log, 0).await;
    rig.disk.until_one_waits();
    (rig, log, holding)
}

#[tokio::test(flavor = "multi_thread")]
async fn acks_do_not_wait_for_an_index_and_retention_does() {
    let (rig, log, holding) = held().await;
    assert!(rig.segment(2).exists() && !rig.is_indexed(1));
    rig.clock.advance(2 * AGE);
    log.trim(Timestamp(u64::MAX / 2)).await;
    assert_eq!(log.bounds(P0).unwrap().trim.0, 10);
    assert!(rig.segment(1).exists(), "removed under who indexes it");
    drop(holding);
    // Waits for those that wait for their index.
    log.close().await;
    drop(log);
    assert!(rig.is_indexed(1));
    let log = rig.open(16 << 10);
    log.trim(Timestamp(u64::MAX / 2)).await;
    assert!(!rig.segment(1).exists() && !rig.is_indexed(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_stop_as_it_is_no_further_index_is_written() {
    let (rig, log, holding) = held().await;
    fill(&log, 10).await;
    assert!(rig.segment(3).exists());
    log.journal(Journal::Short).core().stop = Some(Stop::Abrupt);
    drop(holding);
    // Waits for the threads.
    drop(log);
    assert!(!rig.is_indexed(2));
    let log = rig.open(16 << 10);
    assert!(rig.is_indexed(1) && rig.is_indexed(2));
    assert_eq!(log.bounds(P0).unwrap().durable_tail.0, 20);
}

#[tokio::test]
async fn an_index_of_many_pieces_is_believed() {
    const PARTITIONS: u32 = 500;
    let rig = Rig::new();
    let log = rig.open(1 << 20);
    topic(&log, PARTITIONS).await;
    let mut base = 0;
    while !rig.segment(2).exists() {
        let places = (0..PARTITIONS).map(|number| TopicPartition::new(7, number));
        let blocks = places.map(|place| block(&log, place, base, &[7; 100])).collect();
        log.append(blocks).unwrap().await.unwrap();
        base += 2;
    }
    log.close().await;
    drop(log);
    let size = fs::metadata(index::path(&rig.segment(1))).unwrap().len();
    assert!(size > 2 * index::PIECE_BYTES as u64, "{size}");
    // A start that walks the segment finds the damage.
    let mut bytes = fs::read(rig.segment(1)).unwrap();
    bytes[4096..8192].fill(0);
    fs::write(rig.segment(1), bytes).unwrap();
    let log = rig.open(1 << 20);
    assert_eq!(rig.recorder.counted(Counter::LogDamaged), 0, "it was walked");
    assert_eq!(log.bounds(P0).unwrap().durable_tail.0, base);
}

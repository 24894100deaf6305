//! Where the logs under test live.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tidings_event::ManualClock;
use tidings_log::conformance::Engine;
use tidings_log::conformance::fixture::NOW;
use tidings_log::disk::Disk;
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{EmbeddedLog, EmbeddedOptions, MemoryLog, PartitionLog, SystemDisk};
use tidings_telemetry::Recorder;

/// A log in memory, over its openings.
#[derive(Default)]
pub(crate) struct Memory(Option<Arc<MemoryLog>>);

impl Memory {
    fn limited(&mut self, log: Arc<MemoryLog>) -> Arc<dyn PartitionLog> {
        log.limit_queues(4 << 20);
        self.0 = Some(Arc::clone(&log));
        log
    }
}

#[async_trait]
impl Engine for Memory {
    async fn open(&mut self) -> Arc<dyn PartitionLog> {
        let log = match self.0.take() {
            Some(open) => {
                open.close().await;
                open.reopen()
            }
            None => MemoryLog::new(Arc::new(ManualClock::at(NOW))),
        };
        self.limited(log)
    }

    async fn crash(&mut self) -> Option<Arc<dyn PartitionLog>> {
        let log = self.0.take()?.reopen();
        Some(self.limited(log))
    }

    fn hold(&mut self) -> bool {
        self.0.as_ref().inspect(|log| log.hold()).is_some()
    }

    fn release(&mut self) {
        if let Some(log) = &self.0 {
            log.release_all();
        }
    }
}

/// Segments, ring and queue small enough that every case goes past them.
fn open(disk: Arc<dyn Disk>, dir: &Path) -> Arc<EmbeddedLog> {
    let options = EmbeddedOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 512 << 10,
        ring_bytes: 128 << 10,
        queue_bytes_max: 4 << 20,
        snapshot_bytes: 1 << 20,
        spare_bytes_max: 256 << 10,
        ..EmbeddedOptions::default()
    };
    let clock = Arc::new(ManualClock::at(NOW));
    EmbeddedLog::open(disk, dir, options, clock, Recorder::new()).unwrap()
}

/// A log on the system's disk, in a directory that goes with it.
pub(crate) struct OnSystemDisk {
    dir: tempfile::TempDir,
    open: Option<Arc<EmbeddedLog>>,
}

impl OnSystemDisk {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), open: None }
    }
}

#[async_trait]
impl Engine for OnSystemDisk {
    async fn open(&mut self) -> Arc<dyn PartitionLog> {
        if let Some(open) = self.open.take() {
            open.close().await;
        }
        let log = open(Arc::new(SystemDisk), self.dir.path());
        self.open = Some(Arc::clone(&log));
        log
    }

    async fn crash(&mut self) -> Option<Arc<dyn PartitionLog>> {
        None
    }

    fn hold(&mut self) -> bool {
        false
    }

    fn release(&mut self) {}
}

/// A log on the fake disk, whose crashes lose what a disk may lose.
pub(crate) struct OnFakeDisk {
    disk: FakeDisk,
    rng: StdRng,
    open: Option<Arc<EmbeddedLog>>,
}

impl OnFakeDisk {
    pub(crate) fn new() -> Self {
        Self { disk: FakeDisk::new(), rng: StdRng::seed_from_u64(0), open: None }
    }

    fn opened(&mut self) -> Arc<dyn PartitionLog> {
        let log = open(Arc::new(self.disk.clone()), &PathBuf::from("/data"));
        self.open = Some(Arc::clone(&log));
        log
    }
}

#[async_trait]
impl Engine for OnFakeDisk {
    async fn open(&mut self) -> Arc<dyn PartitionLog> {
        if let Some(open) = self.open.take() {
            open.close().await;
        }
        self.opened()
    }

    async fn crash(&mut self) -> Option<Arc<dyn PartitionLog>> {
        self.open.take()?;
        // The former instance goes on with the former disk.
        self.disk = self.disk.crash(&mut self.rng);
        Some(self.opened())
    }

    fn hold(&mut self) -> bool {
        self.disk.hold_syncs();
        true
    }

    fn release(&mut self) {
        self.disk.release_syncs();
    }
}

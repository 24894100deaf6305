//! The service as it is built in the binary, without its doors: log, catalog, admission, delivery.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidings_admit::{Admission, AdmitSettings};
use tidings_catalog::{Catalog, CatalogSettings};
use tidings_deliver::{Deliver, DeliverSettings};
use tidings_event::{Clock, TopicId};
use tidings_log::fake_disk::FakeDisk;
use tidings_log::{EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, StillLog};
use tidings_telemetry::{Recorder, Timer};

use crate::world::World;

/// Whose everything is.
pub(crate) const TENANT: &str = "default";

/// One life of the service.
pub(crate) struct Node {
    pub(crate) log: Arc<EmbeddedLog>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) deliver: Arc<Deliver>,
    clock: Arc<dyn Clock>,
}

/// Opens the log of a disk, with segments and snapshots so small that there are many of them.
pub(crate) fn open_log(disk: &FakeDisk, clock: Arc<dyn Clock>) -> Result<StillLog, OpenError> {
    let options = EmbeddedOptions {
        segment_bytes_min: 64 << 10,
        segment_bytes_max: 128 << 10,
        snapshot_bytes: 16 << 10,
        ring_bytes: 16 << 10,
        reserve_bytes: 1 << 20,
        ..EmbeddedOptions::default()
    };
    StillLog::open(Arc::new(disk.clone()), Path::new("/data"), options, clock, Recorder::new())
}

impl Node {
    /// Takes up what the log has.
    pub(crate) async fn open(
        log: Arc<EmbeddedLog>,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Result<Arc<Self>, String> {
        let shared = || Arc::clone(&log) as Arc<dyn PartitionLog>;
        let recorder = Recorder::new();
        let catalog = Catalog::open(shared(), CatalogSettings::default(), Arc::clone(&clock)).await;
        let catalog = catalog.map_err(|error| error.to_string())?;
        let admission = Admission::open(
            shared(),
            Arc::clone(&catalog),
            Arc::clone(&clock),
            Arc::clone(&recorder),
            AdmitSettings::default(),
        );
        let admission = admission.await.map_err(|error| error.to_string())?;
        let settings = DeliverSettings {
            live_bytes: 8 << 10,
            read_bytes: 4 << 10,
            cursor_interval: Duration::from_millis(5),
            seed,
            ..DeliverSettings::default()
        };
        let deliver =
            Deliver::open(shared(), Arc::clone(&catalog), Arc::clone(&clock), recorder, settings);
        let deliver = deliver.await.map_err(|error| error.to_string())?;
        Ok(Arc::new(Self { log, catalog, admission, deliver, clock }))
    }

    /// What the binary does from time to time: trim, and save what admission remembers.
    pub(crate) async fn keep(self: Arc<Self>, world: Arc<World>) {
        loop {
            world.pause(50_000..400_000).await;
            if world.one_in(2) {
                let trimmed = self.log.trim(self.clock.wall()).await;
                world.count("events trimmed", trimmed.iter().map(|(_, events)| events).sum());
            } else if self.admission.checkpoint().await.is_err() {
                Timer.after(Duration::from_millis(1)).await;
            }
        }
    }

    /// Stops in the order of the binary; the log comes last.
    pub(crate) async fn close(&self) {
        self.admission.close().await;
        self.deliver.close().await;
    }

    /// A topic's path.
    pub(crate) fn path(&self, topic: TopicId) -> String {
        let snapshot = self.catalog.snapshot();
        let found = snapshot.all_topics().find(|known| known.id == topic);
        found.map_or_else(|| format!("#{}", topic.0), |topic| topic.name.path().to_owned())
    }
}

//! The service as it is wired in the binary, without a port: all stages over a log on a real disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidings_admit::{Admission, AdmitSettings, Batch};
use tidings_catalog::{Catalog, CatalogSettings};
use tidings_deliver::{Deliver, DeliverSettings};
use tidings_event::{Clock, PartitionId, Refusal, SystemClock, TopicPartition};
use tidings_insight::{IntervalSettings, Intervals, IntervalsParts, Publish};
use tidings_log::{EmbeddedLog, EmbeddedOptions, PartitionLog, SystemDisk};
use tidings_serve::{Inside, Limits, Origins, Parts, ShownConfig};
use tidings_telemetry::{Counter, Memory, Recorder};
use tokio_util::sync::CancellationToken;

use crate::error::GateError;

/// No heartbeat falls into what is measured.
const HEARTBEAT: Duration = Duration::from_secs(3_600);

/// A running service.
pub(crate) struct Node {
    parts: Parts,
    pub(crate) inside: Inside,
    stop: CancellationToken,
}

/// The way in, for events of the service itself.
struct Door(Arc<Admission>);

#[async_trait::async_trait]
impl Publish for Door {
    async fn publish(
        &self,
        tenant: &str,
        body: bytes::Bytes,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        let outcomes = self.0.publish(tenant, Batch { body, ..Batch::default() }).await?;
        let stored = outcomes.into_iter().map(|outcome| outcome.map(drop).map_err(|r| r.refusal));
        Ok(stored.collect())
    }
}

fn failed(stage: &'static str) -> impl FnOnce(String) -> GateError {
    move |reason| GateError::Open { stage, reason }
}

impl Node {
    /// Opens everything over what a directory holds.
    pub(crate) async fn open(dir: &Path) -> Result<Self, GateError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let recorder = Recorder::new();
        let (disk, options) = (Arc::new(SystemDisk), EmbeddedOptions::default());
        let (time, counts) = (Arc::clone(&clock), Arc::clone(&recorder));
        let log: Arc<dyn PartitionLog> = EmbeddedLog::open(disk, dir, options, time, counts)
            .map_err(|error| failed("the log")(error.to_string()))?;
        let shared = || (Arc::clone(&log), Arc::clone(&clock));
        let (of, time) = shared();
        let catalog = Catalog::open(of, CatalogSettings::default(), time).await;
        let catalog = catalog.map_err(|error| failed("the catalog")(error.to_string()))?;
        let with = || (Arc::clone(&catalog), Arc::clone(&clock), Arc::clone(&recorder));
        let (topics, time, counts) = with();
        let settings = AdmitSettings::default();
        let admission = Admission::open(shared().0, topics, time, counts, settings).await;
        let admission = admission.map_err(|error| failed("admission")(error.to_string()))?;
        let (topics, time, counts) = with();
        let settings = DeliverSettings::default();
        let deliver = Deliver::open(shared().0, topics, time, counts, settings).await;
        let deliver = deliver.map_err(|error| failed("delivery")(error.to_string()))?;
        let (catalog, time, counts) = with();
        let publish = Arc::new(Door(Arc::clone(&admission)));
        let follows = IntervalsParts {
            log: shared().0,
            catalog: Arc::clone(&catalog),
            clock: time,
            recorder: counts,
            publish,
        };
        // As shipped: nothing is declared, and nothing learned.
        let settings = IntervalSettings { learn_from: 0, ..IntervalSettings::default() };
        let intervals = Intervals::open(follows, settings)
            .map_err(|error| failed("intervals")(error.to_string()))?;
        let parts = Parts {
            admission,
            deliver,
            catalog,
            intervals: Some(intervals),
            log,
            recorder,
            clock,
            standing: None,
            limits: Limits { heartbeat: HEARTBEAT, ..Limits::default() }.into(),
            config: ShownConfig::default(),
            origins: Origins::default(),
            memory: Memory::default(),
            give_back: || {},
        };
        let stop = CancellationToken::new();
        Ok(Self { inside: Inside::open(parts.clone(), stop.clone()).await, parts, stop })
    }

    /// What it counted of something.
    pub(crate) fn counted(&self, counter: Counter) -> u64 {
        self.parts.recorder.counted(counter)
    }

    /// How many events its log holds.
    pub(crate) fn stored(&self) -> Result<u64, GateError> {
        let topics = self.parts.catalog.snapshot();
        let mut events = 0;
        for topic in topics.all_topics() {
            for partition in (0..topic.partitions).map(PartitionId) {
                let bounds = self.parts.log.bounds(TopicPartition { topic: topic.id, partition });
                let bounds = bounds.map_err(|error| failed("the log")(error.to_string()))?;
                events += bounds.tail.0 - bounds.trim.0;
            }
        }
        Ok(events)
    }

    /// Stops in the order of the binary; the log comes last.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        if let Some(intervals) = &self.parts.intervals {
            intervals.close().await;
        }
        self.parts.admission.close().await;
        self.parts.deliver.close().await;
        self.parts.log.close().await;
    }
}

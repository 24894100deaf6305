//! Admission: what it owns, how it opens and closes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_catalog::Catalog;
use tidings_event::{Clock, Code, Offset, Refusal, Timestamp, TopicPartition};
use tidings_log::PartitionLog;
use tidings_telemetry::Recorder;
use tokio_util::task::TaskTracker;

use crate::batch::{AdmitError, AdmitSettings};
use crate::capacity::{Usage, Waiting};
use crate::cells::Seeds;
use crate::checkpoint::Progress;
use crate::connections::Connections;
use crate::key_sequences::KeySequences;
use crate::place::Routes;
use crate::producers::ProducerLimits;
use crate::quiet::Quiet;
use crate::rebuild;
use crate::settle::Watch;
use crate::turns::Turns;
use crate::window::{Window, identity, tenant_seed};

/// The way in.
pub struct Admission {
    pub(crate) log: Arc<dyn PartitionLog>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) settings: AdmitSettings,
    pub(crate) routes: Routes,
    pub(crate) seeds: Seeds,
    // Locked after cells, never before.
    pub(crate) window: Mutex<Window>,
    // Locked after cells and the window, never before.
    pub(crate) keys: Mutex<KeySequences>,
    pub(crate) quiet_keys: Quiet,
    pub(crate) quiet_definitions: Quiet,
    pub(crate) connections: Arc<Connections>,
    /// Of batches without a producer, so much is taken in between two turns of everybody else.
    pub(crate) turns: Turns,
    /// How much of the measured capacity is used, where it was measured.
    pub(crate) usage: Option<Mutex<Usage>>,
    /// Who was refused because a queue was full.
    pub(crate) waiting: Waiting,
    pub(crate) granting: tokio::sync::Mutex<()>,
    pub(crate) progress: tokio::sync::Mutex<Progress>,
    pub(crate) appended_bytes: std::sync::atomic::AtomicU64,
    /// Waits for what sampled events become.
    pub(crate) tracing: TaskTracker,
    /// Of what was taken in.
    newest: Mutex<Timestamp>,
    closed: AtomicBool,
}

impl Admission {
    /// Opens admission over a log: rebuilds what it remembers of producers and ids from the last
    /// checkpoint and the blocks stored since.
    ///
    /// # Errors
    /// When a record or the log cannot be read.
    pub async fn open(
        log: Arc<dyn PartitionLog>,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        recorder: Arc<Recorder>,
        settings: AdmitSettings,
    ) -> Result<Arc<Self>, AdmitError> {
        let rebuilt = rebuild::rebuild(&*log, &catalog, &*clock, &settings).await?;
        let usage = settings
            .capacity
            .map(|capacity| Mutex::new(Usage::of(capacity, clock.monotonic(), &recorder)));
        Ok(Arc::new(Self {
            routes: Routes::new(Arc::clone(&catalog)),
            log,
            catalog,
            clock,
            usage,
            waiting: Waiting::default(),
            recorder,
            settings,
            seeds: Mutex::new(rebuilt.producers),
            window: Mutex::new(rebuilt.window),
            keys: Mutex::new(rebuilt.keys),
            quiet_keys: Quiet::default(),
            quiet_definitions: Quiet::default(),
            connections: Arc::default(),
            turns: Turns::default(),
            granting: tokio::sync::Mutex::new(()),
            progress: tokio::sync::Mutex::new(rebuilt.progress),
            appended_bytes: std::sync::atomic::AtomicU64::new(rebuilt.unsaved_bytes),
            tracing: TaskTracker::new(),
            newest: Mutex::new(rebuilt.newest),
            closed: AtomicBool::new(false),
        }))
    }

    /// What it runs with.
    #[must_use]
    pub fn settings(&self) -> &AdmitSettings {
        &self.settings
    }

    /// Where an event of a publisher without a producer id is, while its id is remembered.
    #[must_use]
    pub fn find(
        &self,
        tenant: &str,
        source: &str,
        id: &[u8; 16],
    ) -> Option<(TopicPartition, Offset)> {
        let hash = identity(tenant_seed(tenant), source, id);
        self.window.lock().unwrap_or_else(PoisonError::into_inner).get(hash)
    }

    /// Takes nothing more in, and saves what is remembered.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if let Err(error) = self.checkpoint().await {
            tracing::warn!(%error, "producers were not saved; the next start reads more of the log");
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), Refusal> {
        if self.closed.load(Ordering::SeqCst) {
            return Err(Refusal::new(Code::ShuttingDown, "no more events are taken in"));
        }
        Ok(())
    }

    pub(crate) fn watch(&self) -> Watch {
        let started = self.clock.monotonic();
        Watch { clock: Arc::clone(&self.clock), recorder: Arc::clone(&self.recorder), started }
    }

    /// The ingest time of something taken in now: never before another's.
    pub(crate) fn ingest_time(&self) -> Timestamp {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = self.log.time().max(*newest);
        *newest
    }

    pub(crate) fn newest_ingest(&self) -> Timestamp {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn producer_limits(&self) -> ProducerLimits {
        let (producers, idle) = (self.settings.producers_max, self.settings.producer_idle);
        ProducerLimits { producers, idle }
    }

    /// Opens the cells of every partition whose producers are remembered.
    pub(crate) fn use_seeds(&self) {
        let seeds = self.seeds.lock().unwrap_or_else(PoisonError::into_inner);
        let places: Vec<TopicPartition> = seeds.keys().copied().collect();
        drop(seeds);
        for place in places {
            if let Some(route) = self.routes.by_id(place.topic) {
                // A partition that is gone has nothing to remember.
                let _cell =
                    route.cells.lock(&route.topic, place.partition, &*self.log, &self.seeds);
            }
        }
    }
}

/// Seconds of a monotonic time, for the window; enough for 136 years.
pub(crate) fn seconds(monotonic: Duration) -> u32 {
    u32::try_from(monotonic.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

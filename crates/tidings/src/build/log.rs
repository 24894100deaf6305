//! The log, by whoever keeps it.

use std::sync::Arc;

use tidings_log::{EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, SystemDisk};
use tidings_log_pulsar::{OpenError as PulsarError, PulsarLog, PulsarOptions};

use super::Shared;
use crate::config::{Config, Engine};
use crate::failure::Failure;
use crate::moved::Moved;

/// With a small memory budget each journal's queue and ring take at most these parts of it.
const PARTS: (u64, u64) = (32, 16);

/// Opens it; this may wait: for room on a disk that is full, for a broker that does not answer yet.
pub(crate) async fn open(
    config: &Config,
    shared: &Shared,
) -> Result<Arc<dyn PartitionLog>, Failure> {
    match &config.engine {
        Engine::Embedded => embedded(config, shared),
        Engine::Pulsar(options) => {
            let opened = pulsar(config, options, shared).await;
            Ok(opened.map_err(|error| refused(&error))?)
        }
    }
}

/// Most bytes of each journal's queue and ring.
pub(crate) fn sizes(config: &Config) -> (u64, usize) {
    let (queue, ring) = (config.memory_budget / PARTS.0, config.memory_budget / PARTS.1);
    let ring = usize::try_from(ring).unwrap_or(usize::MAX);
    (config.log.queue_bytes_max.min(queue), config.log.ring_bytes.min(ring))
}

fn embedded(config: &Config, shared: &Shared) -> Result<Arc<dyn PartitionLog>, Failure> {
    if let Some(moved) = Moved::find(&config.data_dir) {
        return Err(Failure::Failed(format!("{moved}; {}", moved.remedy())));
    }
    let (queue_bytes_max, ring_bytes) = sizes(config);
    let options = EmbeddedOptions {
        segment_bytes_min: config.log.segment_bytes_min,
        segment_bytes_max: config.log.segment_bytes_max,
        spare_bytes_max: config.log.spare_bytes_max,
        journal_bytes_max: config.log.journal_bytes_max,
        queue_bytes_max,
        ring_bytes,
        ..EmbeddedOptions::default()
    };
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    let log = EmbeddedLog::open(Arc::new(SystemDisk), &config.data_dir, options, clock, recorder);
    Ok(log.map_err(|error| match error {
        OpenError::Damaged { .. } => Failure::Damaged(format!(
            "{error}; `tidings check {}` says what is lost",
            config.data_dir.display()
        )),
        other => Failure::failed(other),
    })?)
}

/// Opens a log on Pulsar, by a granted term where the options name one.
pub(crate) async fn pulsar(
    config: &Config,
    options: &PulsarOptions,
    shared: &Shared,
) -> Result<Arc<PulsarLog>, PulsarError> {
    let (queue_bytes_max, ring_bytes) = sizes(config);
    let options = PulsarOptions { queue_bytes_max, ring_bytes, ..options.clone() };
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    tracing::info!(url = options.url, namespace = options.namespace, "opens the log on Pulsar");
    let log = PulsarLog::open(options, clock, recorder).await?;
    tracing::info!(term = log.term().0, "has the log");
    Ok(log)
}

/// Why a log on Pulsar did not open, and what to do.
pub(crate) fn refused(error: &PulsarError) -> Failure {
    let remedy = match error {
        PulsarError::Unreachable { .. } => {
            "start it, or correct engine.pulsar.url and engine.pulsar.admin_url; `tidings doctor` looks at it"
        }
        PulsarError::Link { fault, .. } => fault.remedy(),
        PulsarError::Credential(_) => "correct it, or what `engine.pulsar` says of it",
        PulsarError::Refused { .. } => {
            "its own log says more; `tidings doctor` looks at how it is set"
        }
        PulsarError::Taken => "stop the other one, or name another engine.pulsar.namespace",
        PulsarError::Outdated { .. } => "another node has the log: its own log says more",
        PulsarError::Unkept(_) => "`tidings doctor` looks again",
        PulsarError::Unfinished { .. } => {
            "run `tidings migrate` again until it says that it has finished, or name another engine.pulsar.namespace"
        }
        PulsarError::Finished { .. } => "set `engine.kind` to pulsar, and start the service",
        PulsarError::Occupied { .. } => {
            "name another engine.pulsar.namespace, or delete this one if nobody needs what it holds"
        }
        PulsarError::Unreadable { .. } => {
            let detail = format!("{error}; docs/operate/pulsar.md says how a log is restored");
            return Failure::Damaged(detail);
        }
    };
    Failure::Failed(format!("{error}; {remedy}"))
}

//! The embedded log.

use std::sync::Arc;

use tidings_log::{EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, SystemDisk};

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// With a small memory budget each journal's queue and ring take at most these parts of it.
const PARTS: (u64, u64) = (32, 16);

pub(crate) fn open(config: &Config, shared: &Shared) -> Result<Arc<dyn PartitionLog>, Failure> {
    let (queue, ring) = (config.memory_budget / PARTS.0, config.memory_budget / PARTS.1);
    let options = EmbeddedOptions {
        segment_bytes_min: config.log.segment_bytes_min,
        segment_bytes_max: config.log.segment_bytes_max,
        journal_bytes_max: config.log.journal_bytes_max,
        queue_bytes_max: config.log.queue_bytes_max.min(queue),
        ring_bytes: config.log.ring_bytes.min(usize::try_from(ring).unwrap_or(usize::MAX)),
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

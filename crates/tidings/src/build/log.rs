//! The embedded log.

use std::sync::Arc;

use tidings_log::{EmbeddedLog, EmbeddedOptions, OpenError, PartitionLog, SystemDisk};

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// With a small memory budget each journal's queue and ring take at most this part of it.
const PART: u64 = 16;

pub(crate) fn open(config: &Config, shared: &Shared) -> Result<Arc<dyn PartitionLog>, Failure> {
    let part = config.memory_budget / PART;
    let options = EmbeddedOptions {
        segment_bytes_min: config.log.segment_bytes_min,
        segment_bytes_max: config.log.segment_bytes_max,
        journal_bytes_max: config.log.journal_bytes_max,
        queue_bytes_max: config.log.queue_bytes_max.min(part),
        ring_bytes: config.log.ring_bytes.min(usize::try_from(part).unwrap_or(usize::MAX)),
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

//! Admission.

use std::num::NonZeroU64;
use std::sync::Arc;

use tidings_admit::{Admission, AdmitSettings, DefinitionPolicy, WINDOW_ID_BYTES};
use tidings_catalog::Catalog;
use tidings_log::PartitionLog;

use super::Shared;
use crate::capacity::Capacity;
use crate::config::Config;
use crate::failure::Failure;

/// With a small memory budget the ids by which repeats are found take at most this part of it.
const PART: u64 = 16;

/// What the machine was measured to take, where it was.
fn capacity(config: &Config) -> Result<Option<NonZeroU64>, Failure> {
    let (file, is_named) = config.capacity_file();
    let read = Capacity::read(&file).map_err(|error| Failure::Usage(error.to_string()))?;
    let Some(capacity) = read else {
        if is_named {
            let file = file.display();
            let problem = format!("`admission.capacity_file` is {file}, which is not there");
            return Err(Failure::Usage(problem));
        }
        return Ok(None);
    };
    tracing::info!(file = %file.display(), %capacity, "capacity file");
    Ok(NonZeroU64::new(capacity.events_per_second))
}

fn settings(config: &Config, capacity: Option<NonZeroU64>) -> AdmitSettings {
    let definition_conflict = match config.admission.definition_conflict.as_str() {
        "warn" => DefinitionPolicy::Warn,
        _ => DefinitionPolicy::Refuse,
    };
    let key_sequences_max = config.admission.key_sequences_max;
    let default = AdmitSettings::default();
    let ids = config.memory_budget / PART / WINDOW_ID_BYTES;
    let window_ids = default.window_ids.min(usize::try_from(ids).unwrap_or(usize::MAX));
    AdmitSettings { definition_conflict, key_sequences_max, window_ids, capacity, ..default }
}

pub(crate) async fn open(
    config: &Config,
    log: &Arc<dyn PartitionLog>,
    catalog: &Arc<Catalog>,
    shared: &Shared,
) -> Result<Arc<Admission>, Failure> {
    let settings = settings(config, capacity(config)?);
    let (log, catalog) = (Arc::clone(log), Arc::clone(catalog));
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    let opened = Admission::open(log, catalog, clock, recorder, settings).await;
    opened.map_err(Failure::failed)
}

//! Admission.

use std::sync::Arc;

use tidings_admit::{Admission, AdmitSettings, DefinitionPolicy, WINDOW_ID_BYTES};
use tidings_catalog::Catalog;
use tidings_log::PartitionLog;

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// With a small memory budget the ids by which repeats are found take at most this part of it.
const PART: u64 = 16;

fn settings(config: &Config) -> AdmitSettings {
    let definition_conflict = match config.admission.definition_conflict.as_str() {
        "warn" => DefinitionPolicy::Warn,
        _ => DefinitionPolicy::Refuse,
    };
    let key_sequences_max = config.admission.key_sequences_max;
    let default = AdmitSettings::default();
    let ids = config.memory_budget / PART / WINDOW_ID_BYTES;
    let window_ids = default.window_ids.min(usize::try_from(ids).unwrap_or(usize::MAX));
    AdmitSettings { definition_conflict, key_sequences_max, window_ids, ..default }
}

pub(crate) async fn open(
    config: &Config,
    log: &Arc<dyn PartitionLog>,
    catalog: &Arc<Catalog>,
    shared: &Shared,
) -> Result<Arc<Admission>, Failure> {
    let (log, catalog) = (Arc::clone(log), Arc::clone(catalog));
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    let opened = Admission::open(log, catalog, clock, recorder, settings(config)).await;
    opened.map_err(Failure::failed)
}

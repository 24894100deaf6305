//! The catalog.

use std::sync::Arc;

use tidings_catalog::{Catalog, CatalogSettings};
use tidings_log::PartitionLog;

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// What the configuration says about topics.
pub(crate) fn settings(config: &Config) -> CatalogSettings {
    CatalogSettings {
        timeframes: config.topics.timeframes.clone(),
        partitions: config.topics.partitions,
        topics_max: config.limits.topics,
        definitions_max: config.admission.definitions_max,
        ..CatalogSettings::default()
    }
}

pub(crate) async fn open(
    config: &Config,
    log: &Arc<dyn PartitionLog>,
    shared: &Shared,
) -> Result<Arc<Catalog>, Failure> {
    let settings = settings(config);
    let opened = Catalog::open(Arc::clone(log), settings, Arc::clone(&shared.clock)).await;
    opened.map_err(|error| match error {
        tidings_catalog::CatalogError::Damaged { .. } => Failure::Damaged(error.to_string()),
        tidings_catalog::CatalogError::Setting { .. } => Failure::Usage(error.to_string()),
        other => Failure::failed(other),
    })
}

//! Delivery.

use std::sync::Arc;

use tidings_catalog::Catalog;
use tidings_deliver::{Deliver, DeliverSettings, IN_FLIGHT_BYTES};
use tidings_log::PartitionLog;

use super::Shared;
use crate::config::Config;
use crate::failure::Failure;

/// What events in flight take together may be this part of the memory budget, before consumers that settle
/// nothing get no more.
const PART: u64 = 8;

pub(crate) async fn open(
    config: &Config,
    log: &Arc<dyn PartitionLog>,
    catalog: &Arc<Catalog>,
    shared: &Shared,
) -> Result<Arc<Deliver>, Failure> {
    let (log, catalog) = (Arc::clone(log), Arc::clone(catalog));
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    let in_flight_max = config.memory_budget / PART / IN_FLIGHT_BYTES;
    let (health, default) = (config.health, DeliverSettings::default());
    let settings = DeliverSettings { seed: rand::random(), health, in_flight_max, ..default };
    let opened = Deliver::open(log, catalog, clock, recorder, settings).await;
    opened.map_err(|error| Failure::Damaged(error.to_string()))
}

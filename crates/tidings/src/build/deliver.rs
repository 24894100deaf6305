//! Delivery.

use std::sync::Arc;

use tidings_catalog::Catalog;
use tidings_deliver::{Deliver, DeliverSettings, Thresholds};
use tidings_log::PartitionLog;

use super::Shared;
use crate::failure::Failure;

pub(crate) async fn open(
    log: &Arc<dyn PartitionLog>,
    catalog: &Arc<Catalog>,
    shared: &Shared,
    health: Thresholds,
) -> Result<Arc<Deliver>, Failure> {
    let (log, catalog) = (Arc::clone(log), Arc::clone(catalog));
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    let settings = DeliverSettings { seed: rand::random(), health, ..DeliverSettings::default() };
    let opened = Deliver::open(log, catalog, clock, recorder, settings).await;
    opened.map_err(|error| Failure::Damaged(error.to_string()))
}

//! Admission.

use std::sync::Arc;

use tidings_admit::{Admission, AdmitSettings};
use tidings_catalog::Catalog;
use tidings_log::PartitionLog;

use super::Shared;
use crate::failure::Failure;

pub(crate) async fn open(
    log: &Arc<dyn PartitionLog>,
    catalog: &Arc<Catalog>,
    shared: &Shared,
) -> Result<Arc<Admission>, Failure> {
    let (log, catalog) = (Arc::clone(log), Arc::clone(catalog));
    let (clock, recorder) = (Arc::clone(&shared.clock), Arc::clone(&shared.recorder));
    let opened = Admission::open(log, catalog, clock, recorder, AdmitSettings::default()).await;
    opened.map_err(Failure::failed)
}

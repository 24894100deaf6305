//! What a subscription may say and the service does not do yet: refused by name, never ignored.

use tidings_catalog::{Compression, SubscriptionSpec};
use tidings_event::Refusal;
use tidings_wire::input::not_available;

/// Refuses what is not served yet.
pub(crate) fn check(spec: &SubscriptionSpec) -> Result<(), Refusal> {
    let wanted = [("batch.compression", spec.batching.compression != Compression::None)];
    match wanted.iter().find(|(_, wanted)| *wanted) {
        None => Ok(()),
        Some((field, _)) => Err(not_available(field, format!("`{field}` is not served yet"))),
    }
}

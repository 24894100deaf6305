//! An edge's subscription: made, or made to ask for what is declared.

use tidings_catalog::{Applied, Catalog, Precondition, SubscriptionSpec};
use tidings_event::Refusal;
use tidings_event::topic_name::DEFAULT_TENANT;

use crate::settings::EdgeSettings;

/// Has the subscription be there and ask for what the settings say. What they do not speak of stays as it is, where it
/// starts included: that counts when it is made.
///
/// # Errors
/// What the catalog refuses.
pub(crate) async fn declare(catalog: &Catalog, settings: &EdgeSettings) -> Result<(), Refusal> {
    let wanted = settings.spec();
    let name = wanted.name.clone();
    let applied = if catalog.snapshot().subscription(DEFAULT_TENANT, &name).is_none() {
        catalog.create_subscription(DEFAULT_TENANT, wanted).await?
    } else {
        let change = move |found: &SubscriptionSpec| {
            let SubscriptionSpec { topics, filter, max_in_flight, owner, .. } = wanted;
            Ok(SubscriptionSpec { topics, filter, max_in_flight, owner, ..found.clone() })
        };
        catalog.update_subscription(DEFAULT_TENANT, &name, change, Precondition::None).await?
    };
    match applied {
        Applied::Created(_) => tracing::info!(subscription = name, "made an edge's subscription"),
        Applied::Updated(_) => tracing::info!(subscription = name, "changed it as is declared"),
        Applied::Same(_) => {}
    }
    Ok(())
}

//! Subscriptions as every door reads and finds them.

pub(crate) mod document;
pub(crate) mod patch;
pub(crate) mod terms;
pub(crate) mod trial;

use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{
    Boundary, DeliveryKind, Subscription, SubscriptionId, SubscriptionSpec, TopicPattern,
};
use tidings_event::{Code, Refusal, Timestamp};

use crate::doors::Doors;

/// When an unsettled event is given out again, unless a subscription says otherwise.
pub(crate) const ACK_DEADLINE: Duration = Duration::from_secs(30);

/// Most events in flight, unless a subscription says otherwise.
pub(crate) const fn max_in_flight(delivery: DeliveryKind) -> u32 {
    match delivery {
        DeliveryKind::Pull => 1_024,
        DeliveryKind::Stream => 65_536,
    }
}

/// Topic patterns from their texts.
pub(crate) fn patterns(texts: &[String]) -> Result<Vec<TopicPattern>, Refusal> {
    let parsed = texts.iter().enumerate().map(|(at, text)| {
        TopicPattern::parse(text).map_err(|refusal| refusal.at_field(format!("topics[{at}]")))
    });
    parsed.collect()
}

/// What a subscription would be that asked for this: nothing of it is made.
pub(crate) fn preview(tenant: &str, spec: SubscriptionSpec) -> Result<Subscription, Refusal> {
    spec.check()?;
    Ok(Subscription {
        id: SubscriptionId(0),
        tenant: tenant.into(),
        spec,
        created_at: Timestamp(0),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: Vec::new(),
    })
}

/// A subscription of the caller.
pub(crate) fn found(doors: &Doors, tenant: &str, name: &str) -> Result<Arc<Subscription>, Refusal> {
    let snapshot = doors.parts.catalog.snapshot();
    snapshot.subscription(tenant, name).map(Arc::clone).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        Refusal::new(Code::SubscriptionUnknown, format!("there is no subscription `{shown}`"))
    })
}

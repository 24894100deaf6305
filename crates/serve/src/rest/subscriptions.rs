//! `/api/v1/subscriptions`.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::StatusCode;
use tidings_catalog::{Applied, Subscription};
use tidings_event::{Code, Refusal};
use tidings_wire::rest::{
    PartitionStatusDocument, StatusDocument, SubscriptionListDocument, SubscriptionRequest,
};

use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::page::Page;
use crate::rest::subscription_document::{document, spec};

pub(crate) async fn list(ask: Ask) -> Answer {
    let page = Page::of(&ask.query)?;
    ask.query.end()?;
    let parts = &ask.doors.parts;
    let snapshot = parts.catalog.snapshot();
    let mine = snapshot.subscriptions().filter(|s| s.tenant == ask.tenant());
    let (subscriptions, next) = page.cut(mine, |subscription| subscription.spec.name.as_str());
    let epoch = parts.log.epoch();
    let subscriptions = subscriptions.into_iter().map(|s| document(s, epoch)).collect();
    json(StatusCode::OK, &SubscriptionListDocument { subscriptions, next })
}

pub(crate) async fn create(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let wanted: SubscriptionRequest = ask.document().await?;
    let parts = &ask.doors.parts;
    let applied = parts.catalog.create_subscription(ask.tenant(), spec(wanted)?).await?;
    let (status, subscription) = match applied {
        Applied::Created(subscription) => (StatusCode::CREATED, subscription),
        Applied::Same(subscription) | Applied::Updated(subscription) => {
            (StatusCode::OK, subscription)
        }
    };
    json(status, &document(&subscription, parts.log.epoch()))
}

pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    let subscription = found(&ask)?;
    json(StatusCode::OK, &document(&subscription, ask.doors.parts.log.epoch()))
}

pub(crate) async fn delete(ask: Ask) -> Answer {
    ask.query.end()?;
    let name = ask.param("name");
    ask.doors.parts.catalog.delete_subscription(ask.tenant(), name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn status(ask: Ask) -> Answer {
    ask.query.end()?;
    let subscription = found(&ask)?;
    let parts = &ask.doors.parts;
    let status = parts.deliver.status(ask.tenant(), &subscription.spec.name)?;
    let snapshot = parts.catalog.snapshot();
    let partitions = status.low_water.iter().map(|position| PartitionStatusDocument {
        topic: snapshot
            .topic_by_id(position.topic)
            .map_or_else(String::new, |topic| topic.name.path().to_owned()),
        partition: position.partition.0,
        settled_below: position.offset.0,
    });
    let document = StatusDocument {
        name: subscription.spec.name.clone(),
        state: status.state.as_str().to_owned(),
        consumer: status.consumer,
        lag_events: status.lag_events,
        in_flight: status.in_flight,
        partitions: partitions.collect(),
    };
    json(StatusCode::OK, &document)
}

fn found(ask: &Ask) -> Result<Arc<Subscription>, Refusal> {
    let name = ask.param("name");
    let snapshot = ask.doors.parts.catalog.snapshot();
    snapshot.subscription(ask.tenant(), name).map(Arc::clone).ok_or_else(|| {
        let shown: String = name.chars().take(80).collect();
        Refusal::new(Code::SubscriptionUnknown, format!("there is no subscription `{shown}`"))
    })
}

//! `/api/v1/subscriptions`.

use std::sync::Arc;

use axum::response::IntoResponse;
use http::StatusCode;
use tidings_catalog::{Applied, Subscription};
use tidings_event::Refusal;
use tidings_wire::rest::{
    MemberDocument, PartitionStatusDocument, StatusDocument, SubscriptionDocument,
    SubscriptionListDocument, SubscriptionRequest,
};

use crate::page::List;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::subscribing;
use crate::subscribing::document::{document, saved, spec};

/// Lists subscriptions
#[utoipa::path(
    get, path = "/api/v1/subscriptions", operation_id = "list_subscriptions", tag = "subscriptions",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most entries; 100 by default."),
        ("cursor" = Option<String>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "A part of the list.", body = SubscriptionListDocument),
    ),
    extensions(("x-codes" = json!(["CURSOR_INVALID"]))),
)]
pub(crate) async fn list(ask: Ask) -> Answer {
    let page = ask.page(List::Subscriptions)?;
    ask.query.end()?;
    let parts = &ask.doors.parts;
    let snapshot = parts.catalog.snapshot();
    let mine = snapshot.subscriptions().filter(|s| *s.tenant == *ask.tenant());
    let (subscriptions, next) = page.cut(mine, |subscription| subscription.spec.name.as_str());
    let epoch = parts.log.epoch();
    let subscriptions = subscriptions.into_iter().map(|s| document(s, epoch)).collect();
    json(StatusCode::OK, &SubscriptionListDocument { subscriptions, next })
}

/// Creates a subscription; the same again does nothing
#[utoipa::path(
    post, path = "/api/v1/subscriptions", operation_id = "create_subscription", tag = "subscriptions",
    params(
        ("dry_run" = Option<bool>, Query, description = "Only says what would be made."),
    ),
    request_body(
        content = SubscriptionRequest,
        example = json!({
            "name": "desk", "topics": ["analysis/**"], "start": "earliest",
            "delivery": {"pull": {}}, "labels": {"team": "a"},
        }),
    ),
    responses(
        (status = 201, description = "It was created.", body = SubscriptionDocument),
        (status = 200, description = "It was there, just so; or nothing was made, as asked.", body = SubscriptionDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "SUBSCRIPTION_EXISTS", "SUBSCRIPTION_NAME_INVALID", "PATTERN_INVALID", "FILTER_INVALID", "FILTER_TYPE", "POSITION_INVALID", "REBUILDING"]))),
)]
pub(crate) async fn create(mut ask: Ask) -> Answer {
    let is_dry_run = ask.is_dry_run()?;
    let wanted: SubscriptionRequest = ask.document().await?;
    let spec = spec(wanted)?;
    let parts = &ask.doors.parts;
    if is_dry_run {
        let would_be = subscribing::preview(ask.tenant(), spec)?;
        return json(StatusCode::OK, &saved(&would_be, parts.log.epoch()));
    }
    let applied = parts.catalog.create_subscription(ask.tenant(), spec).await?;
    let (status, subscription) = match applied {
        Applied::Created(subscription) => (StatusCode::CREATED, subscription),
        Applied::Same(subscription) | Applied::Updated(subscription) => {
            (StatusCode::OK, subscription)
        }
    };
    let document = saved(&subscription, parts.log.epoch());
    ask.resource(status, &document, &document.etag)
}

/// Shows a subscription
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{name}", operation_id = "show_subscription", tag = "subscriptions",
    params(
        ("if-none-match" = Option<String>, Header, description = "Tags that the reader has: 304 when one is current."),
    ),
    responses(
        (status = 200, description = "The subscription; its tag is in `etag`.", body = SubscriptionDocument),
        (status = 304, description = "The reader has it."),
    ),
    extensions(("x-codes" = json!(["SUBSCRIPTION_UNKNOWN"]))),
)]
pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    let document = document(&*found(&ask)?, ask.doors.parts.log.epoch());
    ask.resource(StatusCode::OK, &document, &document.etag)
}

/// Deletes a subscription and its progress
#[utoipa::path(
    delete, path = "/api/v1/subscriptions/{name}", operation_id = "delete_subscription", tag = "subscriptions",
    params(
        ("if-match" = Option<String>, Header, description = "Tag that must be current, else 412."),
    ),
    responses(
        (status = 204, description = "It is gone."),
    ),
    extensions(("x-codes" = json!(["@write", "SUBSCRIPTION_UNKNOWN", "ETAG_MISMATCH"]))),
)]
pub(crate) async fn delete(ask: Ask) -> Answer {
    ask.query.end()?;
    let (name, expected) = (ask.param("name"), ask.expected()?);
    ask.doors.parts.catalog.delete_subscription_if(ask.tenant(), name, expected).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Where a subscription is
#[utoipa::path(
    get, path = "/api/v1/subscriptions/{name}/status", operation_id = "show_status", tag = "subscriptions",
    responses(
        (status = 200, description = "Lag, what is in flight, the consumer, progress.", body = StatusDocument),
    ),
    extensions(("x-codes" = json!(["SUBSCRIPTION_UNKNOWN"]))),
)]
pub(crate) async fn status(ask: Ask) -> Answer {
    ask.query.end()?;
    let subscription = found(&ask)?;
    let parts = &ask.doors.parts;
    let status = parts.deliver.examine(ask.tenant(), &subscription.spec.name).await?;
    let snapshot = parts.catalog.snapshot();
    let partitions = status.low_water.iter().map(|position| PartitionStatusDocument {
        topic: snapshot
            .topic_by_id(position.topic)
            .map_or_else(String::new, |topic| topic.name.path().to_owned()),
        partition: position.partition.0,
        settled_below: position.offset.0,
    });
    let members = status.members.into_iter().map(|member| MemberDocument {
        consumer: member.consumer,
        session: member.session.to_string(),
        active: member.is_active,
        in_flight: member.in_flight,
    });
    let document = StatusDocument {
        name: subscription.spec.name.clone(),
        state: status.state.as_str().to_owned(),
        consumer: status.consumer,
        lag_events: status.lag_events,
        in_flight: status.in_flight,
        health: status.health.to_string(),
        lag_seconds: status.lag.map(|lag| lag.as_secs_f64()),
        failing: status.failing,
        held: status.held,
        waiting: status.waiting,
        folded: status.folded,
        partitions: partitions.collect(),
        members: members.collect(),
    };
    json(StatusCode::OK, &document)
}

fn found(ask: &Ask) -> Result<Arc<Subscription>, Refusal> {
    subscribing::found(&ask.doors, ask.tenant(), ask.param("name"))
}

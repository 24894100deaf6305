//! `PATCH /api/v1/subscriptions/{name}`, `POST …/{name}/pause`, `…/resume`, `…/seek`.

use std::sync::Arc;

use http::StatusCode;
use tidings_catalog::{Applied, Subscription};
use tidings_wire::rest::{
    SeekDocument, SeekRequestDocument, SubscriptionDocument, SubscriptionPatch,
};

use crate::rest::Answer;
use crate::rest::ask::{Ask, content_type_refusal, json};
use crate::subscribing;
use crate::subscribing::document::{saved, start};
use crate::subscribing::patch::Patch;

/// Changes a subscription
///
/// A merge patch (RFC 7396): what is absent stays, `null` puts back the default. Other topics or
/// another filter are a new revision; `boundary` in the answer says from where on it selects.
#[utoipa::path(
    patch, path = "/api/v1/subscriptions/{name}", operation_id = "patch_subscription", tag = "subscriptions",
    params(
        ("if-match" = Option<String>, Header, description = "Tag that must be current, else 412."),
        ("dry_run" = Option<bool>, Query, description = "Only says what it would be; nothing changes."),
    ),
    request_body(
        content = SubscriptionPatch,
        example = json!({"max_in_flight": 256, "labels": {"team": "b"}}),
    ),
    responses(
        (status = 200, description = "What it is now.", body = SubscriptionDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "SUBSCRIPTION_UNKNOWN", "ETAG_MISMATCH", "SUBSCRIPTION_NAME_INVALID", "PATTERN_INVALID", "FILTER_INVALID", "FILTER_TYPE", "POSITION_INVALID"]))),
)]
pub(crate) async fn patch(mut ask: Ask) -> Answer {
    let is_dry_run = ask.is_dry_run()?;
    let expected = ask.expected()?;
    let kind = ask.content_type();
    if !matches!(kind.as_str(), "" | "application/json" | "application/merge-patch+json") {
        let refusal = content_type_refusal(&kind, "application/merge-patch+json");
        return Err(refusal.into());
    }
    let patch = Patch::read(&ask.body().await?)?;
    let catalog = &ask.doors.parts.catalog;
    let name = ask.param("name");
    if is_dry_run {
        let found = subscribing::found(&ask.doors, ask.tenant(), name)?;
        let would_be = found.as_it_would_be(patch.apply(&found.spec)?)?;
        return json(StatusCode::OK, &saved(&would_be, ask.doors.parts.log.epoch()));
    }
    let change = |spec: &_| patch.apply(spec);
    let changed = catalog.update_subscription(ask.tenant(), name, change, expected).await?;
    answer(&ask, changed)
}

/// Pauses a subscription: it sends nothing until it is resumed
///
/// What was sent may still be acknowledged.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/pause", operation_id = "pause_subscription", tag = "subscriptions",
    params(
        ("if-match" = Option<String>, Header, description = "Tag that must be current, else 412."),
    ),
    responses(
        (status = 200, description = "What it is now.", body = SubscriptionDocument),
    ),
    extensions(("x-codes" = json!(["@write", "SUBSCRIPTION_UNKNOWN", "ETAG_MISMATCH"]))),
)]
pub(crate) async fn pause(ask: Ask) -> Answer {
    set_paused(ask, true).await
}

/// Lets a paused subscription send again
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/resume", operation_id = "resume_subscription", tag = "subscriptions",
    params(
        ("if-match" = Option<String>, Header, description = "Tag that must be current, else 412."),
    ),
    responses(
        (status = 200, description = "What it is now.", body = SubscriptionDocument),
    ),
    extensions(("x-codes" = json!(["@write", "SUBSCRIPTION_UNKNOWN", "ETAG_MISMATCH"]))),
)]
pub(crate) async fn resume(ask: Ask) -> Answer {
    set_paused(ask, false).await
}

/// Has a subscription go on elsewhere
///
/// What is in flight is forgotten: its acks are stale. What was sent before comes again, flagged.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/seek", operation_id = "seek_subscription", tag = "subscriptions",
    request_body(content = SeekRequestDocument, example = json!({"to": {"time": "2026-01-02T00:00:00Z"}})),
    responses(
        (status = 200, description = "Where it goes on; durable.", body = SeekDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "SUBSCRIPTION_UNKNOWN", "POSITION_INVALID", "OFFSET_OUT_OF_RANGE", "OFFSET_TRIMMED", "DATA_LOSS"]))),
)]
pub(crate) async fn seek(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let wanted: SeekRequestDocument = ask.document().await?;
    let to = start("to", wanted.to)?;
    let found = subscribing::found(&ask.doors, ask.tenant(), ask.param("name"))?;
    let deliver = &ask.doors.parts.deliver;
    let positions = deliver.seek(ask.tenant(), &found.spec.name, to).await?;
    let positions = positions.iter().map(ToString::to_string).collect();
    json(StatusCode::OK, &SeekDocument { positions })
}

async fn set_paused(ask: Ask, is_paused: bool) -> Answer {
    ask.query.end()?;
    let expected = ask.expected()?;
    let catalog = &ask.doors.parts.catalog;
    let name = ask.param("name");
    let changed = catalog.set_paused(ask.tenant(), name, is_paused, expected).await?;
    answer(&ask, changed)
}

fn answer(ask: &Ask, applied: Applied<Arc<Subscription>>) -> Answer {
    let document = saved(&applied.into_inner(), ask.doors.parts.log.epoch());
    ask.resource(StatusCode::OK, &document, &document.etag)
}

//! `POST …/{name}/pull`, `/ack`, `/nack`, `/extend`.

use std::time::Duration;

use http::StatusCode;
use tidings_deliver::{AckRequest, AckState, GapNotice, PullRequest, Pulled, PulledEvent};
use tidings_event::{Code, Refusal};
use tidings_wire::rest::{
    AckDocument, AckRequestDocument, AckResultDocument, ExtendRequestDocument, GapDocument,
    NackRequestDocument, PullDocument, PullItem, PullRequestDocument, PulledDocument,
};

use crate::consuming::json::{digest_document, unpacked};
use crate::consuming::settling::{self, ack_ids, extension, some, within};
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::browse::raw_json;
use crate::rest::pull_protobuf;
use crate::sse;

const EVENTS: u32 = 100;
const EVENTS_MAX: u32 = 1_000;
const WAIT_MAX_MS: u64 = 30_000;
const CONSUMER: &str = "default";

/// Takes events of a subscription
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/pull", operation_id = "pull", tag = "delivery",
    request_body(
        content = PullRequestDocument,
        example = json!({"max": 10, "wait_ms": 5000, "consumer": "c-1"}),
    ),
    responses(
        (status = 200, description = "Events and gaps; none when nothing came in time. With `accept: application/x-protobuf` a tidings.v1.PullResponse.", content((PullDocument = "application/json"), (Vec<u8> = "application/x-protobuf"))),
    ),
    extensions(("x-codes" = json!(["@document", "SUBSCRIPTION_UNKNOWN", "SUBSCRIPTION_BUSY", "SUBSCRIPTION_GONE", "SHUTTING_DOWN", "DATA_LOSS"]))),
)]
pub(crate) async fn pull(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let wanted: PullRequestDocument = ask.document().await?;
    let max = wanted.max.unwrap_or(EVENTS);
    within("max", u64::from(max), 1, u64::from(EVENTS_MAX))?;
    let wait_ms = wanted.wait_ms.unwrap_or(0);
    within("wait_ms", wait_ms, 0, WAIT_MAX_MS)?;
    let in_protobuf = if pull_protobuf::is_wanted(&ask)? {
        Some(pull_protobuf::compression(&ask, wanted.compression.as_deref())?)
    } else {
        unpacked("compression", wanted.compression.as_deref())?;
        None
    };
    let request = PullRequest {
        max,
        wait: Duration::from_millis(wait_ms),
        consumer: wanted.consumer.unwrap_or_else(|| CONSUMER.to_owned()),
    };
    let deliver = &ask.doors.parts.deliver;
    let pulled = tokio::select! {
        pulled = deliver.pull(ask.tenant(), ask.param("name"), request) => pulled?,
        () = ask.doors.stop.cancelled() => return Err(crate::refusals::shutting_down().into()),
    };
    if let Some(compression) = in_protobuf {
        return pull_protobuf::answer(&ask, &pulled, compression);
    }
    let deliveries = pulled.into_iter().map(item).collect::<Result<_, _>>()?;
    json(StatusCode::OK, &PullDocument { deliveries })
}

/// Settles deliveries; answers when the cursor is durable
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/ack", operation_id = "ack", tag = "delivery",
    request_body(content = AckRequestDocument),
    responses(
        (status = 200, description = "What became of each.", body = AckDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@write", "SUBSCRIPTION_UNKNOWN", "ACK_ID_INVALID"]))),
)]
pub(crate) async fn ack(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let wanted: AckRequestDocument = ask.document().await?;
    let neither_or_both = wanted.up_to.is_empty() == wanted.ack_ids.is_empty();
    if neither_or_both {
        let code = if wanted.up_to.is_empty() { Code::FieldMissing } else { Code::FieldInvalid };
        let refusal = Refusal::new(code, "give one of `up_to` and `ack_ids`");
        return Err(refusal.at_field("ack_ids").into());
    }
    let (doors, place) = (&ask.doors, (ask.tenant(), ask.param("name")));
    if wanted.up_to.iter().chain(&wanted.ack_ids).any(|id| sse::is_sent_id(id)) {
        let states = sse::ack(doors, place, (&wanted.up_to, &wanted.ack_ids)).await?;
        return json(StatusCode::OK, &settled(&states));
    }
    let request = AckRequest {
        up_to: ack_ids("up_to", &wanted.up_to)?,
        ack_ids: ack_ids("ack_ids", &wanted.ack_ids)?,
    };
    let deliver = &ask.doors.parts.deliver;
    let states = deliver.ack(ask.tenant(), ask.param("name"), request).await?;
    json(StatusCode::OK, &settled(&states))
}

/// Gives deliveries back
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/nack", operation_id = "nack", tag = "delivery",
    request_body(content = NackRequestDocument),
    responses(
        (status = 200, description = "What became of each.", body = AckDocument),
    ),
    extensions(("x-codes" = json!(["@document", "SUBSCRIPTION_UNKNOWN", "ACK_ID_INVALID"]))),
)]
pub(crate) async fn nack(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let wanted: NackRequestDocument = ask.document().await?;
    let nack = settling::nack(wanted.delay_ms, &wanted.detail)?;
    some(&wanted.ack_ids)?;
    if wanted.ack_ids.iter().any(|id| sse::is_sent_id(id)) {
        let place = (ask.tenant(), ask.param("name"));
        let states = sse::nack(&ask.doors, place, (&wanted.ack_ids, &nack))?;
        return json(StatusCode::OK, &settled(&states));
    }
    let ids = ack_ids("ack_ids", &wanted.ack_ids)?;
    let (deliver, name) = (&ask.doors.parts.deliver, ask.param("name"));
    let states = deliver.nack(ask.tenant(), name, ids, nack).await?;
    json(StatusCode::OK, &settled(&states))
}

/// Gives deliveries more time before their ack deadline
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/extend", operation_id = "extend", tag = "delivery",
    request_body(content = ExtendRequestDocument),
    responses(
        (status = 200, description = "What became of each.", body = AckDocument),
    ),
    extensions(("x-codes" = json!(["@document", "SUBSCRIPTION_UNKNOWN", "ACK_ID_INVALID"]))),
)]
pub(crate) async fn extend(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let wanted: ExtendRequestDocument = ask.document().await?;
    some(&wanted.ack_ids)?;
    let by = extension("by_ms", wanted.by_ms)?;
    if let Some(at) = wanted.ack_ids.iter().position(|id| sse::is_sent_id(id)) {
        let refusal = Refusal::new(Code::FieldInvalid, "what this stream is sent has no deadline");
        return Err(refusal.at_field(format!("ack_ids[{at}]")).into());
    }
    let ids = ack_ids("ack_ids", &wanted.ack_ids)?;
    let states = ask.doors.parts.deliver.extend(ask.tenant(), ask.param("name"), ids, by)?;
    json(StatusCode::OK, &settled(&states))
}

fn settled<I: ToString>(states: &[(I, AckState)]) -> AckDocument {
    let results = states.iter().map(|(id, state)| AckResultDocument {
        ack_id: id.to_string(),
        state: state.as_str().to_owned(),
    });
    AckDocument { results: results.collect() }
}

fn item(pulled: Pulled) -> Result<PullItem, Refusal> {
    Ok(match pulled {
        Pulled::Event(event) => PullItem::Event(Box::new(delivery(&event)?)),
        Pulled::Gap(gap) => PullItem::Gap { gap: gap_document(&gap) },
    })
}

fn delivery(pulled: &PulledEvent) -> Result<PulledDocument, Refusal> {
    Ok(PulledDocument {
        ack_id: pulled.ack_id.to_string(),
        position: pulled.position.to_string(),
        topic: pulled.topic.name.path().to_owned(),
        partition: pulled.position.partition.0,
        offset: pulled.position.offset.0,
        epoch: pulled.position.epoch.0,
        attempt: pulled.attempt,
        redelivered: pulled.redelivered,
        redriven: pulled.redriven,
        skipped_to_dead_letter: pulled.skipped_to_dead_letter.iter().map(|o| o.0).collect(),
        digest: pulled.digest.as_deref().map(digest_document),
        ingested_at: pulled.ingested_at.to_string(),
        event: raw_json(&pulled.event)?,
    })
}

fn gap_document(gap: &GapNotice) -> GapDocument {
    GapDocument {
        topic: gap.topic.name.path().to_owned(),
        partition: gap.partition.0,
        from: gap.from.0,
        to: gap.to.0,
        count: gap.count,
        reason: gap.reason.as_str().to_owned(),
    }
}

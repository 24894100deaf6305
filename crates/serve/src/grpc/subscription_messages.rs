//! Subscriptions as messages of `Admin`, and back: requests become REST's documents, so that both
//! doors read them with the same code.

use serde_json::{Map, Value, json};
use tidings_catalog::{
    DeliveryKind, Filter, Mode, Revision, Sharing, Start, Subscription, SubscriptionSpec,
    TopicPattern,
};
use tidings_event::{Code, Epoch, Position, Refusal};
use tidings_wire::rest::{
    BatchDocument, DeliveryDocument, FoldDocument, PullOptions, RetryDocument, StreamOptions,
    SubscriptionRequest,
};
use tidings_wire::v1;
use tidings_wire::v1::start::Start as Asked;
use tidings_wire::v1::subscription as of;

use crate::consuming::proto::position_message;
use crate::etag;
use crate::grpc::admin_messages::start;
use crate::subscribing::patch::Patch;
use crate::subscribing::{document, terms};

/// What a new subscription is to be.
pub(crate) fn spec(asked: v1::CreateSubscriptionRequest) -> Result<SubscriptionSpec, Refusal> {
    let ack_deadline_ms = asked.ack_deadline_ms;
    let delivery = match of::Delivery::try_from(asked.delivery) {
        Ok(of::Delivery::Pull) => DeliveryDocument {
            pull: Some(PullOptions { ack_deadline_ms }),
            ..DeliveryDocument::default()
        },
        Ok(of::Delivery::Unspecified | of::Delivery::Stream) => {
            DeliveryDocument { stream: Some(StreamOptions {}), ..DeliveryDocument::default() }
        }
        Err(_) => return Err(unknown("delivery", asked.delivery)),
    };
    let request = SubscriptionRequest {
        name: asked.name,
        topics: asked.topics,
        filter: Some(asked.filter).filter(|text| !text.is_empty()),
        mode: mode(asked.mode)?,
        sharing: sharing(asked.sharing)?,
        delivery: Some(delivery),
        retry: asked.retry.map(retry),
        batch: asked.batch.map(batch),
        fold: asked.fold_window_ms.map(|window_ms| FoldDocument { window_ms }),
        expires_after_ms: asked.expires_after_ms,
        max_in_flight: asked.max_in_flight,
        labels: asked.labels,
        owner: asked.owner,
        ..SubscriptionRequest::default()
    };
    let start = start(asked.start)?;
    document::spec_from(request, start)
}

/// What an update changes.
pub(crate) fn patch(asked: v1::UpdateSubscriptionRequest) -> Result<Patch, Refusal> {
    let mut members = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            members.insert(name.to_owned(), value);
        }
    };
    put("topics", (!asked.topics.is_empty()).then(|| json!(asked.topics)));
    put("filter", asked.filter.map(|text| json!(Some(text).filter(|text| !text.is_empty()))));
    put("mode", mode(asked.mode)?.map(Value::from));
    put("max_in_flight", asked.max_in_flight.map(Value::from));
    put("retry", asked.retry.map(retry_patch));
    put("batch", asked.batch.map(batch_patch));
    let window = |window_ms: u64| {
        if window_ms == 0 { Value::Null } else { json!({ "window_ms": window_ms }) }
    };
    put("fold", asked.fold_window_ms.map(window));
    put("expires_after_ms", asked.expires_after_ms.map(positive));
    put("owner", asked.owner.map(Value::from));
    let deadline = |millis: u64| json!({"pull": {"ack_deadline_ms": millis}});
    put("delivery", asked.ack_deadline_ms.map(deadline));
    let mut patch = Patch::from_members(members);
    if let Some(labels) = asked.labels {
        patch.replace_labels(labels.labels);
    }
    Ok(patch)
}

/// A number; 0 takes it away.
fn positive(number: u64) -> Value {
    if number == 0 { Value::Null } else { Value::from(number) }
}

fn retry_patch(asked: v1::Retry) -> Value {
    let mut members = Map::new();
    let fields = [
        ("max_attempts", asked.max_attempts.map(Value::from)),
        ("min_backoff_ms", asked.min_backoff_ms.map(Value::from)),
        ("max_backoff_ms", asked.max_backoff_ms.map(Value::from)),
        ("max_age_ms", asked.max_age_ms.map(positive)),
        ("on_park_full", asked.on_park_full.map(Value::from)),
    ];
    for (name, value) in fields {
        members.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(members)
}

fn batch_patch(asked: v1::Batch) -> Value {
    let mut members = Map::new();
    let fields = [
        ("max_events", asked.max_events.map(|most| positive(most.into()))),
        ("max_bytes", asked.max_bytes.map(positive)),
        ("max_delay_ms", asked.max_delay_ms.map(Value::from)),
        ("compression", asked.compression.map(Value::from)),
    ];
    for (name, value) in fields {
        members.extend(value.map(|value| (name.to_owned(), value)));
    }
    Value::Object(members)
}

fn retry(asked: v1::Retry) -> RetryDocument {
    RetryDocument {
        max_attempts: asked.max_attempts,
        min_backoff_ms: asked.min_backoff_ms,
        max_backoff_ms: asked.max_backoff_ms,
        max_age_ms: asked.max_age_ms.filter(|&millis| millis > 0),
        on_park_full: asked.on_park_full,
    }
}

fn batch(asked: v1::Batch) -> BatchDocument {
    BatchDocument {
        max_events: asked.max_events.filter(|&most| most > 0),
        max_bytes: asked.max_bytes.filter(|&most| most > 0),
        max_delay_ms: asked.max_delay_ms,
        compression: asked.compression,
    }
}

fn mode(asked: i32) -> Result<Option<String>, Refusal> {
    match of::Mode::try_from(asked) {
        Ok(of::Mode::Unspecified) => Ok(None),
        Ok(of::Mode::Ordered) => Ok(Some(terms::mode_name(Mode::Ordered))),
        Ok(of::Mode::Parallel) => Ok(Some(terms::mode_name(Mode::Parallel))),
        Err(_) => Err(unknown("mode", asked)),
    }
}

fn sharing(asked: i32) -> Result<Option<String>, Refusal> {
    match of::Sharing::try_from(asked) {
        Ok(of::Sharing::Unspecified) => Ok(None),
        Ok(of::Sharing::Exclusive) => Ok(Some(terms::sharing_name(Sharing::Exclusive))),
        Ok(of::Sharing::Failover) => Ok(Some(terms::sharing_name(Sharing::Failover))),
        Ok(of::Sharing::Group) => Ok(Some(terms::sharing_name(Sharing::Group))),
        Err(_) => Err(unknown("sharing", asked)),
    }
}

fn unknown(field: &str, number: i32) -> Refusal {
    Refusal::new(Code::FieldInvalid, format!("{number} is not a {field}")).at_field(field)
}

pub(crate) fn subscription(subscription: &Subscription, epoch: Epoch) -> v1::Subscription {
    let spec = &subscription.spec;
    let revision = subscription.revision();
    let boundary = revision.map_or(&subscription.boundary, |revision| &revision.boundary);
    let boundary = boundary.iter().map(|(at, offset)| {
        position_message(&Position { topic: at.topic, epoch, partition: at.partition, offset })
    });
    let (retry, batch) =
        (terms::retry_document(&spec.retry), terms::batch_document(&spec.batching));
    v1::Subscription {
        name: spec.name.clone(),
        topics: texts(&spec.topics),
        delivery: delivery_number(spec.delivery),
        start: Some(start_message(&spec.start)),
        max_in_flight: spec.max_in_flight,
        labels: spec.labels.clone(),
        owner: spec.owner.clone(),
        created_at: subscription.created_at.0,
        boundary: boundary.collect(),
        etag: etag::of(subscription.version(), epoch),
        ack_deadline_ms: terms::millis(spec.ack_deadline),
        filter: filter_text(spec.filter.as_ref()),
        mode: match spec.mode {
            Mode::Ordered => of::Mode::Ordered.into(),
            Mode::Parallel => of::Mode::Parallel.into(),
        },
        sharing: match spec.sharing {
            Sharing::Exclusive => of::Sharing::Exclusive.into(),
            Sharing::Failover => of::Sharing::Failover.into(),
            Sharing::Group => of::Sharing::Group.into(),
        },
        retry: Some(v1::Retry {
            max_attempts: retry.max_attempts,
            min_backoff_ms: retry.min_backoff_ms,
            max_backoff_ms: retry.max_backoff_ms,
            max_age_ms: retry.max_age_ms,
            on_park_full: retry.on_park_full,
        }),
        batch: Some(v1::Batch {
            max_events: batch.max_events,
            max_bytes: batch.max_bytes,
            max_delay_ms: batch.max_delay_ms,
            compression: batch.compression,
        }),
        fold_window_ms: spec.folding.map(|folding| terms::millis(folding.window)),
        expires_after_ms: spec.expires_after.map(terms::millis),
        paused: subscription.is_paused,
        revision: revision.map_or(0, |revision| revision.number),
        revisions: subscription.revisions.iter().map(revision_message).collect(),
        notes: Vec::new(),
    }
}

/// The message in an answer to a save.
pub(crate) fn saved(subscription: &Subscription, epoch: Epoch) -> v1::Subscription {
    let notes = document::notes(&subscription.spec);
    v1::Subscription { notes, ..self::subscription(subscription, epoch) }
}

fn filter_text(filter: Option<&Filter>) -> String {
    filter.map_or_else(String::new, |filter| filter.text().to_owned())
}

fn delivery_number(delivery: DeliveryKind) -> i32 {
    match delivery {
        DeliveryKind::Pull => of::Delivery::Pull.into(),
        DeliveryKind::Stream => of::Delivery::Stream.into(),
    }
}

fn revision_message(revision: &Revision) -> of::Revision {
    of::Revision {
        revision: revision.number,
        at: revision.at.0,
        topics: texts(&revision.topics),
        filter: filter_text(revision.filter.as_ref()),
    }
}

fn texts(patterns: &[TopicPattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}

fn start_message(start: &Start) -> v1::Start {
    let start = match start {
        Start::Latest => Asked::Latest(v1::start::Latest {}),
        Start::Earliest => Asked::Earliest(v1::start::Earliest {}),
        Start::LastPerKey => Asked::LastPerKey(v1::start::LastPerKey {}),
        Start::Time(time) => Asked::Time(time.0),
        Start::Positions(list) => Asked::Positions(v1::start::Positions {
            positions: list.iter().map(position_message).collect(),
        }),
    };
    v1::Start { start: Some(start) }
}

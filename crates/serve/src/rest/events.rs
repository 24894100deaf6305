//! `POST /api/v1/events`: whatever shape the events come in.

use std::sync::Arc;

use http::HeaderMap;
use tidings_admit::Batch as Admitting;
use tidings_catalog::Durability;
use tidings_event::{Code, Refusal, TopicName};
use tidings_shape::{Dialect, Given};
use tidings_wire::input::not_available;
use tidings_wire::rest::{EventSchema, PublishDocument};

use crate::refusals;
use crate::rest::Answer;
use crate::rest::ask::{Ask, content_type_refusal};
use crate::rest::events_body::{Batch, protobuf};
use crate::rest::events_json::JsonReader;
use crate::rest::{events_answer, events_block};

const SERVED: &str = "application/json, application/x-ndjson, application/x-protobuf, \
                      application/cloudevents+json, application/cloudevents-batch+json or \
                      application/vnd.tidings.block";

/// Headers that carry the attributes of a CloudEvent in binary mode begin so.
const CLOUD_EVENT: &str = "ce-";

/// What the parameters say of all events.
pub(crate) struct Publishing {
    pub(crate) topic: Option<TopicName>,
    pub(crate) atomic: bool,
    pub(crate) durability: Option<Durability>,
}

/// What the parameters say for events that cannot say it themselves.
#[derive(Default)]
struct Told {
    source: Option<Arc<str>>,
    venue: Option<Arc<str>>,
    dialect: Option<Dialect>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Lines,
    Protobuf,
    CloudEvent,
    CloudEvents,
    /// A CloudEvent whose attributes are headers.
    Binary,
    Block,
}

/// Publishes one event or a batch
#[utoipa::path(
    post, path = "/api/v1/events", operation_id = "publish", tag = "events",
    params(
        ("topic" = Option<String>, Query, description = "Where all events go; templates place each by default."),
        ("atomic" = Option<bool>, Query, description = "All or nothing."),
        ("durability" = Option<String>, Query, description = "`memory` or `durable`."),
        ("dialect" = Option<String>, Query, description = "Whose notation timeframes are in: `iso8601`, `binance`, `ccxt`, `tradingview`, `pandas`, `databento`, `platform`."),
        ("source" = Option<String>, Query, description = "Source of events of the platform's shapes, which name none."),
        ("venue" = Option<String>, Query, description = "Venue of events of the platform's shapes, which name none."),
        ("producer" = Option<String>, Query, description = "With a block: who counts it."),
        ("producer_epoch" = Option<u32>, Query, description = "With a block: the epoch that `POST /api/v1/producers` granted."),
    ),
    request_body(
        content((EventSchema = "application/json"), (String = "application/x-ndjson"), (Vec<u8> = "application/x-protobuf"), (String = "application/cloudevents+json"), (String = "application/cloudevents-batch+json"), (Vec<u8> = "application/vnd.tidings.block")),
    ),
    responses(
        (status = 200, description = "All events are stored; one answer each, in order.", body = PublishDocument),
        (status = 207, description = "Some or all events of a batch were refused.", body = PublishDocument),
    ),
    extensions(("x-codes" = json!(["@document", "@events", "@write", "BLOCK_CORRUPT", "PARTITION_MISMATCH", "PARTITIONS_CHANGED", "SEQUENCE_GAP", "PRODUCER_FENCED", "PRODUCER_UNKNOWN", "PRODUCER_LIMIT", "PRODUCER_ID_INVALID", "DEFINITION_CONFLICT"]))),
)]
pub(crate) async fn publish(mut ask: Ask) -> Answer {
    let topic = ask.query.text("topic")?;
    let topic = topic.map(|t| refusals::topic_name(ask.tenant(), t, "topic")).transpose()?;
    let atomic = ask.query.parsed("atomic", "true or false")?.unwrap_or(false);
    let durability = ask.query.text("durability")?.map(refusals::durability).transpose()?;
    let publishing = Publishing { topic, atomic, durability };
    let told = told(&ask)?;
    let producer = events_block::producer(&ask)?;
    ask.query.end()?;
    let media = media(&ask)?;
    if media == Media::Block {
        return events_block::publish(ask, publishing, producer).await;
    }
    if producer.is_some() {
        let refusal = Refusal::new(Code::FieldInvalid, "only a block is counted by a producer");
        return Err(refusal.at_field("producer").into());
    }
    let batch = read(&mut ask, media, &told).await?;
    admit(&mut ask, publishing, batch).await
}

/// Publishes what was read.
pub(crate) async fn admit(ask: &mut Ask, publishing: Publishing, mut batch: Batch) -> Answer {
    // The last to be dropped.
    let _turn = batch.turn.take();
    if batch.read.is_empty() {
        return Err(Refusal::new(Code::BatchEmpty, "the body holds no event").into());
    }
    let Publishing { topic, atomic, durability } = publishing;
    let refused = batch.read.iter().any(Result::is_err);
    let outcomes = if batch.body.is_empty() || (atomic && refused) {
        Vec::new()
    } else {
        let assigned_ids = batch.assigned_ids;
        let admitting = Admitting { body: batch.body, topic, atomic, durability, assigned_ids };
        ask.doors.parts.admission.publish(ask.tenant(), admitting).await?
    };
    let outcomes = events_answer::merged(batch.read, outcomes);
    events_answer::answer(&outcomes, batch.single, atomic, &ask.id.0)
}

/// The parameters that only events in JSON may need.
fn told(ask: &Ask) -> Result<Told, Refusal> {
    Ok(Told {
        source: ask.query.text("source")?.map(Into::into),
        venue: ask.query.text("venue")?.map(Into::into),
        dialect: ask.query.text("dialect")?.map(str::parse).transpose()?,
    })
}

fn media(ask: &Ask) -> Result<Media, Refusal> {
    let kind = ask.content_type();
    let binary = ask.parts.headers.contains_key("ce-specversion");
    Ok(match kind.as_str() {
        "" | "application/json" | "application/protobuf" | "application/x-protobuf" if binary => {
            Media::Binary
        }
        "" | "application/json" => Media::Json,
        "application/x-ndjson" => Media::Lines,
        "application/protobuf" | "application/x-protobuf" => Media::Protobuf,
        "application/cloudevents+json" => Media::CloudEvent,
        "application/cloudevents-batch+json" => Media::CloudEvents,
        "application/vnd.tidings.block" => Media::Block,
        "application/avro"
        | "application/cloudevents+avro"
        | "application/cloudevents+protobuf" => {
            return Err(not_available("content-type", format!("`{kind}` is not served yet"))
                .with_hint(format!("send {SERVED}")));
        }
        other => return Err(content_type_refusal(other, SERVED)),
    })
}

async fn read(ask: &mut Ask, media: Media, told: &Told) -> Result<Batch, Refusal> {
    if media == Media::Protobuf {
        for (name, given) in [
            ("dialect", told.dialect.is_some()),
            ("source", told.source.is_some()),
            ("venue", told.venue.is_some()),
        ] {
            if given {
                let detail = "Protobuf events say it themselves";
                return Err(Refusal::new(Code::FieldInvalid, detail).at_field(name));
            }
        }
    }
    let body = ask.events_body().await?;
    let parts = &ask.doors.parts;
    let max = parts.limits.now().batch_events;
    let given = Given {
        source: told.source.as_deref(),
        venue: told.venue.as_deref(),
        dialect: told.dialect,
    };
    let reader = JsonReader { given, clock: &*parts.clock, max, room: &ask.doors.room };
    match media {
        Media::Lines => reader.lines(&body).await,
        Media::Json => reader.events(&body).await,
        Media::CloudEvent => reader.cloud_event(&body),
        Media::CloudEvents => reader.cloud_events(&body).await,
        Media::Binary => {
            let kind = ask.content_type();
            reader.binary(cloud_attributes(&ask.parts.headers), &kind, &body)
        }
        Media::Protobuf | Media::Block => protobuf(body, max),
    }
}

/// The attributes among the headers, without their prefix.
fn cloud_attributes(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    headers.iter().filter_map(|(name, value)| {
        Some((name.as_str().strip_prefix(CLOUD_EVENT)?, value.as_bytes()))
    })
}

//! `GET /api/v1/events/{id}/trace`: where one event went.

mod document;

use std::sync::Arc;

use http::StatusCode;
use tidings_event::{Code, Offset, PartitionId, Position, Refusal, Timestamp, parse_event_id};
use tidings_insight::{TracedEvent, Traces};
use tidings_wire::rest::TraceDocument;

use crate::finding::{self, Clues};
use crate::page::List;
use crate::refusals::{self, topic_unknown};
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};

/// Traces an event
///
/// It is looked for where the parameters say, else among what was taken in around the time in its id.
#[utoipa::path(
    get, path = "/api/v1/events/{id}/trace", operation_id = "trace_event", tag = "events",
    params(
        ("position" = Option<String>, Query, description = "Where it is."),
        ("topic" = Option<String>, Query, description = "Its topic; with `partition` and `offset`, its place."),
        ("partition" = Option<u32>, Query, description = "With `topic` and `offset`."),
        ("offset" = Option<u64>, Query, description = "With `topic` and `partition`."),
        ("source" = Option<String>, Query, description = "Its source: finds what was published lately at once."),
        ("from" = Option<String>, Query, description = "Taken in at or after this RFC 3339 time."),
        ("to" = Option<String>, Query, description = "Taken in at or before this RFC 3339 time."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most subscriptions; 100 by default."),
        ("cursor" = Option<String>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "The event, and what became of it.", body = TraceDocument),
    ),
    extensions(("x-codes" = json!(["@read", "EVENT_UNKNOWN", "POSITION_INVALID", "TOPIC_UNKNOWN", "TOPIC_NAME_INVALID", "FIELD_MISSING", "CURSOR_INVALID"]))),
)]
pub(crate) async fn trace(ask: Ask) -> Answer {
    let page = ask.page(List::TracedSubscriptions)?;
    let clues = clues(&ask)?;
    ask.query.end()?;
    let id = parse_event_id(ask.param("id")).ok_or_else(|| {
        let refusal = Refusal::new(Code::FieldInvalid, "an event's id is a hyphenated UUID");
        refusal.at_field("id")
    })?;
    let found = finding::find(&ask.doors, ask.tenant(), &id, &clues).await?;
    let parts = &ask.doors.parts;
    let traces = Traces::new(Arc::clone(&parts.log), Arc::clone(&parts.catalog));
    let then = traces.subscriptions(ask.tenant(), found.header.ingested_at)?;
    // Names are not unique over time; with their numbers they are.
    let numbered = then.into_iter().map(|(subscription, deleted_at)| {
        let name = format!("{}/{:016x}", subscription.spec.name, subscription.id.0);
        (name, (subscription, deleted_at))
    });
    let (part, next) = page.cut(numbered, |(name, _)| name.as_str());
    let event = TracedEvent {
        topic: found.topic.name.path(),
        position: found.position,
        ingested_at: found.header.ingested_at,
        event: &found.event,
    };
    let part = part.into_iter().map(|(_, subscription)| subscription).collect();
    let (traced, looked) = traces.trace(event, part).await?;
    let here = (&*ask.doors, ask.tenant());
    let mut subscriptions = Vec::with_capacity(traced.len());
    for traced in traced {
        // One that was deleted just now is left out.
        subscriptions.extend(document::subscription(here, &found.position, traced).await?);
    }
    let follows = parts.admission.settings().key_sequences_max > 0;
    json(StatusCode::OK, &document::of(&found, (subscriptions, next), looked, follows)?)
}

fn clues(ask: &Ask) -> Result<Clues, Refusal> {
    let query = &ask.query;
    let topic = query.text("topic")?;
    let topic = topic.map(|text| refusals::topic_name(ask.tenant(), text, "topic")).transpose()?;
    let partition = query.parsed::<u32>("partition", "a partition's number")?;
    let offset = query.parsed::<u64>("offset", "an offset")?;
    let mut position = query
        .parsed::<Position>("position", "a position")
        .map_err(|refusal| Refusal { code: Code::PositionInvalid, ..refusal })?;
    match (&topic, partition, offset) {
        (_, None, None) => {}
        (Some(name), Some(partition), Some(offset)) => {
            let parts = &ask.doors.parts;
            let snapshot = parts.catalog.snapshot();
            let topic = snapshot.topic(name).ok_or_else(|| topic_unknown(name.path()))?;
            position = Some(Position {
                topic: topic.id,
                epoch: parts.log.epoch(),
                partition: PartitionId(partition),
                offset: Offset(offset),
            });
        }
        _ => {
            let detail = "`topic`, `partition` and `offset` are a place together";
            return Err(Refusal::new(Code::FieldMissing, detail).at_field("offset"));
        }
    }
    Ok(Clues {
        position,
        topic,
        source: query.text("source")?.map(str::to_owned),
        from: query.parsed::<Timestamp>("from", "an RFC 3339 UTC time")?,
        to: query.parsed::<Timestamp>("to", "an RFC 3339 UTC time")?,
    })
}

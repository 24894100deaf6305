//! `GET /api/v1/topics/{name}/events`: one partition of the log, as it is stored.

use http::StatusCode;
use serde_json::value::RawValue;
use tidings_event::{Code, Offset, Refusal, Timestamp, json as canonical};
use tidings_wire::rest::{BrowseDocument, BrowsedDocument};

use crate::page::invalid_cursor;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::stored::{self, BrowseFrom, Stored};

/// Stored events of one partition, in offset order
#[utoipa::path(
    get, path = "/api/v1/topics/{name}/events", operation_id = "browse_topic", tag = "topics",
    params(
        ("partition" = Option<u32>, Query, description = "Which; 0 by default."),
        ("offset" = Option<u64>, Query, description = "Where to start; the oldest event kept by default."),
        ("time" = Option<String>, Query, description = "Start at the first block taken in at or after this RFC 3339 time."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most entries; 100 by default."),
        ("cursor" = Option<u64>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "A part of the partition; an empty one is the tail.", body = BrowseDocument),
    ),
    extensions(("x-codes" = json!(["@read", "TOPIC_UNKNOWN", "TOPIC_NAME_INVALID", "CURSOR_INVALID", "NOT_AVAILABLE"]))),
)]
pub(crate) async fn browse(ask: Ask) -> Answer {
    let query = &ask.query;
    query.planned(&["filter"])?;
    let partition = query.parsed("partition", "a partition's number")?.unwrap_or(0);
    let offset = query.parsed::<u64>("offset", "an offset")?.map(Offset);
    let time = query.parsed::<Timestamp>("time", "an RFC 3339 UTC time")?;
    let cursor = query.text("cursor")?.map(|text| text.parse::<u64>().map(Offset));
    let cursor = cursor.transpose().map_err(|_| invalid_cursor())?;
    let limit = ask.limit()?;
    query.end()?;
    let from = from(offset, time, cursor)?;
    let name = ask.topic_name()?;
    let (stored, next) = stored::browse(&ask.doors, &name, partition, from, limit).await?;
    let events = stored.iter().map(document).collect::<Result<_, _>>()?;
    json(StatusCode::OK, &BrowseDocument { events, next })
}

/// The one place that is named; `cursor` is the `next` of the part before.
fn from(
    offset: Option<Offset>,
    time: Option<Timestamp>,
    cursor: Option<Offset>,
) -> Result<BrowseFrom, Refusal> {
    let exclude = |field: &str, other: &str| {
        let detail = format!("`{field}` and `{other}` exclude each other");
        Err(Refusal::new(Code::FieldInvalid, detail).at_field(field))
    };
    match (offset, time, cursor) {
        (Some(_), Some(_), _) => exclude("time", "offset"),
        (Some(_), _, Some(_)) => exclude("cursor", "offset"),
        (_, Some(_), Some(_)) => exclude("cursor", "time"),
        (Some(offset), ..) | (.., Some(offset)) => Ok(BrowseFrom::Offset(offset)),
        (None, Some(time), None) => Ok(BrowseFrom::Time(time)),
        (None, None, None) => Ok(BrowseFrom::Oldest),
    }
}

fn document(stored: &Stored) -> Result<BrowsedDocument, Refusal> {
    Ok(BrowsedDocument {
        offset: stored.offset,
        ingested_at: stored.ingested_at.to_string(),
        event: raw_json(&stored.event)?,
    })
}

/// A stored event's canonical JSON.
pub(crate) fn raw_json(event: &[u8]) -> Result<Box<RawValue>, Refusal> {
    RawValue::from_string(canonical::to_json(event)?)
        .map_err(|error| Refusal::new(Code::Internal, format!("canonical JSON: {error}")))
}

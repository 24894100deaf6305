//! `GET /api/v1/events/{id}/trace`: where one event went.

use http::StatusCode;
use tidings_deliver::EventOutcome;
use tidings_event::block::{BlockHeader, KeyNotes};
use tidings_event::{Code, Offset, PartitionId, Position, Refusal, Timestamp, parse_event_id};
use tidings_wire::rest::{
    TraceDocument, TraceKeySeqDocument, TraceLookedDocument, TraceStageDocument,
    TraceSubscriptionDocument,
};

use crate::finding::{self, Clues, Found};
use crate::page::List;
use crate::refusals::{self, topic_unknown};
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::browse::raw_json;

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
    let snapshot = parts.catalog.snapshot();
    let of_tenant = snapshot.subscriptions().filter(|s| s.tenant == ask.tenant());
    let (part, next) = page.cut(of_tenant, |subscription| subscription.spec.name.as_str());
    let subscriptions = part.into_iter().filter_map(|subscription| {
        let name = subscription.spec.name.clone();
        // One that was deleted just now is left out.
        let outcome = parts.deliver.outcome(ask.tenant(), &name, &found.position).ok()?;
        Some(TraceSubscriptionDocument { name, outcome: outcome_name(outcome).to_owned() })
    });
    let follows = parts.admission.settings().key_sequences_max > 0;
    json(StatusCode::OK, &document(&found, subscriptions.collect(), next, follows)?)
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

fn outcome_name(outcome: EventOutcome) -> &'static str {
    match outcome {
        EventOutcome::Settled => "settled",
        EventOutcome::InFlight => "in_flight",
        EventOutcome::Pending => "pending",
        EventOutcome::NotMatched => "not_matched",
        EventOutcome::BeforeStart => "before_start",
    }
}

fn document(
    found: &Found,
    subscriptions: Vec<TraceSubscriptionDocument>,
    next: Option<String>,
    follows: bool,
) -> Result<TraceDocument, Refusal> {
    let (position, header) = (&found.position, &found.header);
    let seen = tidings_event::scan(&found.event)?.key_seq;
    let key_seq = seen.map(|seen| key_seq(header, position.offset, seen, follows));
    let at = header.ingested_at.to_string();
    Ok(TraceDocument {
        event: raw_json(&found.event)?,
        position: position.to_string(),
        topic: found.topic.name.path().to_owned(),
        partition: position.partition.0,
        offset: position.offset.0,
        epoch: position.epoch.0,
        stages: vec![TraceStageDocument { stage: "admitted".to_owned(), at }],
        key_seq,
        subscriptions,
        next,
        looked: TraceLookedDocument { by: found.by.to_owned(), blocks: found.blocks },
    })
}

/// What admission noted of the event's number. Nothing noted is in line, unless notes were left out.
fn key_seq(header: &BlockHeader, offset: Offset, seen: u64, follows: bool) -> TraceKeySeqDocument {
    let notes = KeyNotes::of(header).unwrap_or_default();
    let index = offset.0 - header.base_offset.0;
    let note = notes.notes.iter().find(|note| u64::from(note.index) == index);
    let last = notes.notes.last().map_or(0, |note| u64::from(note.index));
    let (state, expected) = match note {
        Some(note) => (note.state.as_str(), Some(note.expected)),
        None if !follows || (notes.overflow > 0 && index > last) => ("unknown", None),
        None => ("ok", Some(seen)),
    };
    TraceKeySeqDocument { state: state.to_owned(), expected, seen }
}

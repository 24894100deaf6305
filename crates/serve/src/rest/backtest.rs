//! `POST /api/v1/subscriptions/{name}/test` and `POST /api/v1/filters/test`.

use http::StatusCode;
use tidings_deliver::{MatchedEvent, Volume};
use tidings_event::{Refusal, Timestamp};
use tidings_wire::rest::{
    ComparedDocument, PeakDocument, SampleDocument, TestDocument, TestRequestDocument,
    TopicCountDocument, VolumeDocument,
};
use tidings_wire::spelling::parse_time;

use crate::rest::Answer;
use crate::rest::ask::{Ask, json};
use crate::rest::browse::raw_json;
use crate::subscribing::trial::{self, Asked, Found};

/// Tries a subscription, or a change of it, over history
///
/// `compared` says how it differs from what is in force. An answer ends after 64 MiB or 2 seconds;
/// `next` then goes on.
#[utoipa::path(
    post, path = "/api/v1/subscriptions/{name}/test", operation_id = "test_subscription", tag = "subscriptions",
    request_body(
        content = TestRequestDocument,
        example = json!({"filter": "kind == \"ANOMALY\" && severity >= \"HIGH\"", "from": "2026-01-02T00:00:00Z"}),
    ),
    responses(
        (status = 200, description = "What it matches in the range.", body = TestDocument),
    ),
    extensions(("x-codes" = json!(["@document", "SUBSCRIPTION_UNKNOWN", "PATTERN_INVALID", "FILTER_INVALID", "FILTER_TYPE", "SHUTTING_DOWN", "DATA_LOSS"]))),
)]
pub(crate) async fn of_subscription(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let asked = asked(ask.document().await?)?;
    let name = Some(ask.param("name").to_owned());
    answer(&trial::run(&ask.doors, &ask.caller.tenant, Asked { name, ..asked }).await?)
}

/// Tries topics and a filter over history
///
/// An answer ends after 64 MiB or 2 seconds; `next` then goes on.
#[utoipa::path(
    post, path = "/api/v1/filters/test", operation_id = "test_filter", tag = "subscriptions",
    request_body(
        content = TestRequestDocument,
        example = json!({"topics": ["analysis/**"], "filter": "instrument == \"AAPL\"", "samples": 3}),
    ),
    responses(
        (status = 200, description = "What it matches in the range.", body = TestDocument),
    ),
    extensions(("x-codes" = json!(["@document", "PATTERN_INVALID", "FILTER_INVALID", "FILTER_TYPE", "SHUTTING_DOWN", "DATA_LOSS"]))),
)]
pub(crate) async fn unsaved(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let asked = asked(ask.document().await?)?;
    answer(&trial::run(&ask.doors, &ask.caller.tenant, asked).await?)
}

fn asked(document: TestRequestDocument) -> Result<Asked, Refusal> {
    let time = |field: &str, text: Option<String>| {
        let parsed = text.map(|text| parse_time(&text)).transpose();
        parsed.map_err(|refusal| refusal.at_field(field))
    };
    Ok(Asked {
        name: None,
        topics: document.topics,
        filter: document.filter,
        from: time("from", document.from)?,
        to: time("to", document.to)?,
        samples: document.samples,
    })
}

fn answer(found: &Found) -> Answer {
    let report = &found.report;
    let position = |event: &MatchedEvent| event.position.to_string();
    let samples = report.samples.iter().map(|event| sample(event, found));
    let topics = found.counts().into_iter().map(|(topic, count)| TopicCountDocument {
        topic,
        looked: count.looked,
        matched: count.matched,
    });
    let document = TestDocument {
        from: found.from.to_string(),
        to: found.to.to_string(),
        looked: volume(report.looked),
        matched: volume(report.matched),
        peak: report.peak.map(|p| PeakDocument { at: p.at.to_string(), events: p.events }),
        first: report.first.as_ref().map(position),
        last: report.last.as_ref().map(position),
        topics: topics.collect(),
        compared: report.compared.map(|compared| ComparedDocument {
            both: compared.both,
            only_old: compared.only_old,
            only_new: compared.only_new,
        }),
        unreadable: report.unreadable,
        samples: samples.collect::<Result<_, _>>()?,
        next: report.next.as_ref().map(Timestamp::to_string),
        notes: found.notes.clone(),
    };
    json(StatusCode::OK, &document)
}

fn volume(volume: Volume) -> VolumeDocument {
    VolumeDocument { events: volume.events, bytes: volume.bytes }
}

fn sample(event: &MatchedEvent, found: &Found) -> Result<SampleDocument, Refusal> {
    Ok(SampleDocument {
        position: event.position.to_string(),
        topic: found.path(event.position.topic),
        partition: event.position.partition.0,
        offset: event.position.offset.0,
        ingested_at: event.ingested_at.to_string(),
        event: raw_json(&event.event)?,
    })
}

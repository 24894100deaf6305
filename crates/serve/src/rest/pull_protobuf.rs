//! The answer to a pull as Protobuf: the events as they are stored, packed where that was asked for.

use axum::response::IntoResponse;
use http::HeaderValue;
use http::header::{ACCEPT, CONTENT_TYPE};
use prost::Message as _;
use tidings_catalog::Compression;
use tidings_deliver::{Pulled, PulledEvent};
use tidings_event::{Refusal, packed};
use tidings_telemetry::Counter;
use tidings_wire::v1;

use crate::consuming::proto::{digest, gap, position_message};
use crate::rest::Answer;
use crate::rest::ask::Ask;
use crate::subscribing::{found, terms};

/// `EventBatch.events`.
const EVENTS: u32 = 1;

const MEDIA_TYPE: &str = "application/x-protobuf";

/// Whether a client wants Protobuf; who names nothing, or several, gets JSON.
pub(crate) fn is_wanted(ask: &Ask) -> Result<bool, Refusal> {
    let accepted = ask.header(&ACCEPT)?.unwrap_or_default().to_ascii_lowercase();
    Ok(matches!(accepted.trim(), MEDIA_TYPE | "application/protobuf"))
}

/// How the events are packed: as the request says, or as the subscription does.
pub(crate) fn compression(ask: &Ask, wanted: Option<&str>) -> Result<Compression, Refusal> {
    let of_it = found(&ask.doors, ask.tenant(), ask.param("name"))?.spec.batching.compression;
    Ok(terms::compression("compression", wanted)?.unwrap_or(of_it))
}

/// The answer.
pub(crate) fn answer(ask: &Ask, pulled: &[Pulled], compression: Compression) -> Answer {
    let mut response = v1::PullResponse::default();
    // May be longer than a block's: it has the events of several.
    let mut body = Vec::new();
    for one in pulled {
        match one {
            Pulled::Event(event) => {
                prost::encoding::bytes::encode(EVENTS, &event.event, &mut body);
                response.events.push(event_message(event));
            }
            Pulled::Gap(notice) => response.gaps.push(v1::PulledGap {
                topic: notice.topic.name.path().to_owned(),
                gap: Some(gap(notice)),
            }),
        }
    }
    response.body = body.into();
    if compression == Compression::Lz4 && !response.body.is_empty() {
        ask.doors.parts.recorder.count(Counter::ServeEncodings, 1);
        if let Some(packed) = packed::pack(&response.body) {
            (response.body, response.codec) = (packed, packed::LZ4);
        }
    }
    let kind = (CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Ok(([kind], response.encode_to_vec()).into_response())
}

fn event_message(event: &PulledEvent) -> v1::PulledEvent {
    let told = event.digest.as_deref();
    v1::PulledEvent {
        ack_id: event.ack_id.to_string(),
        topic: event.topic.name.path().to_owned(),
        position: Some(position_message(&event.position)),
        attempt: event.attempt,
        redelivered: event.redelivered,
        redriven: event.redriven,
        skipped_to_dead_letter: event.skipped_to_dead_letter.iter().map(|o| o.0).collect(),
        digest: told.map(|told| digest(event.position.offset, told)),
        ingested_at: event.ingested_at.0,
    }
}

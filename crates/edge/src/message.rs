//! An event as a message: its key, its time, its properties.

use bytes::Bytes;
use tidings_event::key::NO_VENUE;
use tidings_event::v1::Kind;
use tidings_event::{Envelope, Refusal, Timestamp, format_event_id, glance, json};

use crate::cluster::Message;
use crate::lane::Waiting;
use crate::settings::Form;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// What it is where the producer said nothing.
const SCHEMA_VERSION: &str = "1.0";

/// The message of an event of a topic.
///
/// # Errors
/// When the bytes are no event.
pub(crate) fn message(form: Form, path: &str, event: &Waiting) -> Result<Message, Refusal> {
    let payload = match form {
        Form::Json => Bytes::from(json::to_uniform_json(&event.event)?),
        Form::Protobuf => event.event.clone(),
    };
    // What was stored was scanned before.
    let envelope = glance(&event.event).ok_or_else(|| {
        Refusal::new(tidings_event::Code::EventMalformed, "its envelope cannot be read")
    })?;
    let properties = properties(path, event, &envelope);
    Ok(Message { key: key(&envelope), event_time: event_time(&envelope), properties, payload })
}

/// What its order is kept by, as people write it. Events that differ only in their venue share it.
fn key(envelope: &Envelope<'_>) -> String {
    let of_kind = match envelope.kind {
        Kind::Correlation => envelope.matrix_id,
        _ => envelope.instrument,
    };
    let named = [of_kind, envelope.venue].into_iter().find(|name| !name.is_empty());
    named.unwrap_or(NO_VENUE).to_owned()
}

/// The end of the interval that it is about, or else when it was produced.
fn event_time(envelope: &Envelope<'_>) -> u64 {
    let about = Some(envelope.interval_end).filter(|end| *end > Timestamp(0));
    about.unwrap_or(envelope.produced_at).0 / NANOS_PER_MILLI
}

fn properties(path: &str, event: &Waiting, envelope: &Envelope<'_>) -> Vec<(&'static str, String)> {
    let version = Some(envelope.schema_version).filter(|version| !version.is_empty());
    let run = &event.run;
    let always = [
        ("id", format_event_id(&envelope.id)),
        ("source", envelope.source.to_owned()),
        ("kind", Kind::as_str_name(&envelope.kind).to_owned()),
        ("schema_version", version.unwrap_or(SCHEMA_VERSION).to_owned()),
        ("topic", path.to_owned()),
        ("partition", run.partition.0.to_string()),
        ("offset", run.first.0.to_string()),
        ("epoch", run.epoch.0.to_string()),
    ];
    let text = |name, value: &str| (!value.is_empty()).then(|| (name, value.to_owned()));
    let flag = |name, is_set: bool| is_set.then(|| (name, "true".to_owned()));
    let sometimes = [
        text("venue", envelope.venue),
        text("traceparent", envelope.traceparent),
        flag("redelivered", event.is_redelivered),
        flag("redriven", event.is_redriven),
    ];
    always.into_iter().chain(sometimes.into_iter().flatten()).collect()
}

#[cfg(test)]
mod tests;

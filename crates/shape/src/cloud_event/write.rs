//! An event as a CloudEvent in structured mode, with all of itself as the data.

use std::fmt::Write;

use tidings_event::v1::{self, Kind, Severity};
use tidings_event::{Code, Refusal, Timestamp, foreign_event_id, format_event_id, json};

use super::attributes::{KNOWN, SCHEMA, key_of, subject_of, type_of};
use crate::reading::decode;

/// The structured mode's JSON of an event in canonical bytes.
///
/// # Errors
/// The bytes are not an event.
pub fn to_json(bytes: &[u8]) -> Result<String, Refusal> {
    let event = decode(bytes)?;
    let kind = Kind::try_from(event.kind)
        .map_err(|_| Refusal::new(Code::KindUnknown, "there is no kind of this number"))?;
    let mut out = String::from(r#"{"specversion":"1.0""#);
    let mut put = |name: &str, value: &str| {
        if !value.is_empty() {
            // Writing to a String cannot fail.
            let _infallible = write!(out, ",\"{name}\":{}", serde_json::Value::from(value));
        }
    };
    put("id", &id(&event)?);
    put("source", &event.source);
    put("type", &type_of(kind));
    put("subject", &subject_of(&event));
    put("time", &Timestamp(event.produced_at).to_string());
    put("partitionkey", &key_of(&event));
    if let Some(number) = event.key_seq {
        put("keysequence", &format!("{number:020}"));
    }
    put("traceparent", &event.traceparent);
    if event.expires_at != 0 {
        put("expirytime", &Timestamp(event.expires_at).to_string());
    }
    if let Some(severity) = Severity::try_from(event.severity).ok().filter(|s| *s as i32 != 0) {
        put("severitytext", severity.as_str_name());
    }
    if let Some(v1::event::Payload::Correlation(correlation)) = &event.payload {
        put("dataref", &correlation.dataref);
    }
    for (name, value) in event.labels.iter().filter(|(name, _)| is_extension(name)) {
        put(name, value);
    }
    let version = if event.schema_version.is_empty() { "1.0" } else { &event.schema_version };
    put("dataschema", &format!("{SCHEMA}{version}"));
    put("datacontenttype", "application/json");
    let _infallible = write!(out, ",\"data\":{}}}", json::to_json(bytes)?);
    Ok(out)
}

/// The id as its producer wrote it.
fn id(event: &v1::Event) -> Result<String, Refusal> {
    let id: [u8; 16] = event
        .id
        .as_ref()
        .try_into()
        .map_err(|_| Refusal::new(Code::EventIdMissing, "an id has 16 bytes").at_field("id"))?;
    let origin = &event.origin_id;
    if !origin.is_empty() && foreign_event_id(&event.source, origin) == id {
        return Ok(origin.clone());
    }
    Ok(format_event_id(&id))
}

/// Whether a label's name is one that an extension attribute may have.
fn is_extension(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=20).contains(&name.len())
        && name.bytes().all(legal)
        && !KNOWN.contains(&name)
        && !name.starts_with("data")
}

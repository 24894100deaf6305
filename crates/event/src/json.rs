//! The canonical JSON form of an event, both ways, driven by the tables of [`crate::schema`].
//!
//! Names are those of `event.proto`; times are RFC 3339, enums their names, the id a UUID. Reading
//! writes canonical bytes, writing walks them: no message has code of its own. The form is
//! specified in `docs/spec/event.md`.

mod nearest;
mod parse;
mod read;
mod write;

use prost::Message;
use serde_json::Value;

use crate::scan::reader::Reader;
use crate::{Code, Refusal, v1};

pub use parse::{DEPTH_MAX, parse};

/// The largest integer an event may carry: 2^53 - 1, exact in every language.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Reads one event. An id that is missing stays empty, for the caller to assign.
///
/// What the fields must say is the scanner's to check; this checks names and types.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn from_json(text: &[u8]) -> Result<v1::Event, Refusal> {
    value_to_event(&parse(text)?)
}

/// As [`from_json`], from a parsed document.
///
/// # Errors
/// As [`from_json`].
pub fn value_to_event(value: &Value) -> Result<v1::Event, Refusal> {
    let bytes = value_to_canonical(value)?;
    v1::Event::decode(bytes.as_slice())
        .map_err(|error| Refusal::new(Code::EventMalformed, error.to_string()))
}

/// As [`from_json`], to canonical bytes. Without an id these start with the next field, so that
/// one assigned later may be put before them.
///
/// # Errors
/// As [`from_json`].
pub fn json_to_canonical(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    value_to_canonical(&parse(text)?)
}

/// As [`json_to_canonical`], from a parsed document.
///
/// # Errors
/// As [`from_json`].
pub fn value_to_canonical(value: &Value) -> Result<Vec<u8>, Refusal> {
    read::event(value).map_err(|fault| *fault)
}

/// Canonical JSON of canonical bytes: one line, fields in number order, maps in key order.
///
/// # Errors
/// The bytes are not an event.
pub fn to_json(event: &[u8]) -> Result<String, Refusal> {
    let mut out = String::with_capacity(2 * event.len());
    write::message(&crate::schema::EVENT, Reader::new(event), &mut out).map_err(|fault| *fault)?;
    Ok(out)
}

#[cfg(test)]
mod tests;

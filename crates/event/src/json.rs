//! The canonical JSON form of an event, both ways.

use crate::{Code, Refusal, v1};

/// The largest integer an event may carry: 2^53 - 1, exact in every language.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Reads one event. An id that is missing stays empty, for the caller to assign.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn from_json(text: &[u8]) -> Result<v1::Event, Refusal> {
    let _ = text;
    Err(Refusal::new(Code::JsonMalformed, "being written"))
}

/// Canonical JSON of canonical bytes.
///
/// # Errors
/// The bytes are not an event.
pub fn to_json(event: &[u8]) -> Result<String, Refusal> {
    let _ = event;
    Err(Refusal::new(Code::EventMalformed, "being written"))
}

/// As [`from_json`], from a parsed document.
///
/// # Errors
/// As [`from_json`].
pub fn value_to_event(value: &serde_json::Value) -> Result<v1::Event, Refusal> {
    from_json(value.to_string().as_bytes())
}

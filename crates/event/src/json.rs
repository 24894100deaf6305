//! The canonical JSON form of an event, both ways, driven by the tables of [`crate::schema`].
//!
//! Names are those of `event.proto`; times are RFC 3339, enums their names, the id a UUID. Reading
//! writes canonical bytes, writing walks them: no message has code of its own. The form is
//! specified in `docs/spec/event.md`.

mod nearest;
mod parse;
mod read;
pub mod tree;
mod write;

use prost::Message;
use serde_json::Value;

use crate::scan::reader::Reader;
use crate::{Code, Refusal, v1};
use tree::{Node, Tree};
use write::Spelling;

pub use nearest::did_you_mean;
pub use parse::{DEPTH_MAX, parse};

/// The largest integer an event may carry: 2^53 - 1, exact in every language.
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

/// Tag of `EventBatch.events`: field 1, length-delimited.
const EVENT_TAG: u8 = 0x0A;

/// Reads one event. An id that is missing stays empty, for the caller to assign.
///
/// What the fields must say is the scanner's to check; this checks names and types.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn from_json(text: &[u8]) -> Result<v1::Event, Refusal> {
    decode(&json_to_canonical(text)?)
}

/// As [`from_json`], from a parsed document.
///
/// # Errors
/// As [`from_json`].
pub fn value_to_event(value: &Value) -> Result<v1::Event, Refusal> {
    from_json(value.to_string().as_bytes())
}

fn decode(bytes: &[u8]) -> Result<v1::Event, Refusal> {
    v1::Event::decode(bytes).map_err(|error| Refusal::new(Code::EventMalformed, error.to_string()))
}

/// As [`from_json`], to canonical bytes. Without an id these start with the next field, so that
/// one assigned later may be put before them.
///
/// # Errors
/// As [`from_json`].
pub fn json_to_canonical(text: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut tree = Tree::default();
    let document = tree.parse(tree::text(text)?)?;
    let mut out = Vec::with_capacity(text.len() / 2);
    node_to_canonical(document.root(), &mut || None, &mut out)?;
    Ok(out)
}

/// As [`json_to_canonical`], from a node, put after what is there; an event without an id gets the
/// one that `new_id` makes. After a refusal the bytes behind what was there mean nothing.
///
/// # Errors
/// As [`from_json`].
pub fn node_to_canonical(
    node: Node<'_>,
    new_id: &mut dyn FnMut() -> Option<[u8; 16]>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    read::event(node, new_id, out).map_err(|fault| *fault)
}

/// Reads a payload alone: `indicators` and its like name which.
///
/// # Errors
/// As [`from_json`]; `KIND_UNKNOWN` where there is no such payload.
pub fn node_to_payload(name: &str, node: Node<'_>) -> Result<v1::event::Payload, Refusal> {
    let mut bytes = Vec::new();
    read::payload_of(name, node, &mut bytes)
        .map_err(|fault| *crate::scan::fault::within(fault, name))?;
    let payload = decode(&bytes)?.payload;
    payload.ok_or_else(|| Refusal::new(Code::PayloadMismatch, format!("`{name}` is empty")))
}

/// Appends an event to a serialised `EventBatch`: what `write` puts there, framed. Where it refuses,
/// nothing is appended.
///
/// # Errors
/// As `write`.
pub fn framed<E>(
    body: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    let start = body.len();
    body.extend([EVENT_TAG, 0]);
    match write(body) {
        Ok(()) => {
            read::set_length(body, start + 1);
            Ok(())
        }
        Err(error) => {
            body.truncate(start);
            Err(error)
        }
    }
}

/// Canonical JSON of canonical bytes: one line, fields in number order, maps in key order.
///
/// # Errors
/// The bytes are not an event.
pub fn to_json(event: &[u8]) -> Result<String, Refusal> {
    spelled(event, Spelling::Short)
}

/// As [`to_json`], each field by one type: what [`crate::avro_schema`] describes. It reads as the same event,
/// unless an enum has a number that has no name yet.
///
/// # Errors
/// As [`to_json`].
pub fn to_uniform_json(event: &[u8]) -> Result<String, Refusal> {
    spelled(event, Spelling::Uniform)
}

fn spelled(event: &[u8], spelling: Spelling) -> Result<String, Refusal> {
    let mut out = String::with_capacity(2 * event.len());
    let reader = Reader::new(event);
    write::message(&crate::schema::EVENT, reader, spelling, &mut out).map_err(|fault| *fault)?;
    Ok(out)
}

#[cfg(test)]
mod tests;

//! One event out of one JSON object, whichever of the shapes it has.

use prost::Message;
use tidings_event::json::tree::Node;
use tidings_event::{Code, Refusal, json, v1};

use crate::dialect::Dialect;
use crate::platform;

/// What a request says for those of its events that cannot say it themselves.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// The source of events of the platform's shapes, which name none.
    pub source: Option<&'a str>,
    /// The venue of events of the platform's shapes, which name none.
    pub venue: Option<&'a str>,
    /// How timeframes are written; without one, canonically.
    pub dialect: Option<Dialect>,
}

/// Makes an id for an event that has none.
pub type NewId<'a> = &'a mut dyn FnMut() -> Option<[u8; 16]>;

/// Puts the canonical bytes of an event after what is there. An object with a member `eventType` is
/// of the platform's shape A; one with `event_type`, or with the object that shape B is named after,
/// is of shape B; any other is canonical JSON. After a refusal the bytes behind what was there mean
/// nothing.
///
/// # Errors
/// What is wrong, where, and what to do about it.
pub fn read(
    node: Node<'_>,
    given: &Given<'_>,
    new_id: NewId<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Refusal> {
    if let Some(shape) = platform::Shape::of(node) {
        let event = platform::event(shape, node, given, new_id)?;
        return put(&event, out);
    }
    let Some(dialect) = given.dialect else {
        return json::node_to_canonical(node, new_id, out);
    };
    let mut bytes = Vec::new();
    json::node_to_canonical(node, new_id, &mut bytes)?;
    let mut event = decode(&bytes)?;
    if !event.timeframe.is_empty() {
        event.timeframe = dialect.canonical(&event.timeframe)?;
    }
    put(&event, out)
}

/// An event of canonical bytes.
pub(crate) fn decode(bytes: &[u8]) -> Result<v1::Event, Refusal> {
    v1::Event::decode(bytes).map_err(|error| Refusal::new(Code::EventMalformed, error.to_string()))
}

fn put(event: &v1::Event, out: &mut Vec<u8>) -> Result<(), Refusal> {
    event.encode(out).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

#[cfg(test)]
pub(crate) mod tests;

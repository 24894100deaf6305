//! The canonical encoding of an event: Protobuf, fields in number order, maps in key order.

use prost::Message;

use crate::v1;

/// Canonical bytes of an event. Unknown fields are not part of the message, so not of these bytes.
#[must_use]
pub fn encode(event: &v1::Event) -> Vec<u8> {
    event.encode_to_vec()
}

//! Event ids: 16 bytes, a UUID of any version.
//!
//! The service makes version 7 for events that come without an id in another shape than Protobuf,
//! and version 8 out of ids that are not UUIDs, so that (source, id) still identifies the event.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::Timestamp;

/// Length of the one text form read: hyphenated hexadecimal.
const TEXT_BYTES: usize = 36;

/// A new id, version 7 (RFC 9562): the time in milliseconds, then 74 of the random bits.
#[must_use]
pub fn new_event_id(now: Timestamp, random: [u8; 10]) -> [u8; 16] {
    Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid().into_bytes()
}

/// The id of an event whose producer gave it one that is not a UUID: version 8, the first 128 bits
/// of SHA-256 over source, a zero byte and the id, with the version's and variant's bits set.
#[must_use]
pub fn foreign_event_id(source: &str, id: &str) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(source.as_bytes());
    hash.update([0]);
    hash.update(id.as_bytes());
    let digest = hash.finalize();
    let mut first = [0; 16];
    for (to, from) in first.iter_mut().zip(digest.iter()) {
        *to = *from;
    }
    Builder::from_custom_bytes(first).into_uuid().into_bytes()
}

/// Reads the hyphenated form, in either case; `None` for anything else.
#[must_use]
pub fn parse_event_id(text: &str) -> Option<[u8; 16]> {
    if text.len() != TEXT_BYTES {
        return None;
    }
    Uuid::try_parse(text).ok().map(Uuid::into_bytes)
}

/// The hyphenated form, lower case.
#[must_use]
pub fn format_event_id(id: &[u8; 16]) -> String {
    Uuid::from_bytes(*id).hyphenated().to_string()
}

#[cfg(test)]
mod tests;

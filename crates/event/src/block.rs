//! Blocks: a body of events under a header.
//!
//! The **body** is a serialised `tidings.v1.EventBatch`: each event is the byte `0x0A`, its length
//! as a varint, then its bytes. Whoever builds the body computes its CRC-32C; nobody recomputes it
//! on the way, consumers check it. The **header** ([`BlockHeader`]) is little-endian and fixed, then
//! TLV extensions; its own CRC-32C covers the body's. `docs/spec/log-format.md` is the byte table.

mod body;
mod extensions;
mod header;
mod key_notes;
mod trace_notes;

pub use body::{BodyBuilder, BodyError, Crc32c, Events, crc32c, events};
pub use extensions::{EXTENSION_BYTES_MAX, extension, extension_type, put_extension};
pub use header::{BlockHeader, FIXED_BYTES, Flags, HEADER_BYTES_MAX, HeaderError, ProducerStamp};
pub use key_notes::{KEY_NOTES_MAX, KeyNote, KeyNotes, KeyState};
pub use trace_notes::{TRACE_NOTES_MAX, TraceNote};

use bytes::Bytes;

/// Most bytes a body may have: one group's worth.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Most bytes one event may have, less its framing in a body.
pub const EVENT_BYTES_MAX: usize = BODY_BYTES_MAX - 16;

/// A header with its body. Cloning shares the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What the service assigned.
    pub header: BlockHeader,
    /// The events.
    pub body: Bytes,
}

#[cfg(test)]
mod tests;

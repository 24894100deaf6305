//! The body of a block: building it, and walking the events in it.

use bytes::{BufMut, Bytes, BytesMut};

use super::{BODY_BYTES_MAX, EVENT_BYTES_MAX};

/// Tag of `EventBatch.events`: field 1, length-delimited.
const EVENT_TAG: u8 = 0x0A;

/// CRC-32C (Castagnoli), as in iSCSI.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    // The algorithm has 32 bits; the library returns every width as 64.
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// CRC-32C of bytes that come one after the other.
#[derive(Clone, Debug)]
pub struct Crc32c(crc_fast::Digest);

impl Default for Crc32c {
    fn default() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi))
    }
}

impl Crc32c {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// What [`crc32c`] says of all of them together.
    #[must_use]
    pub fn value(&self) -> u32 {
        // As there.
        self.0.finalize() as u32
    }
}

/// Collects encoded events into a body.
#[derive(Debug, Default)]
pub struct BodyBuilder {
    bytes: BytesMut,
    count: u32,
}

impl BodyBuilder {
    /// An empty body with room for `bytes`.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(bytes), count: 0 }
    }

    /// Appends an encoded event, unless the body would pass [`BODY_BYTES_MAX`]: then `false`, and
    /// nothing has changed.
    pub fn push(&mut self, event: &[u8]) -> bool {
        if self.bytes.len() + framed_bytes(event.len()) > BODY_BYTES_MAX {
            return false;
        }
        self.bytes.put_u8(EVENT_TAG);
        prost::encoding::encode_varint(event.len() as u64, &mut self.bytes);
        self.bytes.put_slice(event);
        self.count += 1;
        true
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was pushed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Events so far.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The finished body and its count; the builder starts anew.
    pub fn take(&mut self) -> (Bytes, u32) {
        let body = self.bytes.split().freeze();
        (body, std::mem::take(&mut self.count))
    }
}

/// Bytes an event of `length` takes in a body.
fn framed_bytes(length: usize) -> usize {
    1 + prost::encoding::encoded_len_varint(length as u64) + length
}

/// Where a body stops being a sequence of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("body is not a sequence of events at byte {at}")]
pub struct BodyError {
    /// Offset of the first byte that does not fit.
    pub at: usize,
}

/// The events of a body, in order. Each item is the event's bytes; after an error the walk ends.
#[must_use]
pub fn events(body: &[u8]) -> Events<'_> {
    Events { body, at: 0 }
}

/// Iterator of [`events`].
#[derive(Clone, Debug)]
pub struct Events<'a> {
    body: &'a [u8],
    at: usize,
}

impl<'a> Events<'a> {
    /// Offset of the next event's frame in the body.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    fn read(&mut self) -> Option<&'a [u8]> {
        let rest = self.body.get(self.at..)?;
        let (&tag, rest) = rest.split_first()?;
        if tag != EVENT_TAG {
            return None;
        }
        let (length, prefix) = read_length(rest)?;
        let event = rest.get(prefix..prefix.checked_add(length)?)?;
        self.at += 1 + prefix + length;
        Some(event)
    }
}

/// A varint length of at most four bytes, in its shortest spelling.
fn read_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0usize;
    for (at, &byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7F) << (7 * at);
        if byte < 0x80 {
            let shortest = at == 0 || byte != 0;
            return (shortest && value <= EVENT_BYTES_MAX).then_some((value, at + 1));
        }
    }
    None
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<&'a [u8], BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        let at = self.at;
        let event = self.read();
        if event.is_none() {
            self.at = self.body.len();
        }
        Some(event.ok_or(BodyError { at }))
    }
}

//! The framed form of a delivery: its body as it is stored, after a head that says everything else.
//!
//! A message that begins with [`MAGIC`] is a delivery; any other is a `ConsumeResponses`, which never begins
//! so. `docs/spec/streams.md` is the byte table.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use tidings_event::block::crc32c;
use tidings_event::packed::{self, UnpackError};

use crate::v1;

/// The WebSocket subprotocol.
pub const SUBPROTOCOL: &str = "tidings.v1.framed";

/// What a delivery begins with.
pub const MAGIC: [u8; 4] = *b"TDF1";

/// Bytes before the head's message.
pub const FIXED_BYTES: usize = 20;

/// The body is that of one stored block, and its checksum is given.
const CHECKED: u32 = 1;

/// Where the length of the head's message, the body's checksum and the head's are.
const LENGTH_AT: usize = 8;
const BODY_CRC_AT: usize = 12;
const HEAD_CRC_AT: usize = 16;

/// The shortest event takes so many bytes of a body.
const FRAME_BYTES_MIN: u64 = 2;

/// One message of the service.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "most are deliveries, and nobody keeps them as this")]
pub enum Framed {
    /// Events. The body is unpacked and, where its checksum was given, checked.
    Delivery(v1::Delivery),
    /// Everything else.
    Said(v1::ConsumeResponses),
}

/// Why bytes are not a message of the service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramedError {
    /// Fewer bytes than the head has.
    #[error("a framed delivery ends within its head")]
    Cut,
    /// The head's checksum does not fit.
    #[error("the head of a framed delivery is damaged")]
    Head,
    /// The head's message, or a message that is no delivery, is not one.
    #[error("a framed message cannot be read: {0}")]
    Message(String),
    /// A field contradicts the form.
    #[error("the head of a framed delivery has an impossible `{0}`")]
    Field(&'static str),
    /// The body cannot be unpacked.
    #[error("{0}")]
    Packed(#[from] UnpackError),
    /// The body is not the one whose checksum was given.
    #[error("the body of a framed delivery is damaged")]
    Body,
}

/// Bytes that [`put_head`] appends.
#[must_use]
pub fn head_bytes(delivery: &v1::Delivery) -> usize {
    FIXED_BYTES + delivery.encoded_len()
}

/// Appends all of a delivery but its body, which `delivery` has not: it follows as it is. `checksum` is
/// that of the unpacked body, where that is a stored block's.
pub fn put_head(out: &mut BytesMut, delivery: &v1::Delivery, checksum: Option<u32>) {
    let start = out.len();
    let length = delivery.encoded_len();
    out.reserve(FIXED_BYTES + length);
    out.put_slice(&MAGIC);
    out.put_u32_le(checksum.map_or(0, |_| CHECKED));
    // A head describes a body of at most 16 MiB.
    out.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
    out.put_u32_le(checksum.unwrap_or(0));
    out.put_u32_le(0);
    // There is room for it.
    let _written = delivery.encode(out);
    let crc = crc32c(&out[start..]);
    out[start + HEAD_CRC_AT..start + FIXED_BYTES].copy_from_slice(&crc.to_le_bytes());
}

/// Reads one message of the service. A body shares its bytes, but for a packed one.
///
/// # Errors
/// [`FramedError`].
pub fn read(message: Bytes) -> Result<Framed, FramedError> {
    if !message.starts_with(&MAGIC) {
        let said = v1::ConsumeResponses::decode(message);
        return said.map(Framed::Said).map_err(|error| FramedError::Message(error.to_string()));
    }
    delivery(&message).map(Framed::Delivery)
}

fn delivery(message: &Bytes) -> Result<v1::Delivery, FramedError> {
    let fixed = message.first_chunk::<FIXED_BYTES>().ok_or(FramedError::Cut)?;
    let length = usize::try_from(u32_at(fixed, LENGTH_AT)).map_err(|_| FramedError::Cut)?;
    let end = FIXED_BYTES.checked_add(length).filter(|&end| end <= message.len());
    let end = end.ok_or(FramedError::Cut)?;
    let mut head = message[..end].to_vec();
    head[HEAD_CRC_AT..FIXED_BYTES].fill(0);
    if crc32c(&head) != u32_at(fixed, HEAD_CRC_AT) {
        return Err(FramedError::Head);
    }
    let mut delivery = v1::Delivery::decode(&head[FIXED_BYTES..])
        .map_err(|error| FramedError::Message(error.to_string()))?;
    if !delivery.body.is_empty() {
        return Err(FramedError::Field("body"));
    }
    delivery.body = packed::unpack(message.slice(end..), delivery.codec)?;
    delivery.codec = packed::PLAIN;
    let is_checked = u32_at(fixed, 4) & CHECKED != 0;
    if is_checked && crc32c(&delivery.body) != u32_at(fixed, BODY_CRC_AT) {
        return Err(FramedError::Body);
    }
    check(&delivery)?;
    Ok(delivery)
}

/// That offsets and events may go together: nothing is counted beyond what the body can hold.
fn check(delivery: &v1::Delivery) -> Result<(), FramedError> {
    let mut left = delivery.body.len() as u64 / FRAME_BYTES_MIN;
    for run in &delivery.offsets {
        let count = u64::from(run.count);
        left = left.checked_sub(count).ok_or(FramedError::Field("offsets"))?;
        if run.first.checked_add(count.max(1)).is_none() {
            return Err(FramedError::Field("offsets"));
        }
    }
    Ok(())
}

fn u32_at(fixed: &[u8; FIXED_BYTES], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&fixed[at..at + 4]);
    u32::from_le_bytes(word)
}

#[cfg(test)]
mod tests;

//! What a message of a journal's topic holds: the start of a hold, or a group of blocks.
//!
//! Little-endian: `TPG1`, version, kind, two zero bytes, epoch, term, hold, sequence, number of blocks,
//! bytes of the headers, CRC-32C of all that and of the headers; then the block headers, then the bodies.

use bytes::Bytes;
use tidings_event::block::{Block, BlockHeader, crc32c};
use tidings_event::{Epoch, Term};

use crate::append::BLOCK_BYTES_MAX;

const MAGIC: &[u8] = b"TPG1";
const VERSION: u8 = 1;
const START: u8 = 0;
const GROUP: u8 = 1;
const CRC_AT: usize = 40;
const HEAD: usize = CRC_AT + 4;
/// Most bytes of a message: what is stored whole, or one block; and what the client puts before it.
pub(crate) const MESSAGE_BYTES_MAX: usize = HEAD + BLOCK_BYTES_MAX + (64 << 10);

/// One unbroken holding of a topic by its owner. Each connection that writes begins a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hold {
    pub(crate) term: Term,
    pub(crate) number: u32,
}

/// What a message says before its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Front {
    pub(crate) epoch: Epoch,
    pub(crate) hold: Hold,
    /// The group's sequence in its journal; `None` begins a hold.
    pub(crate) seq: Option<u64>,
}

/// Why a message is none of ours, or not as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    #[error("it is no message of Tidings")]
    Foreign,
    #[error("it is of format {0}, which this version does not know")]
    Version(u8),
    #[error("it is cut off or changed")]
    Damaged,
}

/// A message that begins a hold.
pub(crate) fn start(epoch: Epoch, hold: Hold) -> Bytes {
    encode(&Front { epoch, hold, seq: None }, &[])
}

/// The bytes of a message.
pub(crate) fn encode(front: &Front, blocks: &[Block]) -> Bytes {
    let headers: usize = blocks.iter().map(|block| block.header.encoded_bytes()).sum();
    let bodies: usize = blocks.iter().map(|block| block.body.len()).sum();
    let mut out = Vec::with_capacity(HEAD + headers + bodies);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[VERSION, if front.seq.is_some() { GROUP } else { START }, 0, 0]);
    out.extend_from_slice(&front.epoch.0.to_le_bytes());
    out.extend_from_slice(&front.hold.term.0.to_le_bytes());
    out.extend_from_slice(&front.hold.number.to_le_bytes());
    out.extend_from_slice(&front.seq.unwrap_or(0).to_le_bytes());
    for length in [blocks.len(), headers, 0] {
        // A message has at most a few MiB.
        out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
    }
    debug_assert_eq!(out.len(), HEAD);
    for block in blocks {
        block.header.encode(&mut out);
    }
    let crc = checksum(&out);
    out[CRC_AT..HEAD].copy_from_slice(&crc.to_le_bytes());
    for block in blocks {
        out.extend_from_slice(&block.body);
    }
    out.into()
}

/// Of head and headers, with zeros in its own place.
fn checksum(front: &[u8]) -> u32 {
    let mut bytes = front.to_vec();
    bytes[CRC_AT..HEAD].fill(0);
    crc32c(&bytes)
}

/// Front and headers of a message, and where its bodies begin.
fn decode_front(message: &[u8]) -> Result<(Front, Vec<BlockHeader>, usize), MessageError> {
    let version =
        *message.strip_prefix(MAGIC).and_then(|rest| rest.first()).ok_or(MessageError::Foreign)?;
    if version != VERSION {
        return Err(MessageError::Version(version));
    }
    let head = message.get(..HEAD).ok_or(MessageError::Damaged)?;
    let u32_at =
        |at: usize| head[at..at + 4].iter().rev().fold(0u32, |n, byte| n << 8 | u32::from(*byte));
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    let (count, headers) = (u32_at(32) as usize, u32_at(36) as usize);
    let bodies_at = HEAD.checked_add(headers).ok_or(MessageError::Damaged)?;
    let front = message.get(..bodies_at).ok_or(MessageError::Damaged)?;
    if checksum(front) != u32_at(CRC_AT) {
        return Err(MessageError::Damaged);
    }
    let mut rest = &front[HEAD..];
    let mut blocks = vec![];
    while !rest.is_empty() {
        let (header, taken) = BlockHeader::decode(rest).map_err(|_| MessageError::Damaged)?;
        blocks.push(header);
        rest = &rest[taken..];
    }
    let hold = Hold { term: Term(u64_at(12)), number: u32_at(20) };
    let seq = (head[5] == GROUP).then(|| u64_at(24));
    if head[5] > GROUP || blocks.len() != count || seq.is_some() == blocks.is_empty() {
        return Err(MessageError::Damaged);
    }
    Ok((Front { epoch: Epoch(u32_at(8)), hold, seq }, blocks, bodies_at))
}

/// A block of a message; one whose body is not as it was sent has none.
pub(crate) type Found = (BlockHeader, Option<Bytes>);

/// Reads a message.
pub(crate) fn decode(message: &Bytes) -> Result<(Front, Vec<Found>), MessageError> {
    let (front, headers, mut at) = decode_front(message)?;
    let mut blocks = Vec::with_capacity(headers.len());
    for header in headers {
        let end = at.saturating_add(header.body_bytes as usize);
        let body = (end <= message.len()).then(|| message.slice(at..end));
        let body = body.filter(|body| crc32c(body) == header.body_crc);
        blocks.push((header, body));
        at = end;
    }
    Ok((front, blocks))
}

#[cfg(test)]
mod tests;

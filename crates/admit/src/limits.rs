//! Limits that are refused before memory is spent.

use tidings_event::block::{BODY_BYTES_MAX, EVENT_BYTES_MAX};
use tidings_event::{Code, Refusal};

/// Most bytes of a batch.
pub(crate) const BATCH_BYTES_MAX: usize = 16 << 20;

/// Bytes of events that a block made here aims at.
pub(crate) const BLOCK_BYTES_TARGET: usize = 64 << 10;

pub(crate) fn check_batch(bytes: usize) -> Result<(), Refusal> {
    check(bytes, BATCH_BYTES_MAX, "batch")
}

pub(crate) fn check_block(bytes: usize) -> Result<(), Refusal> {
    check(bytes, BODY_BYTES_MAX, "block")
}

fn check(bytes: usize, max: usize, what: &str) -> Result<(), Refusal> {
    if bytes == 0 {
        return Err(Refusal::new(Code::BatchEmpty, format!("the {what} holds no event")));
    }
    if bytes > max {
        let detail = format!("the {what} has {bytes} bytes, at most {max}");
        return Err(Refusal::new(Code::BatchTooLarge, detail).with_hint("send it in parts"));
    }
    Ok(())
}

/// Why a body's walk ended at a byte: an event that is too large, or bytes that are no event.
#[must_use]
pub fn broken_body(body: &[u8], at: usize) -> Refusal {
    let mut length = 0u64;
    let mut shift = 0;
    for byte in body.iter().skip(at + 1).take(9) {
        length |= u64::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    if body.get(at) == Some(&0x0A) && length > EVENT_BYTES_MAX as u64 && length <= body.len() as u64
    {
        let detail =
            format!("the event at byte {at} has {length} bytes, at most {EVENT_BYTES_MAX}");
        return Refusal::new(Code::EventTooLarge, detail).at_offset(at as u64);
    }
    Refusal::new(Code::EventMalformed, "the batch stops being a sequence of events")
        .at_offset(at as u64)
}

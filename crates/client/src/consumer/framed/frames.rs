//! Cuts WebSocket messages of a service out of what was read, without a copy where one is one frame.

use bytes::{Buf, Bytes, BytesMut};

use crate::ClientError;
use crate::connection::MESSAGE_BYTES_MAX;

/// Room for one read: a few blocks.
const READ_BYTES: usize = 256 << 10;

/// Less room than this is not worth a read.
const ROOM_BYTES_MIN: usize = 16 << 10;

/// What the rest of a message is given room for at once, whatever its frame says.
const REST_BYTES_MAX: usize = 1 << 20;

/// Most bytes of a ping, pong or close.
const CONTROL_BYTES_MAX: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// What frames are, by their number.
const CONTINUED: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What was heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Message(Bytes),
    Ping(Bytes),
    Pong,
    Close,
}

/// The beginning of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    kind: u8,
    is_final: bool,
    /// Bytes of the frame before its payload, and of that.
    at: usize,
    length: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    unread: BytesMut,
    /// The frames so far of a message that has more.
    begun: Option<BytesMut>,
}

impl Frames {
    /// Where more is read to.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        let rest = match self.head() {
            Ok(Some(head)) => (head.at + head.length).saturating_sub(self.unread.len()),
            _ => 0,
        };
        let room = self.unread.capacity() - self.unread.len();
        if room < rest.clamp(ROOM_BYTES_MIN, REST_BYTES_MAX) {
            self.unread.reserve(rest.clamp(READ_BYTES, REST_BYTES_MAX));
        }
        &mut self.unread
    }

    /// What was heard next; `None` when more has to be read.
    pub(super) fn next(&mut self) -> Result<Option<Heard>, ClientError> {
        loop {
            let Some(head) = self.head()? else { return Ok(None) };
            if self.unread.len() < head.at + head.length {
                return Ok(None);
            }
            self.unread.advance(head.at);
            let payload = self.unread.split_to(head.length);
            let heard = match head.kind {
                PING => Some(Heard::Ping(payload.freeze())),
                PONG => Some(Heard::Pong),
                CLOSE => Some(Heard::Close),
                _ => self.message(head.is_final, payload).map(Heard::Message),
            };
            if heard.is_some() {
                return Ok(heard);
            }
        }
    }

    /// Adds a frame to its message; gives that when it is whole.
    fn message(&mut self, is_final: bool, payload: BytesMut) -> Option<Bytes> {
        let message = match self.begun.take() {
            Some(mut begun) => {
                begun.extend_from_slice(&payload);
                begun
            }
            None => payload,
        };
        if is_final {
            return Some(message.freeze());
        }
        self.begun = Some(message);
        None
    }

    /// The beginning of the next frame, once it is there.
    fn head(&self) -> Result<Option<Head>, ClientError> {
        let &[first, second, ref rest @ ..] = &self.unread[..] else { return Ok(None) };
        let (length, at) = match second {
            MASKED.. => return Err(broken("a masked frame")),
            126 => match rest.first_chunk() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 10),
                None => return Ok(None),
            },
            length => (u64::from(length), 2),
        };
        let (kind, is_final) = (first & 0x0F, first & FINAL != 0);
        let fits = match kind {
            CONTINUED => self.begun.is_some(),
            BINARY => self.begun.is_none(),
            CLOSE | PING | PONG => is_final && length <= CONTROL_BYTES_MAX as u64,
            _ => false,
        };
        if !fits || first & RESERVED != 0 {
            return Err(broken("a frame out of place"));
        }
        let begun = self.begun.as_ref().map_or(0, BytesMut::len);
        let length = usize::try_from(length).ok().filter(|&bytes| {
            bytes.checked_add(begun).is_some_and(|bytes| bytes <= MESSAGE_BYTES_MAX)
        });
        let length = length.ok_or_else(|| broken("a message that is too long"))?;
        Ok(Some(Head { kind, is_final, at, length }))
    }
}

fn broken(what: &str) -> ClientError {
    ClientError::Protocol(format!("{what} came over the WebSocket"))
}

#[cfg(test)]
mod tests;

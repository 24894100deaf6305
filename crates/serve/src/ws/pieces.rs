//! Messages for a WebSocket as pieces that are written where they lie: small heads, and the log's bytes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message as _;
use tidings_wire::{framed, v1};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Most pieces of one write.
const SLICES_MAX: usize = 64;

/// A final frame with a binary message; a service does not mask.
const BINARY: u8 = 0x82;

/// What a frame says of its length, where that takes 2 or 8 bytes.
const LENGTH_2: u8 = 126;
const LENGTH_8: u8 = 127;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    list: VecDeque<Bytes>,
    /// Where heads are made.
    heads: BytesMut,
    /// Responses that go in one message, once something else follows.
    said: Vec<v1::ConsumeResponse>,
}

impl Pieces {
    /// Adds a response; says how many bytes it has.
    pub(super) fn say(&mut self, response: v1::ConsumeResponse) -> usize {
        let bytes = response.encoded_len();
        self.said.push(response);
        bytes
    }

    /// Adds a delivery, and its body with the checksum that it is stored with; says how many bytes.
    pub(super) fn deliver(
        &mut self,
        head: &v1::Delivery,
        body: Bytes,
        checksum: Option<u32>,
    ) -> usize {
        self.end_said();
        let bytes = framed::head_bytes(head) + body.len();
        self.begin(bytes);
        framed::put_head(&mut self.heads, head, checksum);
        self.list.push_back(self.heads.split().freeze());
        self.list.push_back(body);
        bytes
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.said.is_empty()
    }

    fn end_said(&mut self) {
        if self.said.is_empty() {
            return;
        }
        let responses = std::mem::take(&mut self.said);
        let message = v1::ConsumeResponses { responses };
        self.begin(message.encoded_len());
        // A buffer that grows has room.
        let _written = message.encode(&mut self.heads);
        self.list.push_back(self.heads.split().freeze());
    }

    /// Begins the frame of a message of so many bytes.
    fn begin(&mut self, bytes: usize) {
        self.heads.put_u8(BINARY);
        match (u8::try_from(bytes), u16::try_from(bytes)) {
            (Ok(short), _) if short < LENGTH_2 => self.heads.put_u8(short),
            (_, Ok(middle)) => {
                self.heads.put_u8(LENGTH_2);
                self.heads.put_u16(middle);
            }
            _ => {
                self.heads.put_u8(LENGTH_8);
                self.heads.put_u64(bytes as u64);
            }
        }
    }

    /// Writes everything, as much at a time as the system takes.
    pub(super) async fn write(mut self, stream: &mut TcpStream) -> io::Result<()> {
        self.end_said();
        self.list.retain(|piece| !piece.is_empty());
        while !self.list.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let count = slices.iter_mut().zip(&self.list).map(|(slice, piece)| {
                *slice = IoSlice::new(piece);
            });
            let count = count.count();
            let written = stream.write_vectored(&slices[..count]).await?;
            if written == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
            self.advance(written);
        }
        Ok(())
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.list.front_mut() {
            if piece.len() > written {
                piece.advance(written);
                return;
            }
            written -= piece.len();
            self.list.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;

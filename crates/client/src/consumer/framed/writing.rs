//! Writes what a consumer asks as masked WebSocket frames, all that is ready in one message.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message as _;
use tidings_wire::v1;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;

/// Most words of one write.
const WORDS_MAX: usize = 64;

/// A message of asks goes once it has so many bytes: the service takes 1 MiB of one.
const ASKS_BYTES: usize = 64 << 10;

/// Kinds of frames, each final.
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

const MASKED: u8 = 0x80;

/// Normal closure.
const CLOSE_CODE: u16 = 1_000;

/// What the service is told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Say {
    Ask(v1::ConsumeRequest),
    Ping,
    Pong(Bytes),
    Close,
}

/// Writes until nobody has anything to say any more, or the connection is gone.
pub(super) async fn write(mut writer: OwnedWriteHalf, mut says: mpsc::Receiver<Say>) {
    let mut words = Vec::new();
    while says.recv_many(&mut words, WORDS_MAX).await > 0 {
        let bytes = frames(words.drain(..), rand::random);
        // Whoever reads finds out that the connection is gone, and why.
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Words as frames, in order.
fn frames(words: impl Iterator<Item = Say>, mask: impl Fn() -> [u8; 4]) -> BytesMut {
    let (mut out, mut asks) = (BytesMut::new(), v1::ConsumeRequests::default());
    for word in words {
        let (kind, payload) = match word {
            Say::Ask(request) => {
                asks.requests.push(request);
                if asks.encoded_len() >= ASKS_BYTES {
                    put_asks(&mut out, &mut asks, mask());
                }
                continue;
            }
            Say::Ping => (PING, Bytes::new()),
            Say::Pong(bytes) => (PONG, bytes),
            Say::Close => (CLOSE, Bytes::copy_from_slice(&CLOSE_CODE.to_be_bytes())),
        };
        put_asks(&mut out, &mut asks, mask());
        put(&mut out, kind, &payload, mask());
    }
    put_asks(&mut out, &mut asks, mask());
    out
}

fn put_asks(out: &mut BytesMut, asks: &mut v1::ConsumeRequests, mask: [u8; 4]) {
    if !asks.requests.is_empty() {
        put(out, BINARY, &std::mem::take(asks).encode_to_vec(), mask);
    }
}

fn put(out: &mut BytesMut, kind: u8, payload: &[u8], mask: [u8; 4]) {
    out.put_u8(kind);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => out.put_u8(MASKED | short),
        (_, Ok(middle)) => {
            out.put_u8(MASKED | 126);
            out.put_u16(middle);
        }
        _ => {
            out.put_u8(MASKED | 127);
            out.put_u64(payload.len() as u64);
        }
    }
    out.put_slice(&mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests;

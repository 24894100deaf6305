//! WebSocket by hand: an upgrade, frames as the row says, and what comes until the close.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use prost::Message;
use serde_json::{Value, json};
use tidings_e2e::{Server, ask};
use tidings_wire::v1;

use super::answered::Answered;
use super::grpc;
use super::row::{Row, expand};

/// A socket that says nothing for so long stays open.
const SILENCE: Duration = Duration::from_secs(15);

/// Bodies are text frames; those with `proto` binary ones; `frame:HEX` is sent as it is; `http:LINE`
/// is a request beside the socket, made when the socket has said something.
pub(super) fn answer(server: &Server, row: &Row) -> Answered {
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let mut head = "GET /api/v1/ws HTTP/1.1\r\nhost: e2e\r\nconnection: upgrade\r\n\
                    upgrade: websocket\r\nsec-websocket-version: 13\r\n\
                    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        .to_owned();
    for line in &row.head {
        head.push_str(&expand(line));
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut received = Received { stream, bytes: Vec::new() };
    let Some(answer) = received.head() else { return Answered::default() };
    if !answer.starts_with("HTTP/1.1 101") {
        let mut body = std::mem::take(&mut received.bytes);
        received.stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        let _ended = received.stream.read_to_end(&mut body);
        let problem = serde_json::from_slice(&body).unwrap_or_default();
        let status = answer.split(' ').nth(1).unwrap_or("0").to_owned();
        return Answered { status, problem, text: answer };
    }
    for body in std::iter::once(&row.body).chain(&row.more) {
        if let Some(line) = body.strip_prefix("http:") {
            while received.bytes.is_empty() && received.more() {}
            assert!(ask(server, line, "", b"").status < 300, "{line}");
            continue;
        }
        // The service may have closed already.
        let _closed = received.stream.write_all(&frame(row, body));
    }
    received.until_closed()
}

fn frame(row: &Row, body: &str) -> Vec<u8> {
    let bytes = Row { body: body.replacen("frame:", "hex:", 1), ..row.clone() }.bytes();
    if body.starts_with("frame:") {
        return bytes;
    }
    let opcode = if row.proto.is_empty() && !body.starts_with("hex:") { 0x81 } else { 0x82 };
    let mut frame = vec![opcode];
    match bytes.len() {
        // Below 126 the length is in the second byte.
        short @ 0..126 => frame.push(0x80 | short as u8),
        medium @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(medium as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    // A mask of zeros is a mask.
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(&bytes);
    frame
}

struct Received {
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Received {
    /// More bytes; false at the end or after a silence.
    fn more(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(count) if count > 0 => {
                self.bytes.extend_from_slice(&piece[..count]);
                true
            }
            _ => false,
        }
    }

    fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.bytes.windows(4).position(|w| w == b"\r\n\r\n") {
                let rest = self.bytes.split_off(end + 4);
                let head = std::mem::replace(&mut self.bytes, rest);
                return Some(String::from_utf8_lossy(&head).into_owned());
            }
            if !self.more() {
                return None;
            }
        }
    }

    /// Opcode and payload; the service's frames are whole and not masked.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            let (length, at) = match self.bytes.get(1).map(|b| b & 0x7F) {
                Some(126) if self.bytes.len() >= 4 => {
                    (usize::from(u16::from_be_bytes([self.bytes[2], self.bytes[3]])), 4)
                }
                Some(short) if short < 126 => (usize::from(short), 2),
                _ => (usize::MAX - 16, 16),
            };
            if self.bytes.len() >= length.saturating_add(at) {
                let rest = self.bytes.split_off(length + at);
                let frame = std::mem::replace(&mut self.bytes, rest);
                return Some((frame[0] & 0x0F, frame[at..].to_vec()));
            }
            if !self.more() {
                return None;
            }
        }
    }

    fn until_closed(&mut self) -> Answered {
        let mut answered = Answered { status: "open".to_owned(), ..Answered::default() };
        while let Some((opcode, payload)) = self.frame() {
            answered.text.push_str(&String::from_utf8_lossy(&payload));
            match opcode {
                1 => {
                    let document: Value = serde_json::from_slice(&payload).expect("JSON");
                    if document["type"] == "error" {
                        answered.problem = problem(&document);
                    }
                }
                2 => {
                    let batch = v1::ConsumeResponses::decode(&payload[..]).expect("responses");
                    for response in batch.responses {
                        if let Some(v1::consume_response::Message::Error(error)) = response.message
                        {
                            answered.problem = grpc::document(&error);
                        }
                    }
                }
                8 => {
                    let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
                    answered.status = code.to_string();
                    return answered;
                }
                _ => {}
            }
        }
        answered
    }
}

/// The problem of an error frame: in a member of its own, or the frame itself.
fn problem(document: &Value) -> Value {
    let inner = &document["problem"];
    if inner.is_object() { inner.clone() } else { json!(document) }
}

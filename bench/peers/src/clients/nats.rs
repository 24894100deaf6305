//! The NATS protocol over one connection, and core subjects, which keep nothing.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use tidings_bench::BenchError;

use super::link::Link;
use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

const HELLO: &[u8] = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\
\"no_responders\":true,\"lang\":\"bench\",\"version\":\"1\",\"protocol\":1}\r\nPING\r\n";

/// Core subjects of a server.
pub(crate) struct Core {
    pub(crate) port: u16,
}

#[async_trait]
impl Protocol for Core {
    async fn create(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn remove(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let wire = Wire::connect(self.port).await?;
        Ok(Box::new(CoreSender {
            wire,
            place: place.to_owned(),
            loaded: vec![],
            events: 0,
            sent: 0,
        }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let mut wire = Wire::connect(self.port).await?;
        wire.link.write(format!("SUB {place} 1\r\n").as_bytes()).await?;
        wire.ping().await?;
        Ok(Box::new(CoreReceiver { wire }))
    }
}

struct CoreSender {
    wire: Wire,
    place: String,
    loaded: Vec<u8>,
    events: u64,
    sent: u64,
}

#[async_trait]
impl Sender for CoreSender {
    fn load(&mut self, input: Arc<Input>) {
        self.events = input.count;
        for event in input.events() {
            put(&mut self.loaded, &self.place, None, event);
        }
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        self.wire.link.write(&self.loaded).await?;
        self.wire.ping().await?;
        Ok(self.events)
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        let mut bytes = Vec::new();
        for event in events {
            put(&mut bytes, &self.place, None, event);
            self.sent += 1;
        }
        self.wire.link.write(&bytes).await
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.wire.ping().await?;
        Ok(std::mem::take(&mut self.sent))
    }
}

struct CoreReceiver {
    wire: Wire,
}

#[async_trait]
impl Receiver for CoreReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        loop {
            let message = self.wire.message().await?;
            let more = seen(self.wire.bytes(&message.payload));
            self.wire.link.used(message.length);
            if !more {
                return Ok(());
            }
        }
    }
}

/// Appends a publication.
pub(crate) fn put(out: &mut Vec<u8>, subject: &str, reply: Option<&str>, payload: &[u8]) {
    let parts = [b"PUB ", subject.as_bytes(), b" "];
    parts.iter().for_each(|part| out.extend_from_slice(part));
    if let Some(reply) = reply {
        out.extend_from_slice(reply.as_bytes());
        out.push(b' ');
    }
    out.extend_from_slice(payload.len().to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// A message in the buffer: places in [`Link::unread`].
pub(crate) struct Message {
    pub(crate) reply: Range<usize>,
    pub(crate) headers: Range<usize>,
    pub(crate) payload: Range<usize>,
    /// Bytes of it in all.
    pub(crate) length: usize,
}

/// A connection to the server.
pub(crate) struct Wire {
    pub(crate) link: Link,
}

impl Wire {
    /// Connects and waits until the server has taken the greeting.
    pub(crate) async fn connect(port: u16) -> Result<Self, BenchError> {
        let mut wire = Self { link: Link::connect(port).await? };
        wire.link.write(HELLO).await?;
        wire.pong().await?;
        Ok(wire)
    }

    /// Waits until the server has read everything that was written.
    pub(crate) async fn ping(&mut self) -> Result<(), BenchError> {
        self.link.write(b"PING\r\n").await?;
        self.pong().await
    }

    async fn pong(&mut self) -> Result<(), BenchError> {
        loop {
            match self.next()? {
                Some(Said::Pong) => return Ok(()),
                Some(Said::Message(_)) => return Err(broken("a message came before PONG")),
                Some(Said::Ping) => self.link.write(b"PONG\r\n").await?,
                None => self.link.read().await?,
            }
        }
    }

    /// The next message, which stays in the buffer until it is used.
    pub(crate) async fn message(&mut self) -> Result<Message, BenchError> {
        loop {
            match self.next()? {
                Some(Said::Message(message)) => return Ok(message),
                Some(Said::Ping) => self.link.write(b"PONG\r\n").await?,
                Some(Said::Pong) => {}
                None => self.link.read().await?,
            }
        }
    }

    /// As [`Self::message`], without waiting.
    pub(crate) fn try_message(&mut self) -> Result<Option<Message>, BenchError> {
        loop {
            match self.next()? {
                Some(Said::Message(message)) => return Ok(Some(message)),
                Some(_) => {}
                None if self.link.try_read()? => {}
                None => return Ok(None),
            }
        }
    }

    /// The bytes of a part of a message.
    pub(crate) fn bytes(&self, part: &Range<usize>) -> &[u8] {
        self.link.unread().get(part.clone()).unwrap_or_default()
    }

    /// Asks the server and waits for its answer.
    pub(crate) async fn ask(&mut self, subject: &str, body: &str) -> Result<String, BenchError> {
        const INBOX: &str = "_INBOX.bench.ask";
        let mut bytes = format!("SUB {INBOX} 9\r\nUNSUB 9 1\r\n").into_bytes();
        put(&mut bytes, subject, Some(INBOX), body.as_bytes());
        self.link.write(&bytes).await?;
        let answer = self.message().await?;
        let text = String::from_utf8_lossy(self.bytes(&answer.payload)).into_owned();
        self.link.used(answer.length);
        if text.contains("\"error\"") || text.is_empty() {
            return Err(BenchError::Check(format!("{subject}: {text}")));
        }
        Ok(text)
    }

    /// What the server said, when all of it is in the buffer.
    fn next(&mut self) -> Result<Option<Said>, BenchError> {
        loop {
            let unread = self.link.unread();
            let Some(end) = unread.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
            let line = &unread[..end.saturating_sub(1)];
            match line.first() {
                Some(b'M' | b'H') => {
                    let message = message(line, end + 1).ok_or_else(|| odd(line))?;
                    let whole = unread.len() >= message.length;
                    return Ok(whole.then_some(Said::Message(message)));
                }
                Some(b'P') => {
                    let said = if line == b"PING" { Said::Ping } else { Said::Pong };
                    self.link.used(end + 1);
                    return Ok(Some(said));
                }
                Some(b'-') => return Err(odd(line)),
                // INFO and +OK say nothing that matters here.
                _ => self.link.used(end + 1),
            }
        }
    }
}

enum Said {
    Ping,
    Pong,
    Message(Message),
}

fn odd(line: &[u8]) -> BenchError {
    BenchError::Check(format!("the server said {}", String::from_utf8_lossy(line)))
}

/// `MSG subject sid [reply] bytes` or `HMSG subject sid [reply] header-bytes bytes`.
fn message(line: &[u8], body: usize) -> Option<Message> {
    let has_headers = line.starts_with(b"H");
    let at = |part: &[u8]| part.as_ptr() as usize - line.as_ptr() as usize;
    let mut parts = [&b""[..]; 6];
    let mut count = 0;
    for part in line.split(|&byte| byte == b' ').take(parts.len()) {
        parts[count] = part;
        count += 1;
    }
    let sizes = if has_headers { 2 } else { 1 };
    let number = |part: &[u8]| std::str::from_utf8(part).ok()?.parse::<usize>().ok();
    let total = number(parts[count.checked_sub(1)?])?;
    let headers = if has_headers { number(parts[count.checked_sub(2)?])? } else { 0 };
    let reply = if count == 3 + sizes + 1 { parts[3] } else { b"" };
    let reply = if reply.is_empty() { 0..0 } else { at(reply)..at(reply) + reply.len() };
    Some(Message {
        reply,
        headers: body..body + headers,
        payload: body + headers..body + total,
        length: body + total + 2,
    })
}

#[cfg(test)]
mod tests;

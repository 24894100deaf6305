//! Redis streams over the thin client: XADD in a pipeline, XREAD for what is there.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use tidings_bench::BenchError;

use super::link::Link;
use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

/// Commands on their way, and how many leave with one write.
const WINDOW: u64 = 2_000;
const WRITE: usize = 1_000;
/// Events asked for at once.
const READ: u64 = 5_000;

/// Streams of a server.
pub(crate) struct Streams {
    pub(crate) port: u16,
}

#[async_trait]
impl Protocol for Streams {
    async fn create(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn remove(&self, place: &str) -> Result<(), BenchError> {
        let mut resp = Resp { link: Link::connect(self.port).await? };
        resp.link.write(command(&[b"DEL", place.as_bytes()]).as_slice()).await?;
        resp.value().await?;
        Ok(())
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let resp = Resp { link: Link::connect(self.port).await? };
        Ok(Box::new(StreamSender {
            resp,
            place: place.to_owned(),
            parts: vec![],
            on_their_way: 0,
            last: (0, 0),
            news: 0,
        }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let resp = Resp { link: Link::connect(self.port).await? };
        Ok(Box::new(StreamReceiver { resp, place: place.to_owned(), last: b"0".to_vec() }))
    }
}

struct StreamSender {
    resp: Resp,
    place: String,
    parts: Vec<(Vec<u8>, u64)>,
    on_their_way: u64,
    /// The last id, as two numbers.
    last: (u64, u64),
    news: u64,
}

impl StreamSender {
    fn encode(&self, events: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        for event in events {
            out.extend(command(&[b"XADD", self.place.as_bytes(), b"*", b"d", event]));
        }
        (out, events.len() as u64)
    }

    async fn wait(&mut self, until: u64) -> Result<(), BenchError> {
        while self.on_their_way > until {
            let id = self.resp.value().await?;
            self.answered(&id)?;
        }
        Ok(())
    }

    fn answered(&mut self, id: &Value) -> Result<(), BenchError> {
        let found = match id {
            Value::Bulk(bytes) => stream_id(self.resp.bytes(bytes)),
            Value::Array(_) | Value::Number => None,
        };
        self.resp.forget(id);
        let found = found.ok_or_else(|| broken("XADD was not answered with an id"))?;
        if found <= self.last {
            return Err(broken(format!("id {found:?} came after {:?}", self.last)));
        }
        self.last = found;
        self.on_their_way -= 1;
        self.news += 1;
        Ok(())
    }
}

#[async_trait]
impl Sender for StreamSender {
    fn load(&mut self, input: Arc<Input>) {
        let events: Vec<&[u8]> = input.events().collect();
        self.parts = events.chunks(WRITE).map(|part| self.encode(part)).collect();
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        for (bytes, answers) in std::mem::take(&mut self.parts) {
            self.wait(WINDOW.saturating_sub(answers)).await?;
            self.resp.link.write(&bytes).await?;
            self.on_their_way += answers;
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        let (bytes, answers) = self.encode(events);
        self.resp.link.write(&bytes).await?;
        self.on_their_way += answers;
        while self.on_their_way > 0 {
            let Some(id) = self.resp.try_value()? else { break };
            self.answered(&id)?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.wait(0).await?;
        Ok(std::mem::take(&mut self.news))
    }
}

struct StreamReceiver {
    resp: Resp,
    place: String,
    last: Vec<u8>,
}

impl StreamReceiver {
    /// One answer: `[[place, [[id, [d, event]], ..]]]`. Says whether more are wanted.
    async fn batch(&mut self, seen: &mut Seen<'_>) -> Result<bool, BenchError> {
        let mut more = true;
        for _ in 0..2 {
            self.array().await?;
        }
        self.bulk(|_| ()).await?;
        for _ in 0..self.array().await? {
            self.array().await?;
            let id = self.bulk(<[u8]>::to_vec).await?;
            self.array().await?;
            self.bulk(|_| ()).await?;
            more = self.bulk(|event| seen(event)).await?;
            self.last = id;
        }
        Ok(more)
    }

    async fn array(&mut self) -> Result<u64, BenchError> {
        let value = self.resp.value().await?;
        self.resp.forget(&value);
        match value {
            Value::Array(length) => Ok(length),
            Value::Bulk(_) | Value::Number => Err(broken("XREAD: no array")),
        }
    }

    async fn bulk<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T, BenchError> {
        let value = self.resp.value().await?;
        let Value::Bulk(bytes) = &value else { return Err(broken("XREAD: no bulk")) };
        let found = look(self.resp.bytes(bytes));
        self.resp.forget(&value);
        Ok(found)
    }
}

#[async_trait]
impl Receiver for StreamReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        let count = READ.to_string();
        loop {
            let parts: [&[u8]; 8] = [
                b"XREAD",
                b"COUNT",
                count.as_bytes(),
                b"BLOCK",
                b"0",
                b"STREAMS",
                self.place.as_bytes(),
                &self.last,
            ];
            self.resp.link.write(&command(&parts)).await?;
            if !self.batch(seen).await? {
                return Ok(());
            }
        }
    }
}

fn command(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", parts.len()).into_bytes();
    for part in parts {
        out.extend_from_slice(format!("${}\r\n", part.len()).as_bytes());
        out.extend_from_slice(part);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// `1700000000000-0` as two numbers.
fn stream_id(bytes: &[u8]) -> Option<(u64, u64)> {
    let (time, number) = std::str::from_utf8(bytes).ok()?.split_once('-')?;
    Some((time.parse().ok()?, number.parse().ok()?))
}

/// A value in the buffer.
#[derive(Debug)]
enum Value {
    /// Its bytes, at their place in what is unread.
    Bulk(Range<usize>),
    /// So many values follow.
    Array(u64),
    /// A count, such as of what was deleted.
    Number,
}

/// A connection to the server.
struct Resp {
    link: Link,
}

impl Resp {
    async fn value(&mut self) -> Result<Value, BenchError> {
        loop {
            match self.next()? {
                Some(value) => return Ok(value),
                None => self.link.read().await?,
            }
        }
    }

    fn try_value(&mut self) -> Result<Option<Value>, BenchError> {
        match self.next()? {
            None if self.link.try_read()? => self.next(),
            value => Ok(value),
        }
    }

    fn bytes(&self, part: &Range<usize>) -> &[u8] {
        self.link.unread().get(part.clone()).unwrap_or_default()
    }

    /// A bulk stays in the buffer until then.
    fn forget(&mut self, value: &Value) {
        if let Value::Bulk(bytes) = value {
            self.link.used(bytes.end + 2);
        }
    }

    fn next(&mut self) -> Result<Option<Value>, BenchError> {
        let unread = self.link.unread();
        let Some(end) = unread.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line = String::from_utf8_lossy(&unread[..end.saturating_sub(1)]);
        let odd = || broken(format!("the server said {line}"));
        let (kind, rest) = line.split_at_checked(1).ok_or_else(odd)?;
        let number = || rest.parse::<usize>().map_err(|_| odd());
        let value = match kind {
            "$" => {
                let bytes = end + 1..end + 1 + number()?;
                return Ok((unread.len() >= bytes.end + 2).then_some(Value::Bulk(bytes)));
            }
            "*" => Value::Array(number()? as u64),
            ":" => Value::Number,
            _ => return Err(odd()),
        };
        self.link.used(end + 1);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests;

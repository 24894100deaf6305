//! Streams of a NATS server, over the thin client: one by one in a window, or in atomic batches; read by a
//! push consumer without acknowledgements, as ordered consumers are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use tidings_bench::BenchError;

use super::nats::{Wire, put};
use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

/// Events of an atomic batch; the server takes no more.
const BATCH: usize = 1_000;
/// Batches on their way.
const BATCHES: u64 = 4;
/// Single events on their way, and how many leave with one write.
const WINDOW: u64 = 4_000;
const WRITE: usize = 500;
const INBOX: &str = "_INBOX.bench.acks";

/// How events are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Each is acknowledged.
    Single,
    /// Each batch is acknowledged as a whole.
    Atomic,
}

/// Streams of a server.
pub(crate) struct JetStream {
    pub(crate) port: u16,
    pub(crate) mode: Mode,
}

#[async_trait]
impl Protocol for JetStream {
    async fn create(&self, place: &str) -> Result<(), BenchError> {
        let stream = serde_json::json!({
            "name": place, "subjects": [place], "storage": "file", "retention": "limits",
            "discard": "old", "num_replicas": 1, "allow_atomic": true,
        });
        let subject = format!("$JS.API.STREAM.CREATE.{place}");
        Wire::connect(self.port).await?.ask(&subject, &stream.to_string()).await?;
        Ok(())
    }

    async fn remove(&self, place: &str) -> Result<(), BenchError> {
        let subject = format!("$JS.API.STREAM.DELETE.{place}");
        Wire::connect(self.port).await?.ask(&subject, "").await?;
        Ok(())
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let mut wire = Wire::connect(self.port).await?;
        wire.link.write(format!("SUB {INBOX} 1\r\n").as_bytes()).await?;
        wire.ping().await?;
        Ok(Box::new(StreamSender {
            wire,
            place: place.to_owned(),
            mode: self.mode,
            parts: vec![],
            events: 0,
            on_their_way: 0,
            last: 0,
            told: 0,
        }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut wire = Wire::connect(self.port).await?;
        let into = format!("_INBOX.bench.deliver.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        wire.link.write(format!("SUB {into} 1\r\n").as_bytes()).await?;
        wire.ping().await?;
        let consumer = serde_json::json!({ "stream_name": place, "config": {
            "deliver_subject": into, "deliver_policy": "all", "ack_policy": "none",
            "replay_policy": "instant", "flow_control": true, "idle_heartbeat": 5_000_000_000_u64,
            "mem_storage": true, "num_replicas": 1, "max_deliver": 1,
        } });
        let subject = format!("$JS.API.CONSUMER.CREATE.{place}");
        Wire::connect(self.port).await?.ask(&subject, &consumer.to_string()).await?;
        Ok(Box::new(StreamReceiver { wire }))
    }
}

struct StreamSender {
    wire: Wire,
    place: String,
    mode: Mode,
    /// What each write brings, and how many acknowledgements it asks for.
    parts: Vec<(Vec<u8>, u64)>,
    events: u64,
    /// Acknowledgements that are to come.
    on_their_way: u64,
    /// The stream's last sequence that was acknowledged.
    last: u64,
    /// Of which [`Sender::settle`] has told.
    told: u64,
}

impl StreamSender {
    fn encode(&self, input: &Input) -> Vec<(Vec<u8>, u64)> {
        let events: Vec<&[u8]> = input.events().collect();
        match self.mode {
            Mode::Single => events.chunks(WRITE).map(|part| self.single(part)).collect(),
            Mode::Atomic => {
                let batches = events.chunks(BATCH).enumerate();
                batches.map(|(number, part)| (batch(&self.place, number, part), 1)).collect()
            }
        }
    }

    fn single(&self, events: &[&[u8]]) -> (Vec<u8>, u64) {
        let mut out = Vec::new();
        events.iter().for_each(|event| put(&mut out, &self.place, Some(INBOX), event));
        (out, events.len() as u64)
    }

    /// Waits until at most so many acknowledgements are to come.
    async fn wait(&mut self, until: u64) -> Result<(), BenchError> {
        while self.on_their_way > until {
            let message = self.wire.message().await?;
            self.answered(&message.payload)?;
            self.wire.link.used(message.length);
        }
        Ok(())
    }

    fn answered(&mut self, payload: &std::ops::Range<usize>) -> Result<(), BenchError> {
        let bytes = self.wire.bytes(payload);
        if bytes.is_empty() {
            // The first of a batch was taken in.
            return Ok(());
        }
        let sequence = sequence(bytes).ok_or_else(|| broken(String::from_utf8_lossy(bytes)))?;
        if sequence <= self.last || (self.mode == Mode::Single && sequence != self.last + 1) {
            return Err(broken(format!(
                "sequence {sequence} was acknowledged after {}",
                self.last
            )));
        }
        self.last = sequence;
        self.on_their_way -= 1;
        Ok(())
    }

    fn news(&mut self) -> u64 {
        let news = self.last - self.told;
        self.told = self.last;
        news
    }
}

#[async_trait]
impl Sender for StreamSender {
    fn load(&mut self, input: Arc<Input>) {
        self.events = input.count;
        self.parts = self.encode(&input);
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        for (bytes, answers) in std::mem::take(&mut self.parts) {
            let window = if self.mode == Mode::Single { WINDOW } else { BATCHES };
            self.wait(window.saturating_sub(answers)).await?;
            self.wire.link.write(&bytes).await?;
            self.on_their_way += answers;
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        let (bytes, answers) = self.single(events);
        self.wire.link.write(&bytes).await?;
        self.on_their_way += answers;
        while self.on_their_way > 0 {
            let Some(message) = self.wire.try_message()? else { break };
            self.answered(&message.payload)?;
            self.wire.link.used(message.length);
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.wait(0).await?;
        Ok(self.news())
    }
}

/// One atomic batch: the last event commits it.
fn batch(place: &str, number: usize, events: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let is_last = at + 1 == events.len();
        let commit = if is_last { "Nats-Batch-Commit: 1\r\n" } else { "" };
        let headers = format!(
            "NATS/1.0\r\nNats-Batch-Id: b{number}\r\nNats-Batch-Sequence: {}\r\n{commit}\r\n",
            at + 1
        );
        let reply = if is_last { format!("{INBOX} ") } else { String::new() };
        let (length, total) = (headers.len(), headers.len() + event.len());
        out.extend_from_slice(
            format!("HPUB {place} {reply}{length} {total}\r\n{headers}").as_bytes(),
        );
        out.extend_from_slice(event);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Of `{"stream":"…","seq":12…}`; nothing when it is an error.
fn sequence(answer: &[u8]) -> Option<u64> {
    const SEQUENCE: &[u8] = b"\"seq\":";
    if answer.starts_with(b"{\"error\"") {
        return None;
    }
    let at = answer.windows(SEQUENCE.len()).position(|part| part == SEQUENCE)? + SEQUENCE.len();
    let digits = answer[at..].iter().skip_while(|b| **b == b' ').take_while(|b| b.is_ascii_digit());
    Some(digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

struct StreamReceiver {
    wire: Wire,
}

#[async_trait]
impl Receiver for StreamReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        loop {
            let message = self.wire.message().await?;
            if is_status(self.wire.bytes(&message.headers)) {
                // Asked whether we follow: an empty answer says so.
                let asked = stalled(self.wire.bytes(&message.headers));
                let reply = self.wire.bytes(&message.reply).to_vec();
                self.wire.link.used(message.length);
                let reply = asked.or(String::from_utf8(reply).ok()).filter(|r| !r.is_empty());
                if let Some(reply) = reply {
                    let mut out = Vec::new();
                    put(&mut out, &reply, None, b"");
                    self.wire.link.write(&out).await?;
                }
                continue;
            }
            let more = seen(self.wire.bytes(&message.payload));
            self.wire.link.used(message.length);
            if !more {
                return Ok(());
            }
        }
    }
}

/// Whether headers say a status, such as `NATS/1.0 100 FlowControl Request`.
fn is_status(headers: &[u8]) -> bool {
    headers.get(8) == Some(&b' ')
}

/// The subject that a heartbeat names when the server waits for an answer.
fn stalled(headers: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(headers);
    let subject = text.lines().find_map(|l| l.strip_prefix("Nats-Consumer-Stalled:"))?;
    Some(subject.trim().to_owned())
}

#[cfg(test)]
mod tests;

//! Pulsar topics over a thin client: batches in a window, and readers, which keep no place.
//!
//! The `pulsar` crate sends one batch at a time, and needs protoc to build: what it reaches says little of the broker.

mod said;

use std::sync::Arc;

use async_trait::async_trait;
use prost::Message;
use tidings_bench::BenchError;
use tidings_event::block::crc32c;

use self::said::{
    BatchMetadata, Connect, EventMetadata, Flow, Lookup, MessageId, Nothing, Producer, Said, Sent,
    Subscribe, kind,
};
use super::link::Link;
use super::{Protocol, Receiver, Seen, Sender, broken};
use crate::input::Input;

/// Events of a batch, some 64 KiB.
const BATCH: usize = 300;
/// Batches on their way.
const WINDOW: u64 = 64;
/// Events that a reader lets come, and of how many it tells that they were taken.
const PERMITS: u32 = 20_000;
const MAGIC: [u8; 2] = [0x0E, 0x01];
/// Of the protocol, as the broker's own clients of this version say.
const PROTOCOL: i32 = 21;

/// Topics of a broker.
pub(crate) struct Topics {
    pub(crate) port: u16,
}

#[async_trait]
impl Protocol for Topics {
    async fn create(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    /// The broker deletes a topic that nobody is on.
    async fn remove(&self, _place: &str) -> Result<(), BenchError> {
        Ok(())
    }

    async fn sender(&self, place: &str) -> Result<Box<dyn Sender>, BenchError> {
        let mut wire = Wire::connect(self.port, place).await?;
        let producer = Producer { topic: topic(place), producer_id: 1, request_id: 2 };
        let open = Said { kind: kind::PRODUCER, producer: Some(producer), ..Said::default() };
        wire.ask(&open, kind::PRODUCER_SUCCESS).await?;
        Ok(Box::new(TopicSender { wire, parts: vec![], sent: 0, answered: 0, counts: vec![] }))
    }

    async fn receiver(&self, place: &str) -> Result<Box<dyn Receiver>, BenchError> {
        let mut wire = Wire::connect(self.port, place).await?;
        let subscribe = Subscribe {
            topic: topic(place),
            subscription: format!("reader-{}", wire.number),
            sub_type: 0,
            consumer_id: 1,
            request_id: 2,
            durable: Some(false),
            start: Some(MessageId { ledger: u64::MAX, entry: u64::MAX }),
            initial_position: Some(1),
        };
        let open = Said { kind: kind::SUBSCRIBE, subscribe: Some(subscribe), ..Said::default() };
        wire.ask(&open, kind::SUCCESS).await?;
        wire.permit(PERMITS).await?;
        Ok(Box::new(TopicReceiver { wire }))
    }
}

fn topic(place: &str) -> String {
    format!("persistent://public/default/{place}")
}

struct TopicSender {
    wire: Wire,
    parts: Vec<(Vec<u8>, u64)>,
    /// Batches so far.
    sent: u64,
    answered: u64,
    /// Events of each batch that is not settled.
    counts: Vec<u64>,
}

impl TopicSender {
    async fn wait(&mut self, until: u64) -> Result<(), BenchError> {
        while self.sent - self.answered > until {
            let frame = self.wire.frame().await?;
            self.receipt(frame).await?;
        }
        Ok(())
    }

    async fn receipt(&mut self, frame: Frame) -> Result<(), BenchError> {
        self.wire.link.used(frame.length);
        match frame.said {
            Said { kind: kind::SEND_RECEIPT, receipt: Some(receipt), .. } => {
                if receipt.sequence != self.answered {
                    let sequence = receipt.sequence;
                    return Err(broken(format!("batch {sequence} was acknowledged out of turn")));
                }
                self.answered += 1;
                Ok(())
            }
            said => self.wire.otherwise(said).await,
        }
    }
}

#[async_trait]
impl Sender for TopicSender {
    fn load(&mut self, input: Arc<Input>) {
        let events: Vec<&[u8]> = input.events().collect();
        let batches = events.chunks(BATCH).zip(0..);
        self.parts = batches.map(|(part, at)| (batch(at, part), part.len() as u64)).collect();
    }

    async fn publish(&mut self) -> Result<u64, BenchError> {
        for (bytes, events) in std::mem::take(&mut self.parts) {
            self.wait(WINDOW - 1).await?;
            self.wire.link.write(&bytes).await?;
            self.sent += 1;
            self.counts.push(events);
        }
        self.settle().await
    }

    async fn send(&mut self, events: &[&[u8]]) -> Result<(), BenchError> {
        let bytes = batch(self.sent, events);
        self.wire.link.write(&bytes).await?;
        self.sent += 1;
        self.counts.push(events.len() as u64);
        while let Some(frame) = self.wire.try_frame()? {
            self.receipt(frame).await?;
        }
        Ok(())
    }

    async fn settle(&mut self) -> Result<u64, BenchError> {
        self.wait(0).await?;
        Ok(self.counts.drain(..).sum())
    }
}

/// A frame with a batch in it.
fn batch(sequence: u64, events: &[&[u8]]) -> Vec<u8> {
    let count = i32::try_from(events.len()).ok();
    let send = Sent { producer_id: 1, sequence, events: count };
    let send = Said { kind: kind::SEND, send: Some(send), ..Said::default() }.encode_to_vec();
    let metadata = BatchMetadata {
        producer_name: "bench".into(),
        sequence,
        publish_time: 1_767_623_400_000,
        events: count,
    };
    let metadata = metadata.encode_to_vec();
    let mut summed = sized(&metadata);
    for event in events {
        let size = i32::try_from(event.len()).unwrap_or(i32::MAX);
        summed.extend(sized(&EventMetadata { size }.encode_to_vec()));
        summed.extend_from_slice(event);
    }
    let mut rest = sized(&send);
    rest.extend_from_slice(&MAGIC);
    rest.extend_from_slice(&crc32c(&summed).to_be_bytes());
    rest.extend(summed);
    sized(&rest)
}

/// The bytes after their number.
fn sized(bytes: &[u8]) -> Vec<u8> {
    // Nothing here is near 4 GiB.
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend_from_slice(bytes);
    out
}

struct TopicReceiver {
    wire: Wire,
}

#[async_trait]
impl Receiver for TopicReceiver {
    async fn take(&mut self, seen: &mut Seen<'_>) -> Result<(), BenchError> {
        let mut taken = 0;
        loop {
            let frame = self.wire.frame().await?;
            if frame.said.kind != kind::MESSAGE {
                self.wire.link.used(frame.length);
                self.wire.otherwise(frame.said).await?;
                continue;
            }
            let bytes = &self.wire.link.unread()[..frame.length];
            let payload = bytes.get(frame.payload..).unwrap_or_default();
            let (count, more) = events(payload, seen).ok_or_else(|| broken("an odd batch came"))?;
            self.wire.link.used(frame.length);
            if !more {
                return Ok(());
            }
            taken += count;
            if taken >= PERMITS / 4 {
                self.wire.permit(taken).await?;
                taken = 0;
            }
        }
    }
}

/// Shows the events of a batch, which follow its checksum. Says how many it had, and whether more are wanted.
fn events(payload: &[u8], seen: &mut Seen<'_>) -> Option<(u32, bool)> {
    let payload = payload.strip_prefix(&MAGIC)?.split_at_checked(4)?.1;
    let (metadata, mut rest) = take_sized(payload)?;
    let count = BatchMetadata::decode(metadata).ok()?.events.unwrap_or(1);
    let mut more = true;
    for _ in 0..count {
        let (metadata, after) = take_sized(rest)?;
        let size = EventMetadata::decode(metadata).ok()?.size;
        let (event, after) = after.split_at_checked(usize::try_from(size).ok()?)?;
        more = seen(event);
        rest = after;
    }
    Some((u32::try_from(count).ok()?, more))
}

fn take_sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(u32::from_be_bytes(*size) as usize)
}

/// What the broker said, and where it stands in the buffer.
struct Frame {
    said: Said,
    /// Where the payload begins.
    payload: usize,
    length: usize,
}

/// A connection to the broker.
struct Wire {
    link: Link,
    /// Another for each connection.
    number: u16,
}

impl Wire {
    /// Connects and has the broker take on the topic.
    async fn connect(port: u16, place: &str) -> Result<Self, BenchError> {
        let link = Link::connect(port).await?;
        let mut wire = Self { number: link.port()?, link };
        let connect = Connect { client_version: "bench".into(), protocol_version: Some(PROTOCOL) };
        let hello = Said { kind: kind::CONNECT, connect: Some(connect), ..Said::default() };
        wire.ask(&hello, kind::CONNECTED).await?;
        let lookup = Some(Lookup { topic: topic(place), request_id: 1 });
        let lookup = Said { kind: kind::LOOKUP, lookup, ..Said::default() };
        wire.ask(&lookup, kind::LOOKUP_RESPONSE).await?;
        Ok(wire)
    }

    async fn ask(&mut self, said: &Said, wanted: i32) -> Result<(), BenchError> {
        self.say(said).await?;
        loop {
            let frame = self.frame().await?;
            self.link.used(frame.length);
            if frame.said.kind == wanted {
                return Ok(());
            }
            self.otherwise(frame.said).await?;
        }
    }

    async fn say(&mut self, said: &Said) -> Result<(), BenchError> {
        self.link.write(&sized(&sized(&said.encode_to_vec()))).await
    }

    async fn permit(&mut self, permits: u32) -> Result<(), BenchError> {
        let flow = Some(Flow { consumer_id: 1, permits });
        self.say(&Said { kind: kind::FLOW, flow, ..Said::default() }).await
    }

    /// What may come at any time.
    async fn otherwise(&mut self, said: Said) -> Result<(), BenchError> {
        if let Some(error) = said.error {
            return Err(broken(error.message));
        }
        if let Some(error) = said.send_error {
            return Err(broken(error.message));
        }
        match said.kind {
            kind::PING => {
                let pong = Some(Nothing {});
                self.say(&Said { kind: kind::PONG, pong, ..Said::default() }).await
            }
            // Such as that this consumer is the active one.
            _ => Ok(()),
        }
    }

    async fn frame(&mut self) -> Result<Frame, BenchError> {
        loop {
            match self.next()? {
                Some(frame) => return Ok(frame),
                None => self.link.read().await?,
            }
        }
    }

    fn try_frame(&mut self) -> Result<Option<Frame>, BenchError> {
        match self.next()? {
            None if self.link.try_read()? => self.next(),
            frame => Ok(frame),
        }
    }

    fn next(&self) -> Result<Option<Frame>, BenchError> {
        let Some((whole, _)) = take_sized(self.link.unread()) else { return Ok(None) };
        let (command, _) = take_sized(whole).ok_or_else(|| broken("an odd frame came"))?;
        let said = Said::decode(command).map_err(broken)?;
        Ok(Some(Frame { said, payload: 8 + command.len(), length: 4 + whole.len() }))
    }
}

#[cfg(test)]
mod tests;

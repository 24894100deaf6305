//! A publish request's body as canonical bytes: JSON in three shapes, or Protobuf as it is.

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::value::RawValue;
use tidings_admit::Rejected;
use tidings_event::block::{EVENT_BYTES_MAX, events};
use tidings_event::v1::Event;
use tidings_event::{Clock, Code, Refusal, json as canonical, new_event_id};
use tidings_wire::input;

/// Tag of `EventBatch.events`: field 1, length-delimited.
const EVENT_TAG: u8 = 0x0A;

/// What a body held.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The events that could be read, as a serialised `EventBatch`.
    pub(crate) body: Bytes,
    /// One per event of the request, in order: read, or why not.
    pub(crate) read: Vec<Result<(), Box<Rejected>>>,
    /// Whether the request was one event, not a batch of one.
    pub(crate) single: bool,
    /// Whether every id was made up here, so that none can be a repeat.
    pub(crate) assigned_ids: bool,
}

/// Reads a body into a batch of at most `max` events.
pub(crate) struct Reader<'a> {
    pub(crate) clock: &'a dyn Clock,
    pub(crate) max: usize,
}

impl Reader<'_> {
    /// A serialised `EventBatch`, passed on as it is.
    pub(crate) fn protobuf(&self, body: Bytes) -> Result<Batch, Refusal> {
        let mut count = 0;
        for event in events(&body).take(self.max + 1) {
            event.map_err(|error| {
                Refusal::new(Code::EventMalformed, error.to_string()).at_offset(error.at as u64)
            })?;
            count += 1;
        }
        self.check_count(count)?;
        Ok(Batch {
            body,
            read: (0..count).map(|_| Ok(())).collect(),
            single: false,
            assigned_ids: false,
        })
    }

    /// One object or an array of them.
    pub(crate) fn json(&self, text: &[u8]) -> Result<Batch, Refusal> {
        input::check_depth(text)?;
        if text.trim_ascii_start().first() != Some(&b'[') {
            let mut batch = Building::default();
            batch.push(self.event(text, 0));
            return Ok(batch.finish(true));
        }
        let elements: Elements<'_> =
            serde_json::from_slice(text).map_err(|error| input::syntax_refusal(text, &error))?;
        self.check_count(elements.0.len())?;
        let mut batch = Building::default();
        for element in elements.0 {
            let element = element.get().as_bytes();
            // The element borrows from the text: the difference is its place.
            let at = element.as_ptr() as usize - text.as_ptr() as usize;
            batch.push(self.event(element, at));
        }
        Ok(batch.finish(false))
    }

    /// One object a line; blank lines are skipped.
    pub(crate) fn lines(&self, text: &[u8]) -> Result<Batch, Refusal> {
        let mut batch = Building::default();
        let mut at = 0;
        for line in text.split(|&byte| byte == b'\n') {
            if !line.trim_ascii().is_empty() {
                self.check_count(batch.read.len() + 1)?;
                batch.push(
                    input::check_depth(line).map_err(unread).and_then(|()| self.event(line, at)),
                );
            }
            at += line.len() + 1;
        }
        Ok(batch.finish(false))
    }

    fn check_count(&self, count: usize) -> Result<(), Refusal> {
        if count <= self.max {
            return Ok(());
        }
        let detail = format!("the batch has more than {} events", self.max);
        Err(Refusal::new(Code::BatchTooLarge, detail).with_hint("send it in parts"))
    }

    /// Canonical bytes of one event; `at` is where its text starts in the request.
    fn event(&self, text: &[u8], at: usize) -> Result<Canonical, Box<Rejected>> {
        let mut event = canonical::from_json(text).map_err(|mut refusal| {
            refusal.offset = refusal.offset.map(|offset| offset + at as u64);
            unread(refusal)
        })?;
        let assigned_id = self.identify(&mut event);
        let bytes = tidings_event::encode(&event);
        if bytes.len() <= EVENT_BYTES_MAX {
            return Ok(Canonical { bytes, assigned_id });
        }
        let detail = format!("the event has {} bytes, at most {EVENT_BYTES_MAX}", bytes.len());
        let id = <[u8; 16]>::try_from(&event.id[..]).ok();
        Err(Box::new(Rejected { id, refusal: Refusal::new(Code::EventTooLarge, detail) }))
    }

    /// Gives an event without an id a new one.
    fn identify(&self, event: &mut Event) -> bool {
        if !event.id.is_empty() {
            return false;
        }
        let id = new_event_id(self.clock.wall(), rand::random());
        event.id = Bytes::copy_from_slice(&id);
        true
    }
}

fn unread(refusal: Refusal) -> Box<Rejected> {
    Box::new(Rejected { id: None, refusal })
}

/// An array whose elements are not looked into.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> serde::Deserialize<'de> for Elements<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Vec::deserialize(input).map(Self)
    }
}

/// An event as it will be stored.
struct Canonical {
    bytes: Vec<u8>,
    assigned_id: bool,
}

#[derive(Default)]
struct Building {
    body: BytesMut,
    /// An event came with an id of its own.
    given_id: bool,
    read: Vec<Result<(), Box<Rejected>>>,
}

impl Building {
    fn push(&mut self, event: Result<Canonical, Box<Rejected>>) {
        self.read.push(event.map(|event| {
            self.given_id |= !event.assigned_id;
            frame(&mut self.body, &event.bytes);
        }));
    }

    fn finish(self, single: bool) -> Batch {
        Batch { body: self.body.freeze(), read: self.read, single, assigned_ids: !self.given_id }
    }
}

/// Appends an event to a serialised `EventBatch`.
pub(crate) fn frame(body: &mut BytesMut, event: &[u8]) {
    body.put_u8(EVENT_TAG);
    let mut length = event.len();
    while length >= 0x80 {
        // The low seven bits.
        body.put_u8((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    body.put_u8(length as u8);
    body.put_slice(event);
}

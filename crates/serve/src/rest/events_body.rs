//! A publish request's body as canonical bytes: what could be read, and why the rest could not.

use bytes::{BufMut, Bytes, BytesMut};
use tidings_admit::{Rejected, broken_body};
use tidings_event::block::{EVENT_BYTES_MAX, events};
use tidings_event::{Clock, Code, Refusal, json, new_event_id};
use tidings_shape::NewId;

use crate::body::{FEW_REFUSED, Room, Turn};

/// Tag of `EventBatch.events`: field 1, length-delimited.
const EVENT_TAG: u8 = 0x0A;

/// Room made before any event was read.
const ROOM_AT_ONCE: usize = 1 << 20;

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
    /// Held until they are answered, when many were refused.
    pub(crate) turn: Option<Turn>,
}

/// A serialised `EventBatch`, passed on as it is.
pub(crate) fn protobuf(body: Bytes, max: usize) -> Result<Batch, Refusal> {
    let mut count = 0;
    for event in events(&body).take(max + 1) {
        event.map_err(|error| broken_body(&body, error.at))?;
        count += 1;
    }
    check_count(count, max)?;
    Ok(Batch {
        body,
        read: (0..count).map(|_| Ok(())).collect(),
        single: false,
        assigned_ids: false,
        turn: None,
    })
}

/// Refuses a batch of more events than may be.
pub(crate) fn check_count(count: usize, max: usize) -> Result<(), Refusal> {
    if count <= max {
        return Ok(());
    }
    let detail = format!("the batch has more than {max} events");
    Err(Refusal::new(Code::BatchTooLarge, detail).with_hint("send it in parts"))
}

/// A batch on its way, event by event, in one piece of memory.
pub(crate) struct Building<'a> {
    clock: &'a dyn Clock,
    body: Vec<u8>,
    /// An event came with an id of its own.
    given_id: bool,
    read: Vec<Result<(), Box<Rejected>>>,
    refused: usize,
    /// Dropped after the refusals.
    turn: Option<Turn>,
}

impl<'a> Building<'a> {
    /// For a request of so many bytes.
    pub(crate) fn new(clock: &'a dyn Clock, bytes: usize) -> Self {
        // Canonical bytes take about half of the JSON's; a large body may be nothing of the kind.
        let body = Vec::with_capacity((bytes / 2).min(ROOM_AT_ONCE));
        Self { clock, body, given_id: false, read: Vec::new(), refused: 0, turn: None }
    }

    /// Events so far, those that were refused as well.
    pub(crate) fn count(&self) -> usize {
        self.read.len()
    }

    /// Waits for the turn to refuse many events once it comes to that.
    pub(crate) async fn may_go_on(&mut self, room: &Room) -> Result<(), Refusal> {
        if self.refused > FEW_REFUSED && self.turn.is_none() {
            self.turn = Some(room.to_refuse_many().await?);
        }
        Ok(())
    }

    /// Appends the event that `write` puts down, or its refusal. It is given a way to make an id.
    pub(crate) fn push(
        &mut self,
        write: impl FnOnce(NewId<'_>, &mut Vec<u8>) -> Result<(), Refusal>,
    ) {
        let clock = self.clock;
        let mut assigned = false;
        let mut new_id = || {
            assigned = true;
            Some(new_event_id(clock.wall(), rand::random()))
        };
        let framed = json::framed(&mut self.body, |body| {
            let start = body.len();
            write(&mut new_id, body).map_err(refused)?;
            check_size(body.get(start..).unwrap_or_default())
        });
        self.refused += usize::from(framed.is_err());
        self.given_id |= framed.is_ok() && !assigned;
        self.read.push(framed);
    }

    /// Appends the refusal of an event that could not be read at all.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refused += 1;
        self.read.push(Err(refused(refusal)));
    }

    pub(crate) fn finish(self, single: bool) -> Batch {
        let assigned_ids = !self.given_id;
        let (body, read, turn) = (self.body.into(), self.read, self.turn);
        Batch { body, read, single, assigned_ids, turn }
    }
}

fn refused(refusal: Refusal) -> Box<Rejected> {
    Box::new(Rejected { id: None, refusal })
}

fn check_size(event: &[u8]) -> Result<(), Box<Rejected>> {
    if event.len() <= EVENT_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("the event has {} bytes, at most {EVENT_BYTES_MAX}", event.len());
    // Tag and length of the id come first.
    let id = event.get(2..18).and_then(|id| id.try_into().ok());
    Err(Box::new(Rejected { id, refusal: Refusal::new(Code::EventTooLarge, detail) }))
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

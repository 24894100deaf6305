//! Bodies that are JSON: one event, an array of them, one a line, CloudEvents.
//!
//! A large body gives way to other requests every so many events.

use prost::Message;
use tidings_event::json::tree::{Document, Elements, Tree, text};
use tidings_event::{Clock, Code, Refusal, v1};
use tidings_shape::{Given, NewId, cloud_event};

use crate::body::Room;
use crate::rest::events_body::{Batch, Building, check_count};

/// Events that are read before others get their turn.
const TURN: usize = 256;

/// Writes the event that a document is.
type Write<'a> = dyn Fn(&Document<'_>, NewId<'_>, &mut Vec<u8>) -> Result<(), Refusal> + Sync + 'a;

/// Reads a body into a batch of at most `max` events.
pub(crate) struct JsonReader<'a> {
    pub(crate) given: Given<'a>,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) max: usize,
    pub(crate) room: &'a Room,
}

impl JsonReader<'_> {
    /// One object or an array of them, each in a shape of its own.
    pub(crate) async fn events(&self, body: &[u8]) -> Result<Batch, Refusal> {
        let text = text(body)?;
        match Elements::of(text) {
            Some(elements) => self.elements(elements, text.len(), &self.shaped()).await,
            None => Ok(self.one(text, &self.shaped())),
        }
    }

    /// One object a line; blank lines are skipped.
    pub(crate) async fn lines(&self, body: &[u8]) -> Result<Batch, Refusal> {
        let mut batch = Building::new(self.clock, body.len());
        let mut tree = Tree::default();
        let mut at = 0;
        for line in body.split(|&byte| byte == b'\n') {
            if !line.trim_ascii().is_empty() {
                self.turn(&mut batch).await?;
                batch.push(|new_id, out| {
                    let read = text(line).and_then(|line| {
                        let document = tree.parse(line)?;
                        tidings_shape::read(document.root(), &self.given, new_id, out)
                    });
                    read.map_err(|refusal| moved(refusal, at))
                });
            }
            at += line.len() + 1;
        }
        Ok(batch.finish(false))
    }

    /// A CloudEvent in structured mode.
    pub(crate) fn cloud_event(&self, body: &[u8]) -> Result<Batch, Refusal> {
        Ok(self.one(text(body)?, &self.structured()))
    }

    /// An array of CloudEvents.
    pub(crate) async fn cloud_events(&self, body: &[u8]) -> Result<Batch, Refusal> {
        let text = text(body)?;
        let elements = Elements::of(text).ok_or_else(|| {
            Refusal::new(Code::JsonMalformed, "an array of CloudEvents is expected").at_offset(0)
        })?;
        self.elements(elements, text.len(), &self.structured()).await
    }

    /// A CloudEvent in binary mode: its attributes, the media type of its data, and that.
    pub(crate) fn binary<'h>(
        &self,
        attributes: impl Iterator<Item = (&'h str, &'h [u8])>,
        media_type: &str,
        body: &[u8],
    ) -> Result<Batch, Refusal> {
        let mut batch = Building::new(self.clock, body.len());
        batch.push(|_, out| {
            put(&cloud_event::binary(attributes, media_type, body, &self.given)?, out)
        });
        Ok(batch.finish(true))
    }

    /// Canonical JSON or one of the platform's shapes.
    fn shaped(&self) -> impl Fn(&Document<'_>, NewId<'_>, &mut Vec<u8>) -> Result<(), Refusal> {
        |document, new_id, out| tidings_shape::read(document.root(), &self.given, new_id, out)
    }

    fn structured(&self) -> impl Fn(&Document<'_>, NewId<'_>, &mut Vec<u8>) -> Result<(), Refusal> {
        |document, _, out| put(&cloud_event::structured(document.root(), &self.given)?, out)
    }

    fn one(&self, text: &str, write: &Write<'_>) -> Batch {
        let mut batch = Building::new(self.clock, text.len());
        batch.push(|new_id, out| write(&Tree::default().parse(text)?, new_id, out));
        batch.finish(true)
    }

    async fn elements(
        &self,
        mut elements: Elements<'_>,
        bytes: usize,
        write: &Write<'_>,
    ) -> Result<Batch, Refusal> {
        let mut batch = Building::new(self.clock, bytes);
        let mut tree = Tree::default();
        while elements.advance()? {
            self.turn(&mut batch).await?;
            match elements.read(&mut tree)? {
                Ok(document) => batch.push(|new_id, out| write(&document, new_id, out)),
                Err(refusal) => batch.refuse(refusal),
            }
        }
        Ok(batch.finish(false))
    }

    /// Before the next event: whether there may be one more, and others' turn when it is time.
    async fn turn(&self, batch: &mut Building<'_>) -> Result<(), Refusal> {
        check_count(batch.count() + 1, self.max)?;
        batch.may_go_on(self.room).await?;
        if (batch.count() + 1).is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }
}

/// Moves a refusal's offset from its line into the body.
fn moved(mut refusal: Refusal, at: usize) -> Refusal {
    refusal.offset = refusal.offset.map(|offset| offset + at as u64);
    refusal
}

fn put(event: &v1::Event, out: &mut Vec<u8>) -> Result<(), Refusal> {
    event.encode(out).map_err(|error| Refusal::new(Code::Internal, error.to_string()))
}

//! The body of an event stream: everything that is ready becomes one piece of it.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{Stream, unfold};
use tidings_deliver::{Delivery, SessionId};
use tidings_event::{Refusal, TopicPartition};

use super::frames;
use super::progress::Progress;
use crate::caller::RequestId;
use crate::consuming::{Consuming, Said, json};
use crate::doors::Doors;
use crate::rest::ask::Ask;

/// Bytes after which a piece leaves, whatever else is ready.
const PIECE_BYTES: usize = 64 << 10;

/// About what a frame says beside its event.
const FRAME_BYTES: usize = 256;

/// See the module.
pub(super) struct EventStream {
    doors: Arc<Doors>,
    id: RequestId,
    session: SessionId,
    consuming: Consuming,
    progress: Progress,
    ended: bool,
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.doors.streams.sign_off(self.session, self.doors.parts.clock.monotonic());
    }
}

impl EventStream {
    pub(super) fn new(ask: &Ask, consuming: Consuming, progress: Progress) -> Self {
        let session = consuming.attachment().session().number();
        let (doors, id) = (Arc::clone(&ask.doors), ask.id.clone());
        Self { doors, id, session, consuming, progress, ended: false }
    }

    /// The body.
    pub(super) fn run(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        unfold(self, |mut stream| async move {
            let piece = stream.next().await?;
            Some((Ok(piece), stream))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut out = String::new();
        if let Err(refusal) = self.fill(&mut out).await {
            self.ended = true;
            Consuming::count_error(&self.doors);
            frames::named(&mut out, "error", None, &json::error(&refusal, &self.id.0));
        }
        // The end of the session without a reason ends the body.
        (!out.is_empty()).then(|| out.into())
    }

    async fn fill(&mut self, out: &mut String) -> Result<(), Refusal> {
        let mut next = self.consuming.next().await?;
        while let Some(said) = next {
            self.say(said, out)?;
            if out.len() >= PIECE_BYTES {
                break;
            }
            next = self.consuming.at_once()?;
        }
        Ok(())
    }

    fn say(&mut self, said: Said, out: &mut String) -> Result<(), Refusal> {
        let (kind, id) = match &said {
            Said::Delivery(delivery) => return self.deliver(delivery, out),
            // Extensions are not asked for here.
            Said::Topic(_) | Said::Extended { .. } => return Ok(()),
            Said::Opened { .. } => {
                out.push_str(frames::RETRY);
                ("opened", None)
            }
            Said::Confirmed { .. } => ("confirmed", None),
            Said::Gap(gap) => {
                let at = TopicPartition { topic: gap.topic.id, partition: gap.partition };
                ("gap", self.progress.skip(at, gap.epoch, gap.to.0 + 1))
            }
            Said::Paused { .. } => ("pause", None),
            Said::Resumed { .. } => ("resume", None),
            Said::Heartbeat { .. } => ("heartbeat", None),
        };
        if let Some(text) = json::said(said, self.consuming.attachment())? {
            frames::named(out, kind, id.as_deref(), &text);
        }
        Ok(())
    }

    fn deliver(&mut self, delivery: &Delivery, out: &mut String) -> Result<(), Refusal> {
        let texts = self.consuming.attachment().texts(delivery)?;
        let head = json::head(delivery, &texts);
        let mut number = self.progress.deliver(delivery);
        out.reserve(texts.len() + delivery.count as usize * FRAME_BYTES);
        json::each(delivery, &texts, |line, position| {
            let id = |out: &mut String| {
                self.progress.put_id((self.session, number), position, out);
            };
            frames::delivered(out, id, |frame| frame.single(&head, &line));
            number += 1;
        });
        Ok(())
    }
}

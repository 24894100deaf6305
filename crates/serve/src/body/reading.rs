//! A body on its way in: counted while it comes, decompressed or not.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tidings_event::{Code, Refusal};

use super::Says;
use super::inflate::Inflating;
use crate::refusals::cut_off;

/// Room made for what is announced, before any of it has come.
const ROOM_AT_ONCE: usize = 1 << 20;

/// So much of a compressed stream is read at a time: a thousandfold of it is little.
const PIECE: usize = 512;

/// See the module.
pub(super) struct Reading {
    body: Body,
    /// What has come and was not looked at yet.
    arrived: Bytes,
    content: Content,
    /// Bytes that came, compressed or not.
    read: usize,
    /// What the client says how many come; 0 when it does not.
    announced: usize,
    max: usize,
}

enum Content {
    /// A body in one piece is not copied.
    Plain {
        first: Bytes,
        whole: BytesMut,
    },
    Gzip(Inflating),
}

impl Reading {
    /// Never more than `max` bytes either way.
    pub(super) fn new(body: Body, is_gzip: bool, announced: usize, max: usize) -> Self {
        let content = match is_gzip {
            true => Content::Gzip(Inflating::new(max)),
            false => Content::Plain { first: Bytes::new(), whole: BytesMut::new() },
        };
        Self { body, arrived: Bytes::new(), content, read: 0, announced, max }
    }

    /// Bytes that the content may have in the end.
    pub(super) fn most(&self) -> usize {
        match self.content {
            Content::Plain { .. } if self.announced > 0 => self.announced,
            _ => self.max,
        }
    }

    /// Reads on while the content has at most so many bytes, and may be read; whether it is complete.
    pub(super) async fn read_while_within(
        &mut self,
        bytes: usize,
        says: Says<'_>,
    ) -> Result<bool, Refusal> {
        loop {
            while !self.arrived.is_empty() {
                if self.content.len() > bytes {
                    return Ok(false);
                }
                let piece = self.content.piece().min(self.arrived.len());
                let piece = self.arrived.split_to(piece);
                self.content.push(piece, self.announced)?;
            }
            if self.content.len() > bytes {
                return Ok(false);
            }
            says.may_be_read()?;
            let Some(frame) = self.body.frame().await else { return Ok(true) };
            let Ok(data) = frame.map_err(|_| cut_off())?.into_data() else { continue };
            self.read += data.len();
            if self.read > self.max {
                return Err(too_large(self.max));
            }
            self.arrived = data;
        }
    }

    /// The content, once it is complete.
    pub(super) fn end(self) -> Result<Bytes, Refusal> {
        match self.content {
            Content::Plain { first, whole } if whole.is_empty() => Ok(first),
            Content::Plain { whole, .. } => Ok(whole.freeze()),
            Content::Gzip(inflating) => inflating.end(),
        }
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Plain { first, whole } => first.len().max(whole.len()),
            Self::Gzip(inflating) => inflating.len(),
        }
    }

    fn piece(&self) -> usize {
        match self {
            Self::Plain { .. } => usize::MAX,
            Self::Gzip(_) => PIECE,
        }
    }

    fn push(&mut self, piece: Bytes, announced: usize) -> Result<(), Refusal> {
        match self {
            Self::Gzip(inflating) => inflating.push(&piece)?,
            Self::Plain { first, .. } if first.is_empty() => *first = piece,
            Self::Plain { first, whole } => {
                if whole.is_empty() {
                    whole.reserve(announced.min(ROOM_AT_ONCE));
                    whole.extend_from_slice(first);
                }
                whole.extend_from_slice(&piece);
            }
        }
        Ok(())
    }
}

pub(super) fn too_large(max: usize) -> Refusal {
    Refusal::new(Code::BatchTooLarge, format!("the body has more than {max} bytes"))
        .with_hint("send it in parts")
}

//! What is ready for one socket, collected until it leaves, in the form that the socket speaks.

use bytes::Bytes;
use prost::Message as _;
use tidings_event::Refusal;
use tidings_wire::v1;
use tokio_tungstenite::tungstenite::Message;

use super::form::Form;
use super::pieces::Pieces;
use crate::consuming::attachment::Attachment;
use crate::consuming::{Consuming, Said, json, proto};

/// Bytes after which a message leaves, whatever else is ready.
const MESSAGE_BYTES: usize = 64 << 10;

/// The same of framed deliveries, which are written where they lie.
const WRITE_BYTES: usize = 128 << 10;

/// See the module.
#[derive(Debug)]
pub(super) enum Outbox {
    /// Frames, each a document.
    Json(Vec<Message>),
    /// One batch.
    Protobuf(Vec<v1::ConsumeResponse>),
    Framed(Pieces),
}

/// What leaves.
#[derive(Debug)]
pub(super) enum Leaving {
    Messages(Vec<Message>),
    Pieces(Pieces),
}

impl Outbox {
    /// What is ready from a first on, up to a bound; and why nothing follows it.
    pub(super) fn fill(
        form: Form,
        first: Said,
        consuming: &mut Consuming,
    ) -> (Leaving, Option<Refusal>) {
        let mut outbox = match form {
            Form::Json { .. } => Self::Json(Vec::new()),
            Form::Protobuf => Self::Protobuf(Vec::new()),
            Form::Framed => Self::Framed(Pieces::default()),
        };
        let most = if form == Form::Framed { WRITE_BYTES } else { MESSAGE_BYTES };
        let (mut bytes, mut next) = (0, Ok(Some(first)));
        while let Ok(Some(said)) = next {
            next = match outbox.put(said, consuming.attachment()) {
                Ok(length) => {
                    bytes += length;
                    if bytes < most { consuming.at_once() } else { Ok(None) }
                }
                Err(refusal) => Err(refusal),
            };
        }
        (outbox.leaving(), next.err())
    }

    /// Adds what is said; says how many bytes it has.
    fn put(&mut self, said: Said, attachment: &Attachment) -> Result<usize, Refusal> {
        Ok(match (self, said) {
            (Self::Json(frames), said) => {
                let frame = json::said(said, attachment)?.map(|text| Message::Text(text.into()));
                let length = frame.as_ref().map_or(0, Message::len);
                frames.extend(frame);
                length
            }
            (Self::Protobuf(batch), said) => {
                let response = proto::said(said, attachment)?;
                let length = response.as_ref().map_or(0, v1::ConsumeResponse::encoded_len);
                batch.extend(response);
                length
            }
            (Self::Framed(pieces), Said::Delivery(delivery)) => {
                let checksum = delivery.checksum;
                let mut head = proto::delivery(delivery, attachment)?;
                let body = std::mem::take(&mut head.body);
                pieces.deliver(&head, body, checksum)
            }
            (Self::Framed(pieces), said) => {
                proto::said(said, attachment)?.map_or(0, |response| pieces.say(response))
            }
        })
    }

    fn leaving(self) -> Leaving {
        Leaving::Messages(match self {
            Self::Json(frames) => frames,
            Self::Protobuf(batch) if batch.is_empty() => Vec::new(),
            Self::Protobuf(batch) => vec![binary(batch)],
            Self::Framed(pieces) => return Leaving::Pieces(pieces),
        })
    }
}

/// A batch of responses as one message.
pub(super) fn binary(responses: Vec<v1::ConsumeResponse>) -> Message {
    Message::Binary(Bytes::from(v1::ConsumeResponses { responses }.encode_to_vec()))
}

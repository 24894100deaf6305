//! The forms of frames: one JSON document a text frame, a batch of messages a binary one, or the same
//! with deliveries framed.

use prost::Message as _;
use tidings_event::{Code, Refusal};
use tidings_wire::{framed, v1};
use tokio_tungstenite::tungstenite::Message;

use super::outbox::binary;
use crate::consuming::{Asked, json, proto};
use crate::grpc::out_of_turn;

pub(super) const JSON: &str = "tidings.v1.json";
pub(super) const PROTOBUF: &str = "tidings.v1.protobuf";
pub(super) const FRAMED: &str = framed::SUBPROTOCOL;

/// How the frames of a socket read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whether the client asked for it by its name.
    Json {
        named: bool,
    },
    Protobuf,
    /// As Protobuf, but for deliveries: their bodies go as they are stored.
    Framed,
}

impl Form {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            JSON => Some(Self::Json { named: true }),
            PROTOBUF => Some(Self::Protobuf),
            FRAMED => Some(Self::Framed),
            _ => None,
        }
    }

    /// The subprotocol of the answer.
    pub(super) const fn protocol(self) -> Option<&'static str> {
        match self {
            Self::Json { named: true } => Some(JSON),
            Self::Json { named: false } => None,
            Self::Protobuf => Some(PROTOBUF),
            Self::Framed => Some(FRAMED),
        }
    }

    /// What a frame of the client asks, in order.
    pub(super) fn read(self, message: &Message) -> Result<Vec<Asked>, Refusal> {
        match (self, message) {
            (Self::Json { .. }, Message::Text(text)) => Ok(vec![json::asked(text.as_bytes())?]),
            (Self::Protobuf | Self::Framed, Message::Binary(bytes)) => {
                let batch = v1::ConsumeRequests::decode(bytes.clone()).map_err(|error| {
                    let detail: String = error.to_string().chars().take(200).collect();
                    Refusal::new(Code::RequestMalformed, detail)
                })?;
                batch.requests.into_iter().map(proto::asked).collect()
            }
            (Self::Json { .. }, _) => Err(out_of_turn("a binary frame where text is spoken")),
            (Self::Protobuf | Self::Framed, _) => {
                Err(out_of_turn("a text frame where Protobuf is spoken"))
            }
        }
    }

    /// The last frame before the close.
    pub(super) fn error(self, refusal: &Refusal, request_id: &str) -> Message {
        match self {
            Self::Json { .. } => Message::Text(json::error(refusal, request_id).into()),
            Self::Protobuf | Self::Framed => binary(vec![proto::error(refusal, request_id)]),
        }
    }
}

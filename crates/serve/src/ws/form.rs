//! The two forms of frames: one JSON document a text frame, or a batch of messages a binary one.

use bytes::Bytes;
use prost::Message as _;
use tidings_event::{Code, Refusal};
use tidings_wire::v1;
use tokio_tungstenite::tungstenite::Message;

use crate::consuming::{Asked, Consuming, Said, json, proto};
use crate::grpc::out_of_turn;

pub(super) const JSON: &str = "tidings.v1.json";
pub(super) const PROTOBUF: &str = "tidings.v1.protobuf";

/// Bytes after which a message leaves, whatever else is ready.
const MESSAGE_BYTES: usize = 64 << 10;

/// How the frames of a socket read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Whether the client asked for it by its name.
    Json {
        named: bool,
    },
    Protobuf,
}

impl Form {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            JSON => Some(Self::Json { named: true }),
            PROTOBUF => Some(Self::Protobuf),
            _ => None,
        }
    }

    /// The subprotocol of the answer.
    pub(super) const fn protocol(self) -> Option<&'static str> {
        match self {
            Self::Json { named: true } => Some(JSON),
            Self::Json { named: false } => None,
            Self::Protobuf => Some(PROTOBUF),
        }
    }

    /// What a frame of the client asks, in order.
    pub(super) fn read(self, message: &Message) -> Result<Vec<Asked>, Refusal> {
        match (self, message) {
            (Self::Json { .. }, Message::Text(text)) => Ok(vec![json::asked(text.as_bytes())?]),
            (Self::Protobuf, Message::Binary(bytes)) => {
                let batch = v1::ConsumeRequests::decode(bytes.clone()).map_err(|error| {
                    let detail: String = error.to_string().chars().take(200).collect();
                    Refusal::new(Code::RequestMalformed, detail)
                })?;
                batch.requests.into_iter().map(proto::asked).collect()
            }
            (Self::Json { .. }, _) => Err(out_of_turn("a binary frame where text is spoken")),
            (Self::Protobuf, _) => Err(out_of_turn("a text frame where Protobuf is spoken")),
        }
    }

    /// The frames of what is ready, up to [`MESSAGE_BYTES`], and why nothing follows them.
    pub(super) fn write(
        self,
        first: Said,
        consuming: &mut Consuming,
    ) -> (Vec<Message>, Option<Refusal>) {
        let (mut frames, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut next = Ok(Some(first));
        while let Ok(Some(said)) = next {
            let written = match self {
                Self::Json { .. } => json::said(said, consuming.attachment()).map(|text| {
                    let frame = text.map(|text| Message::Text(text.into()));
                    let length = frame.as_ref().map_or(0, Message::len);
                    frames.extend(frame);
                    length
                }),
                Self::Protobuf => proto::said(said, consuming.attachment()).map(|response| {
                    let length = response.as_ref().map_or(0, v1::ConsumeResponse::encoded_len);
                    batch.extend(response);
                    length
                }),
            };
            match written {
                Ok(length) => bytes += length,
                Err(refusal) => {
                    next = Err(refusal);
                    break;
                }
            }
            if bytes >= MESSAGE_BYTES {
                next = Ok(None);
                break;
            }
            next = consuming.at_once();
        }
        if !batch.is_empty() {
            frames.push(binary(batch));
        }
        (frames, next.err())
    }

    /// The last frame before the close.
    pub(super) fn error(self, refusal: &Refusal, request_id: &str) -> Message {
        match self {
            Self::Json { .. } => Message::Text(json::error(refusal, request_id).into()),
            Self::Protobuf => binary(vec![proto::error(refusal, request_id)]),
        }
    }
}

fn binary(responses: Vec<v1::ConsumeResponse>) -> Message {
    Message::Binary(Bytes::from(v1::ConsumeResponses { responses }.encode_to_vec()))
}

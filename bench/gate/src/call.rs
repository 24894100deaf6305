//! Calls of gRPC in both directions, without a connection: frames go into a queue, and come out of a body.

use std::convert::Infallible;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures::stream::{StreamExt, unfold};
use http::{Method, Request, StatusCode};
use http_body_util::StreamBody;
use hyper::body::Frame;
use prost::Message;
use tokio::sync::mpsc;

use crate::answer::{Pieces, pieces};
use crate::error::GateError;
use crate::node::Node;

/// Frames on their way in: more than what is said before something is heard.
const QUEUE: usize = 4_096;

/// What stands before each message: whether it is packed, and its length.
const HEAD_BYTES: usize = 5;

/// A message in its frame.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(HEAD_BYTES + length);
    frame.put_u8(0);
    // Far below 4 GiB: messages hold a block at most.
    frame.put_u32(length as u32);
    // A buffer that grows has room.
    let _written = message.encode(&mut frame);
    frame.freeze()
}

/// See the module.
pub(crate) struct Call {
    path: &'static str,
    queue: mpsc::Sender<Bytes>,
    answers: Pieces,
    /// Heard, and not read yet.
    unread: Bytes,
}

impl Call {
    /// Calls a method.
    pub(crate) async fn open(node: &Node, path: &'static str) -> Result<Self, GateError> {
        let (queue, queued) = mpsc::channel::<Bytes>(QUEUE);
        let frames = unfold(queued, |mut queued| async move {
            let frame = queued.recv().await?;
            Some((Ok::<_, Infallible>(Frame::data(frame)), queued))
        });
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header("content-type", "application/grpc").header("te", "trailers");
        let request = request.body(StreamBody::new(frames));
        let request = request.map_err(|error| GateError::answer(path, error))?;
        let response = node.inside.answer(request).await;
        let (status, headers) = (response.status(), response.headers());
        if status != StatusCode::OK || headers.contains_key("grpc-status") {
            return Err(GateError::answer(path, format!("{status} {headers:?}")));
        }
        let answers = pieces(response.into_body(), path.to_owned());
        Ok(Self { path, queue, answers, unread: Bytes::new() })
    }

    /// Says a message that is framed; it is taken when something is heard next.
    pub(crate) fn say(&self, frame: Bytes) -> Result<(), GateError> {
        self.queue.try_send(frame).map_err(|error| GateError::answer(self.path, error))
    }

    /// The next message.
    pub(crate) async fn hear<M: Message + Default>(&mut self) -> Result<M, GateError> {
        loop {
            if let Some(message) = self.whole()? {
                return Ok(message);
            }
            let Some(more) = self.answers.next().await.transpose()? else {
                return Err(GateError::answer(self.path, "the stream ended"));
            };
            // Frames come whole, but for the largest.
            self.unread = match self.unread.is_empty() {
                true => more,
                false => [std::mem::take(&mut self.unread), more].concat().into(),
            };
        }
    }

    /// The first message of what was heard, where all of it is there.
    fn whole<M: Message + Default>(&mut self) -> Result<Option<M>, GateError> {
        let Some(head) = self.unread.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let [_, length @ ..] = *head;
        let end = HEAD_BYTES + u32::from_be_bytes(length) as usize;
        if self.unread.len() < end {
            return Ok(None);
        }
        let mut message = self.unread.split_to(end);
        message.advance(HEAD_BYTES);
        M::decode(message).map(Some).map_err(|error| GateError::answer(self.path, error))
    }
}

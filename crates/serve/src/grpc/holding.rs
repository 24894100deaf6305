//! Room for the message of a `Publish` call, taken before it is read: the gRPC library reads a message
//! as a whole before anybody is asked.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::future::BoxFuture;
use futures::stream::{self, Stream, StreamExt};
use tidings_event::{Code, Refusal};
use tidings_wire::problem;

use crate::body::Taken;
use crate::caller::RequestId;
use crate::doors::Doors;
use crate::refusals;

const PUBLISH: &str = "/tidings.v1.Publisher/Publish";

/// Before a message: whether it is packed, and its length in four bytes.
const PREFIX: usize = 5;

/// Refuses a publish call while memory is short or calls hold as much as they may, and has one with a
/// large message wait for room.
pub(crate) async fn hold(
    State(doors): State<Arc<Doors>>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() != PUBLISH {
        return next.run(request).await;
    }
    let id = RequestId::of(request.extensions());
    match held(&doors, request, &id).await {
        // The room is given back once the answer is made.
        Ok((request, _room)) => next.run(request).await,
        Err(refusal) => problem::to_status(&refusal, &id.0).into_http(),
    }
}

async fn held(
    doors: &Arc<Doors>,
    request: Request,
    id: &RequestId,
) -> Result<(Request, Option<Taken>), Refusal> {
    doors.may_take_more()?;
    let limits = doors.parts.limits.now();
    let (parts, body) = request.into_parts();
    let mut arriving = Arriving {
        pieces: body.into_data_stream(),
        over: Box::pin(doors.timer.after(limits.body_read)),
        doors: Arc::clone(doors),
    };
    let mut begun = Vec::new();
    let mut length = None;
    while length.is_none()
        && let Some(piece) = arriving.next().await
    {
        begun.push(piece?);
        length = message_bytes(&begun);
    }
    // A message above the limit is refused by its length, unread.
    let length = length.filter(|&bytes| bytes <= limits.body_bytes + super::MESSAGE_SLACK_BYTES);
    let room = match length {
        Some(bytes) => Some(doors.room.to_hold_events(bytes).await?),
        None => None,
    };
    let rest = arriving.rest(Arc::clone(&id.0));
    let pieces = stream::iter(begun).map(Ok).chain(rest);
    Ok((Request::from_parts(parts, Body::from_stream(pieces)), room))
}

/// The length of the message that some pieces begin, once they say it.
fn message_bytes(pieces: &[Bytes]) -> Option<usize> {
    let mut bytes = pieces.iter().flatten().copied().take(PREFIX).skip(1);
    let mut length = [0; PREFIX - 1];
    for place in &mut length {
        *place = bytes.next()?;
    }
    usize::try_from(u32::from_be_bytes(length)).ok()
}

/// A message on its way.
struct Arriving {
    pieces: BodyDataStream,
    /// When all of it should have come.
    over: BoxFuture<'static, ()>,
    doors: Arc<Doors>,
}

impl Arriving {
    /// The next piece, within the time and while there is memory for it; `None` at the end.
    async fn next(&mut self) -> Option<Result<Bytes, Refusal>> {
        if let Err(refusal) = self.doors.may_take_more() {
            return Some(Err(refusal));
        }
        tokio::select! {
            biased;
            piece = self.pieces.next() => piece.map(|read| read.map_err(|_| refusals::cut_off())),
            () = &mut self.over => Some(Err(Refusal::new(
                Code::RequestTimeout,
                "the message did not arrive in time",
            ))),
        }
    }

    /// What has not come yet; a refusal ends it.
    fn rest(self, id: Arc<str>) -> impl Stream<Item = Result<Bytes, axum::Error>> {
        stream::unfold(Some(self), move |arriving| {
            let id = Arc::clone(&id);
            async move {
                let mut arriving = arriving?;
                match arriving.next().await? {
                    Ok(piece) => Some((Ok(piece), Some(arriving))),
                    // The library finds the status in the error, and answers with it.
                    Err(refusal) => {
                        let status = problem::to_status(&refusal, &id);
                        Some((Err(axum::Error::new(status)), None))
                    }
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;

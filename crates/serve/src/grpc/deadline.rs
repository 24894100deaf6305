//! How long a gRPC call may take: as long as its `grpc-timeout` says, from its opening to the last
//! message of its stream.
//!
//! What was handed to the log before the deadline is carried out all the same: the caller does not
//! know the outcome, and repeats as it would after a lost connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tidings_event::{Code, Refusal};
use tidings_telemetry::Counter;
use tidings_wire::problem;

use crate::caller::RequestId;
use crate::doors::Doors;
use crate::refusals;

const TIMEOUT: &str = "grpc-timeout";
const DIGITS_MAX: usize = 8;

/// The library's reflection streams last as long as their client wants; they would hold up a stop.
const REFLECTION: &str = "/grpc.reflection.";

/// Ends a call at its deadline with `DEADLINE_EXCEEDED`.
pub(crate) async fn bound(
    State(doors): State<Arc<Doors>>,
    request: Request,
    next: Next,
) -> Response {
    let id = RequestId::of(request.extensions());
    let ends_at_stop = request.uri().path().starts_with(REFLECTION);
    let clock = &doors.parts.clock;
    let started = clock.monotonic();
    let within = match timeout(request.headers()) {
        Ok(within) => within,
        Err(refusal) => return problem::to_status(&refusal, &id.0).into_http(),
    };
    let answered = match within {
        Some(within) => doors.timer.limit(within, next.run(request)).await,
        None => Ok(next.run(request).await),
    };
    let Ok(response) = answered else {
        return problem::to_status(&passed(within), &id.0).into_http();
    };
    let left = within.map(|within| within.saturating_sub(clock.monotonic() - started));
    if left.is_none() && !ends_at_stop {
        return response;
    }
    let end = end_of(Arc::clone(&doors), left, ends_at_stop);
    response.map(|body| Body::new(Bounded { body, end: Some(end), doors, id }))
}

/// The `grpc-timeout` of a call: up to eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    parse(value).map(Some).ok_or_else(|| {
        let shown: String = String::from_utf8_lossy(value.as_bytes()).chars().take(40).collect();
        Refusal::new(Code::RequestMalformed, format!("`{shown}` is not a timeout"))
            .at_field(TIMEOUT)
            .with_hint("one to eight digits and one of H M S m u n, e.g. 500m")
    })
}

fn parse(value: &HeaderValue) -> Option<Duration> {
    let (unit, digits) = value.as_bytes().split_last()?;
    if digits.len() > DIGITS_MAX || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(count * 3_600),
        b'M' => Duration::from_secs(count * 60),
        b'S' => Duration::from_secs(count),
        b'm' => Duration::from_millis(count),
        b'u' => Duration::from_micros(count),
        b'n' => Duration::from_nanos(count),
        _ => return None,
    })
}

fn passed(within: Option<Duration>) -> Refusal {
    let within = within.unwrap_or_default();
    Refusal::new(Code::DeadlineExceeded, format!("no answer within the call's {within:?}"))
        .with_hint("whether it was carried out is unknown; the same request is safe to repeat")
}

/// Resolves to why a stream ends although neither side ended it.
fn end_of(
    doors: Arc<Doors>,
    left: Option<Duration>,
    ends_at_stop: bool,
) -> BoxFuture<'static, Refusal> {
    async move {
        let deadline = async {
            match left {
                Some(left) => doors.timer.after(left).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = deadline => Refusal::new(Code::DeadlineExceeded, "the call's deadline has passed"),
            () = doors.stop.cancelled(), if ends_at_stop => refusals::shutting_down(),
        }
    }
    .boxed()
}

/// An answer's body that ends with a status of its own when its time is over.
struct Bounded {
    body: Body,
    /// None once it has ended the body.
    end: Option<BoxFuture<'static, Refusal>>,
    doors: Arc<Doors>,
    id: RequestId,
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // What is ready is the truth, even when it is late.
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        let Some(end) = &mut self.end else { return Poll::Ready(None) };
        let Poll::Ready(refusal) = end.poll_unpin(context) else { return Poll::Pending };
        self.end = None;
        // What makes the messages stops here.
        self.body = Body::empty();
        self.doors.parts.recorder.count(Counter::ServeErrors, 1);
        let mut trailers = HeaderMap::new();
        // Its details are bytes of its own making: they always fit a header.
        let _fits = problem::to_status(&refusal, &self.id.0).add_header(&mut trailers);
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests;

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
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tidings_event::{Code, Refusal};
use tidings_telemetry::Counter;
use tidings_wire::problem;

use crate::caller::RequestId;
use crate::doors::Doors;

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
    let within = match timeout(request.headers()) {
        Ok(within) => within,
        Err(refusal) => return problem::to_status(&refusal, &id.0).into_http(),
    };
    let request = until_stop(&doors, request);
    let Some(within) = within else { return next.run(request).await };
    let clock = &doors.parts.clock;
    let started = clock.monotonic();
    let Ok(response) = doors.timer.limit(within, next.run(request)).await else {
        return problem::to_status(&passed(within), &id.0).into_http();
    };
    let left = within.saturating_sub(clock.monotonic().saturating_sub(started));
    let end = Some(doors.timer.after(left).boxed());
    response.map(|body| Body::new(Bounded { body, within, end, doors, id }))
}

/// The request; a reflection stream's ends when the service stops, and its answers with it.
fn until_stop(doors: &Doors, request: Request) -> Request {
    if !request.uri().path().starts_with(REFLECTION) {
        return request;
    }
    let stop = doors.stop.clone().cancelled_owned();
    request.map(|body| Body::from_stream(body.into_data_stream().take_until(stop)))
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

fn passed(within: Duration) -> Refusal {
    Refusal::new(Code::DeadlineExceeded, format!("the call's {within:?} have passed"))
        .with_hint("whether it was carried out is unknown; the same request is safe to repeat")
}

/// An answer's body that ends with a status of its own when its time is over.
struct Bounded {
    body: Body,
    within: Duration,
    /// None once it has ended the body.
    end: Option<BoxFuture<'static, ()>>,
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
        std::task::ready!(end.poll_unpin(context));
        self.end = None;
        // What makes the messages stops here.
        self.body = Body::empty();
        self.doors.parts.recorder.count(Counter::ServeErrors, 1);
        let mut trailers = HeaderMap::new();
        // Its details are bytes of its own making: they always fit a header.
        let _fits = problem::to_status(&passed(self.within), &self.id.0).add_header(&mut trailers);
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

//! The span of a publish: from its request to its answer, part of the trace that its header names.

use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};
use tidings_event::Refusal;
use tidings_telemetry::{Span, TraceContext, Traces};

use crate::answer::Surroundings;

/// Header and gRPC metadata key of a W3C trace context.
const TRACEPARENT: &str = "traceparent";

/// A publish that is followed.
pub(crate) struct Traced {
    context: TraceContext,
    parent: Option<[u8; 8]>,
    path: String,
}

/// Whether a request is a publish that is to be followed. A stream of publishes is none: there each
/// event speaks for itself.
pub(crate) fn begin(parts: &Surroundings, request: &Request<Body>) -> Option<Traced> {
    let traces = parts.recorder.traces();
    if !traces.is_on() {
        return None;
    }
    let path = request.uri().path();
    let is_publish = matches!(path, "/api/v1/events" | "/tidings.v1.Publisher/Publish");
    if !is_publish || request.method() != Method::POST {
        return None;
    }
    let given = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
    let (context, parent) = traces.begin(given)?;
    Some(Traced { context, parent, path: path.to_owned() })
}

/// Answers a request, within its span where it has one.
pub(crate) async fn publish<E>(
    parts: &Surroundings,
    traced: Option<Traced>,
    answer: impl Future<Output = Result<Result<Response, Refusal>, E>>,
) -> Result<Result<Response, Refusal>, E> {
    let Some(Traced { context, parent, path }) = traced else { return answer.await };
    let start = parts.clock.wall().0;
    let answered = Traces::scope(context, start, answer).await;
    let status = match &answered {
        Ok(Ok(response)) => response.status().as_u16(),
        Ok(Err(refusal)) => refusal.code.http_status(),
        Err(_) => 500,
    };
    parts.recorder.span(Span {
        name: "publish",
        context,
        parent,
        start,
        end: parts.clock.wall().0,
        about: vec![("url.path", path), ("http.response.status_code", status.to_string())],
        is_error: status >= 500,
    });
    answered
}

//! The road of every request: id, caller, routes, caught panics, problem document, counts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Request};
use tidings_event::{Code, Refusal};
use tidings_telemetry::{Counter, Latency, Memory, Recorder};
use tidings_wire::problem;
use tower::ServiceExt;

use crate::caller::{Caller, REQUEST_ID, RequestId};
use crate::doors::Doors;
use crate::origin;
use crate::refused::{self, Refused};
use crate::spans;

/// Both doors behind one road. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Road {
    doors: Arc<Doors>,
    rest: Router,
    grpc: Router,
}

impl Road {
    pub(crate) async fn new(doors: Arc<Doors>) -> Self {
        let rest = crate::rest::router(Arc::clone(&doors));
        let grpc = crate::grpc::router(&doors);
        Self { doors, rest, grpc }
    }

    /// Where requests are counted.
    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.doors.parts.recorder)
    }

    /// How short memory is.
    pub(crate) fn memory(&self) -> Memory {
        self.doors.parts.memory.clone()
    }

    /// Answers one request.
    pub(crate) async fn answer(self, mut request: Request<Body>) -> Response {
        let parts = &self.doors.parts;
        let started = parts.clock.monotonic();
        parts.recorder.count(Counter::ServeRequests, 1);
        let id = RequestId::take(request.headers());
        request.extensions_mut().insert(id.clone());
        let grpc = is_grpc(request.headers());
        let page = parts.origins.check(&request);
        let traced = spans::begin(parts, &request);
        let routed = match &page {
            Ok(_) => {
                let routed = AssertUnwindSafe(self.route(request, grpc)).catch_unwind();
                spans::publish(parts, traced, routed).await
            }
            Err(refusal) => Ok(Err(refusal.clone())),
        };
        let response = routed.unwrap_or_else(|_| Err(fault()));
        let mut response = response.unwrap_or_else(|refusal| {
            if grpc {
                problem::to_status(&refusal, &id.0).into_http()
            } else {
                Refused(refusal).into_response()
            }
        });
        response =
            if grpc { with_problem(response, &id.0) } else { refused::render(response, &id.0) };
        if !grpc {
            hygiene(response.headers_mut());
        }
        if let Ok(Some(page)) = page {
            origin::open_to(response.headers_mut(), page);
        }
        if let Ok(value) = HeaderValue::from_str(&id.0) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if is_error(&response) {
            parts.recorder.count(Counter::ServeErrors, 1);
        }
        let took = parts.clock.monotonic().saturating_sub(started);
        parts.recorder.time(Latency::ServeRequest, took);
        response
    }

    async fn route(&self, mut request: Request<Body>, grpc: bool) -> Result<Response, Refusal> {
        check_headers(request.headers(), self.doors.parts.limits.now().header_bytes)?;
        let caller = Caller::authenticate(request.headers())?;
        request.extensions_mut().insert(caller);
        if let Some(answer) = origin::preflight(&request) {
            return Ok(answer);
        }
        let router = if grpc { self.grpc.clone() } else { self.rest.clone() };
        let Ok(response) = router.oneshot(request).await;
        Ok(response)
    }
}

/// Answers are for the one who asked, now, and are what they say they are.
fn hygiene(headers: &mut HeaderMap) {
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/grpc"))
}

fn check_headers(headers: &HeaderMap, max: usize) -> Result<(), Refusal> {
    let bytes: usize = headers.iter().map(|(n, v)| n.as_str().len() + v.len()).sum();
    if bytes <= max {
        return Ok(());
    }
    Err(Refusal::new(Code::HeaderTooLarge, format!("headers have {bytes} bytes, at most {max}")))
}

fn fault() -> Refusal {
    tracing::error!("a request panicked");
    Refusal::new(Code::Internal, "the service failed while answering")
        .with_hint("report it with the request id")
}

fn is_error(response: &Response) -> bool {
    let grpc = response.headers().get("grpc-status");
    response.status().as_u16() >= 400 || grpc.is_some_and(|status| status.as_bytes() != b"0")
}

/// Gives a status that the gRPC library made by itself the problem that says the same.
fn with_problem(response: Response, request_id: &str) -> Response {
    let Some(status) = tonic::Status::from_header_map(response.headers()) else { return response };
    let problem = problem::of_status(&status);
    if status.code() == tonic::Code::Ok
        || problem.as_ref().is_some_and(|p| !p.request_id.is_empty())
    {
        return response;
    }
    // What the codec refuses has a problem, but not yet the request's id.
    let refusal = problem.as_ref().and_then(problem::from_proto);
    let refusal = refusal.unwrap_or_else(|| library_refusal(&status));
    let said = problem::to_status(&refusal, request_id);
    if status.code() != tonic::Code::Unimplemented {
        return said.into_http();
    }
    // What every client takes an unknown method for.
    let details = said.details().to_vec().into();
    tonic::Status::with_details(status.code(), said.message(), details).into_http()
}

/// What the gRPC library meant.
pub(crate) fn library_refusal(status: &tonic::Status) -> Refusal {
    use tonic::Code as Grpc;
    let code = match status.code() {
        // Its answer to a message above the limit.
        Grpc::OutOfRange | Grpc::ResourceExhausted => Code::BatchTooLarge,
        Grpc::Unimplemented => Code::RouteUnknown,
        Grpc::DeadlineExceeded | Grpc::Cancelled => Code::RequestTimeout,
        // Frames it cannot read.
        _ => Code::RequestMalformed,
    };
    let said: String = status.message().chars().take(200).collect();
    Refusal::new(code, if said.is_empty() { code.title().to_owned() } else { said })
}

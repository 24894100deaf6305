//! The road of every request: id, caller, routes, caught panics, problem document, counts.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Request};
use tidings_event::{Clock, Code, Refusal};
use tidings_telemetry::{Counter, Latency, Memory, Recorder};
use tidings_wire::problem;
use tower::ServiceExt;

use crate::caller::{Caller, REQUEST_ID, RequestId};
use crate::doors::Doors;
use crate::in_force::LiveLimits;
use crate::origin::{self, Origins};
use crate::refused::{self, Refused};
use crate::spans;
use crate::standing::{Standing, is_always_answered};

/// Both doors behind one road. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Road {
    surroundings: Arc<Surroundings>,
    rest: Router,
    grpc: Router,
}

/// What a request is answered with, whoever owns the log.
pub(crate) struct Surroundings {
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: LiveLimits,
    pub(crate) origins: Origins,
    pub(crate) memory: Memory,
    pub(crate) standing: Option<Arc<dyn Standing>>,
}

impl Road {
    pub(crate) async fn new(doors: Arc<Doors>) -> Self {
        let rest = crate::rest::router(Arc::clone(&doors));
        let grpc = crate::grpc::router(&doors);
        let parts = &doors.parts;
        let surroundings = Surroundings {
            recorder: Arc::clone(&parts.recorder),
            clock: Arc::clone(&parts.clock),
            limits: parts.limits.clone(),
            origins: parts.origins.clone(),
            memory: parts.memory.clone(),
            standing: parts.standing.clone(),
        };
        Self { surroundings: Arc::new(surroundings), rest, grpc }
    }

    /// The road to what needs no log.
    pub(crate) fn without_doors(surroundings: Surroundings, rest: Router) -> Self {
        Self { surroundings: Arc::new(surroundings), rest, grpc: Router::new() }
    }

    /// Where requests are counted.
    pub(crate) fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.surroundings.recorder)
    }

    /// How short memory is.
    pub(crate) fn memory(&self) -> Memory {
        self.surroundings.memory.clone()
    }

    /// Answers one request.
    pub(crate) async fn answer(self, mut request: Request<Body>) -> Response {
        let parts = &*self.surroundings;
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
        check_headers(request.headers(), self.surroundings.limits.now().header_bytes)?;
        let caller = Caller::authenticate(request.headers())?;
        request.extensions_mut().insert(caller);
        if let Some(answer) = origin::preflight(&request) {
            return Ok(answer);
        }
        self.is_answered_here(request.uri().path())?;
        let router = if grpc { self.grpc.clone() } else { self.rest.clone() };
        let Ok(response) = router.oneshot(request).await;
        Ok(response)
    }

    /// Refuses what the owner of the log answers, where that is another node.
    fn is_answered_here(&self, path: &str) -> Result<(), Refusal> {
        let standing = self.surroundings.standing.as_ref();
        let refusal = standing.filter(|_| !is_always_answered(path)).and_then(|s| s.refusal());
        refusal.map_or(Ok(()), Err)
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

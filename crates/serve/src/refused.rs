//! A refusal on its way to a REST client: carried in the response until the request id is known.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use tidings_event::Refusal;
use tidings_wire::ProblemDocument;
use tidings_wire::problem::PROBLEM_JSON;

/// What a route returns instead of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    /// An empty response that carries the refusal; [`render`] writes the document.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status_of(&self.0);
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes the problem document of a response that carries a refusal; others pass.
pub(crate) fn render(mut response: Response, request_id: &str) -> Response {
    let Some(Refused(refusal)) = response.extensions_mut().remove::<Refused>() else {
        return response;
    };
    let document = ProblemDocument::new(&refusal, request_id);
    let mut rendered =
        problem_response(&refusal, serde_json::to_vec(&document).unwrap_or_default());
    // Which methods there are, instead of the one that is refused.
    if let Some(allow) = response.headers_mut().remove(ALLOW) {
        rendered.headers_mut().insert(ALLOW, allow);
    }
    rendered
}

/// A response with a problem document's bytes.
pub(crate) fn problem_response(refusal: &Refusal, document: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(document));
    *response.status_mut() = status_of(refusal);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(millis) = refusal.retry_after_ms {
        headers.insert(RETRY_AFTER, HeaderValue::from(millis.div_ceil(1_000)));
    }
    response
}

fn status_of(refusal: &Refusal) -> StatusCode {
    StatusCode::from_u16(refusal.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

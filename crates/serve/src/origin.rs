//! Web pages: which of them may talk to this service from a browser.
//!
//! A browser lets any page send requests to a service on its own machine, but says which page it
//! was: `origin`. A request of a foreign origin is refused, whatever its method, since reading may
//! take a subscription. Programs name no origin. A page served from here is not foreign, but only
//! under an address or `localhost`: a name could be made to point here by anyone (DNS rebinding).

use std::net::Ipv6Addr;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tidings_event::{Code, Refusal};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static(
    "content-type, if-match, if-none-match, last-event-id, traceparent, x-request-id",
);
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static("etag, retry-after, x-request-id");

/// The foreign origins that are allowed: `server.allowed_origins`.
#[derive(Clone, Debug, Default)]
pub struct Origins(Arc<[String]>);

/// A text that is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: write scheme, name and port only, e.g. https://desk.example:8443")]
pub struct OriginError(String);

impl Origins {
    /// Reads origins as browsers send them.
    ///
    /// # Errors
    /// The first that is not one.
    pub fn new(texts: &[String]) -> Result<Self, OriginError> {
        let origins = texts.iter().map(|text| {
            let text = text.trim().to_ascii_lowercase();
            let parsed: Option<Uri> = text.parse().ok();
            let is_origin = parsed.is_some_and(|uri| {
                matches!(uri.scheme_str(), Some("http" | "https"))
                    && uri.authority().is_some_and(|a| !a.as_str().contains('@'))
                    && !text.ends_with('/')
                    && uri.path() == "/"
                    && uri.query().is_none()
            });
            if is_origin { Ok(text) } else { Err(OriginError(text)) }
        });
        Ok(Self(origins.collect::<Result<_, _>>()?))
    }

    /// Refuses a request of a foreign origin. An allowed one is given back, so that the answer can
    /// let its page read it.
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<Option<HeaderValue>, Refusal> {
        let mut given = request.headers().get_all(ORIGIN).iter();
        let Some(origin) = given.next() else { return Ok(None) };
        let text = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        if given.next().is_none() {
            if self.0.contains(&text) {
                return Ok(Some(origin.clone()));
            }
            if is_own(&text, request.headers(), request.uri()) {
                return Ok(None);
            }
        }
        let shown: String = text.chars().take(120).collect();
        Err(Refusal::new(Code::OriginRefused, format!("pages of `{shown}` may not ask here"))
            .at_field("origin")
            .with_hint("name the origin in `server.allowed_origins` if its pages should"))
    }
}

/// The answer to a browser that asks whether a page's request would be allowed.
pub(crate) fn preflight<B, A: Default>(request: &Request<B>) -> Option<Response<A>> {
    let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() != Method::OPTIONS || !asks {
        return None;
    }
    let mut answer = Response::new(A::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
    Some(answer)
}

/// Lets pages of an allowed origin read an answer.
pub(crate) fn open_to(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    headers.append(VARY, HeaderValue::from_static("origin"));
}

/// Whether an origin is the very address that was asked, and not by a name.
fn is_own(origin: &str, headers: &HeaderMap, uri: &Uri) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(asked) = uri.authority().map(http::uri::Authority::as_str).or(host) else {
        return false;
    };
    let asked = asked.to_ascii_lowercase();
    let same = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    same == Some(asked.as_str()) && cannot_be_rebound(&asked)
}

fn cannot_be_rebound(authority: &str) -> bool {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split(']').next().is_some_and(|host| host.parse::<Ipv6Addr>().is_ok());
    }
    let host = authority.split(':').next().unwrap_or_default();
    host == "localhost" || host.parse::<std::net::Ipv4Addr>().is_ok()
}

#[cfg(test)]
mod tests;

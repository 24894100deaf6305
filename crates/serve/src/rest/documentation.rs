//! `/openapi.json` and `/docs`: the API described for programs and for people, from this process
//! alone: no page of it loads anything from elsewhere.

use std::io::Read;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, VARY,
};
use http::{HeaderName, HeaderValue, StatusCode};
use tidings_event::{Code, Refusal};
use utoipa_swagger_ui::Config;

use crate::openapi;
use crate::rest::Answer;
use crate::rest::ask::Ask;

/// Nothing but what this service serves; images may be part of a style sheet.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);

const REFERRER_POLICY: HeaderName = http::header::REFERRER_POLICY;

/// The description of this API, OpenAPI 3.1
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "openapi", tag = "operations",
    responses((status = 200, description = "The document.", content_type = "application/json")),
)]
pub(crate) async fn document(ask: Ask) -> Answer {
    ask.query.end()?;
    let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((kind, openapi::document()).into_response())
}

/// The description of this API as a page
#[utoipa::path(
    get, path = "/docs", operation_id = "docs", tag = "operations",
    responses((status = 308, description = "The page is at `/docs/`.")),
)]
pub(crate) async fn page(ask: Ask) -> Answer {
    ask.query.end()?;
    let there = [(LOCATION, HeaderValue::from_static("/docs/"))];
    Ok((StatusCode::PERMANENT_REDIRECT, there).into_response())
}

/// The page itself
#[utoipa::path(
    get, path = "/docs/", operation_id = "docs_page", tag = "operations",
    responses((status = 200, description = "The page.", content_type = "text/html")),
)]
pub(crate) async fn index(ask: Ask) -> Answer {
    file(&ask, "index.html")
}

/// What the page loads
#[utoipa::path(
    get, path = "/docs/{*file}", operation_id = "docs_file", tag = "operations",
    responses((status = 200, description = "The file.", content_type = "*/*")),
    extensions(("x-codes" = json!(["ROUTE_UNKNOWN"]))),
)]
pub(crate) async fn asset(ask: Ask) -> Answer {
    file(&ask, ask.param("file"))
}

fn file(ask: &Ask, name: &str) -> Answer {
    // The page does not ask anybody whether the document is valid.
    let config = Config::new(["../openapi.json"]).validator_url("none").try_it_out_enabled(true);
    let found = utoipa_swagger_ui::serve(name, Arc::new(config))
        .map_err(|error| Refusal::new(Code::Internal, format!("page: {error}")))?;
    let Some(found) = found else {
        let shown: String = name.chars().take(80).collect();
        let refusal = Refusal::new(Code::RouteUnknown, format!("the page has no file `{shown}`"));
        return Err(refusal.into());
    };
    let kind = HeaderValue::from_str(&found.content_type)
        .map_err(|error| Refusal::new(Code::Internal, format!("page: {error}")))?;
    let mut answer = packed(ask, found.bytes.into_owned(), found.gzpipped)?;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(answer)
}

/// The files are kept packed, and sent so to whoever can unpack them.
fn packed(ask: &Ask, bytes: Vec<u8>, gzipped: bool) -> Result<Response, Refusal> {
    if !gzipped {
        return Ok(bytes.into_response());
    }
    let accepted = ask.header(&ACCEPT_ENCODING)?.unwrap_or_default();
    let mut answer = if accepted.contains("gzip") {
        let mut answer = bytes.into_response();
        answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        answer
    } else {
        unpacked(&bytes)?.into_response()
    };
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    Ok(answer)
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut text)
        .map_err(|error| Refusal::new(Code::Internal, format!("page: {error}")))?;
    Ok(text)
}

//! What a request must be to be a gRPC call, checked before the library looks at it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use tidings_event::{Code, Refusal};
use tidings_wire::problem;

use crate::caller::RequestId;

const SERVED: [&[u8]; 2] = [b"application/grpc", b"application/grpc+proto"];
const ENCODING: &str = "grpc-encoding";

/// Refuses other methods, other encodings of messages, and compression.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let checked = check_method(request.method())
        .and_then(|()| check_content_type(request.headers()))
        .and_then(|()| check_encoding(request.headers()));
    match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let id = RequestId::of(request.extensions());
            let mut response: Response = problem::to_status(&refusal, &id.0).into_http();
            let identity = HeaderValue::from_static("identity");
            response.headers_mut().insert("grpc-accept-encoding", identity);
            response
        }
    }
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    if *method == Method::POST {
        return Ok(());
    }
    Err(Refusal::new(Code::MethodNotAllowed, format!("{method} is not how a call is made"))
        .with_hint("gRPC calls are POST requests"))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let value = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if SERVED.iter().any(|served| media.eq_ignore_ascii_case(served)) {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(media).chars().take(80).collect();
    Err(Refusal::new(Code::ContentTypeUnsupported, format!("`{shown}` is not read here"))
        .at_field("content-type")
        .with_hint("application/grpc; messages are Protobuf"))
}

/// Bodies carry the checksum of their producer and are stored as they come: unpacking them here
/// would cost what packing them saves, and would have to be bounded besides.
fn check_encoding(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(ENCODING) else { return Ok(()) };
    if value.as_bytes().eq_ignore_ascii_case(b"identity") {
        return Ok(());
    }
    let shown: String = String::from_utf8_lossy(value.as_bytes()).chars().take(40).collect();
    Err(Refusal::new(Code::NotAvailable, format!("messages packed with `{shown}` are not read"))
        .at_field(ENCODING)
        .with_hint("send messages as they are"))
}

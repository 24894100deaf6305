//! Requests over HTTP that are answered once.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyDataStream, BodyExt, Full};
use hyper::body::Body;
use serde_json::json;

use crate::error::GateError;
use crate::node::Node;

/// Sends a body; gives what was answered, which must be of this status.
pub(crate) async fn send(
    node: &Node,
    path: &str,
    media: &str,
    body: Bytes,
    expected: StatusCode,
) -> Result<Bytes, GateError> {
    let request = Request::builder().method(Method::POST).uri(path).header("content-type", media);
    let request = request.body(Full::new(body)).map_err(|e| GateError::answer(path, e))?;
    let response = node.inside.answer(request).await;
    let status = response.status();
    let said = response.into_body().collect().await.map_err(|e| GateError::answer(path, e))?;
    let said = said.to_bytes();
    if status == expected {
        return Ok(said);
    }
    let shown: String = String::from_utf8_lossy(&said).chars().take(400).collect();
    Err(GateError::answer(path, format!("{status} {shown}")))
}

/// What a body lasts, piece by piece.
pub(crate) type Pieces = BoxStream<'static, Result<Bytes, GateError>>;

/// The pieces of the answer to what was asked.
pub(crate) fn pieces<B>(body: B, asked: String) -> Pieces
where
    B: Body<Data = Bytes, Error: ToString> + Send + 'static,
{
    let pieces = BodyDataStream::new(body);
    let failed = move |error: B::Error| GateError::answer(asked.clone(), error);
    Box::pin(pieces.map(move |piece| piece.map_err(&failed)))
}

/// Makes a subscription to everything, from the beginning, or to what its filter selects.
pub(crate) async fn subscribe(
    node: &Node,
    name: &str,
    filter: Option<String>,
) -> Result<(), GateError> {
    let mut document = json!({
        "name": name, "topics": ["analysis/**"], "start": "earliest", "delivery": {"stream": {}},
    });
    if let Some(filter) = filter {
        document["filter"] = filter.into();
    }
    let path = "/api/v1/subscriptions";
    let body = document.to_string().into();
    send(node, path, "application/json", body, StatusCode::CREATED).await.map(drop)
}

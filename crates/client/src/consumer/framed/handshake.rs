//! Asks for the framed form of a service's WebSocket.

use std::time::Duration;

use tidings_wire::framed::SUBPROTOCOL;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::connection::chain;
use crate::{ClientError, Problem};

/// How long both the connection and the answer may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A connection over which the service has agreed to speak so.
pub(super) async fn connect(url: &str) -> Result<TcpStream, ClientError> {
    let unreachable = |reason: String| ClientError::Unreachable { url: url.to_owned(), reason };
    match timeout(LIMIT, agreed(url)).await {
        Ok(agreed) => agreed,
        Err(_) => Err(unreachable("no answer in time".to_owned())),
    }
}

async fn agreed(url: &str) -> Result<TcpStream, ClientError> {
    let address = |reason: String| ClientError::Address { url: url.to_owned(), reason };
    let unreachable = |reason: String| ClientError::Unreachable { url: url.to_owned(), reason };
    let ws = format!("{}/api/v1/ws", url.replacen("http", "ws", 1));
    let mut request = ws.into_client_request().map_err(|error| address(chain(&error)))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let uri = request.uri();
    let host = uri.host().ok_or_else(|| address("it names no host".to_owned()))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let place = (host, uri.port_u16().unwrap_or(80));
    let stream = TcpStream::connect(place).await.map_err(|e| unreachable(e.to_string()))?;
    stream.set_nodelay(true).map_err(|error| unreachable(error.to_string()))?;
    let (socket, _) = client_async(request, stream).await.map_err(|error| refused(&error))?;
    // Nothing is lost with the library's buffer: the service says nothing before `open`.
    Ok(socket.into_inner())
}

/// Why the service did not agree: its problem, where it gave one.
fn refused(error: &Error) -> ClientError {
    let Error::Http(response) = error else { return ClientError::Lost(chain(error)) };
    let body = response.body().as_deref().unwrap_or_default();
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if !problem.code.is_empty() => problem.into(),
        _ => ClientError::Protocol(format!("the WebSocket was answered {}", response.status())),
    }
}

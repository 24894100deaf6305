//! `GET /api/v1/ws`: consuming over a WebSocket, in JSON frames, in batched Protobuf ones, or with deliveries
//! framed.

mod close;
mod form;
mod outbox;
mod pieces;
mod socket;

use axum::body::Body;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use http::{HeaderValue, Request};
use tidings_event::{Code, Refusal};
use tidings_wire::stream::FRAME_BYTES_MAX;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::handover::Upgrade;
use crate::rest::Answer;
use crate::rest::ask::Ask;
use form::Form;
use socket::Socket;

/// An idle connection keeps this much for what it may hear, and all of it is cleared before each
/// read. Larger frames get the room that they announce.
const READ_BUFFER_BYTES: usize = 512;

/// What is written collects up to here before it leaves.
const WRITE_BUFFER_BYTES: usize = 16 << 10;

/// Consumes over a WebSocket
#[utoipa::path(
    get, path = "/api/v1/ws", operation_id = "ws", tag = "delivery",
    params(
        ("sec-websocket-protocol" = Option<String>, Header, description = "tidings.v1.json (also without one), tidings.v1.protobuf or tidings.v1.framed."),
    ),
    responses((status = 101, description = "The frames of docs/spec/streams.md follow.")),
    extensions(("x-codes" = json!(["UPGRADE_REQUIRED", "SUBPROTOCOL_UNKNOWN"]))),
)]
pub(crate) async fn upgrade(ask: Ask) -> Answer {
    ask.query.end()?;
    let form = form(&ask)?;
    let request = Request::from_parts(ask.parts, ());
    let answer = create_response_with_body(&request, Body::empty);
    let mut answer = answer.map_err(|error| {
        Refusal::new(Code::UpgradeRequired, error.to_string())
            .with_hint("connect with a WebSocket client, over HTTP/1.1")
    })?;
    if let Some(name) = form.protocol() {
        answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(name));
    }
    let socket = Socket::new(ask.doors, ask.caller, ask.id, form);
    answer.extensions_mut().insert(Upgrade::new(Box::new(move |stream, read| {
        Box::pin(async move {
            let (role, config) = (Role::Server, Some(config()));
            let read = read.to_vec();
            socket
                .serve(WebSocketStream::from_partially_read(stream, read, role, config).await)
                .await;
        })
    })));
    Ok(answer)
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX))
}

/// The first form that both know; JSON for who names none.
fn form(ask: &Ask) -> Result<Form, Refusal> {
    let mut named = Vec::new();
    for value in ask.parts.headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let text = value.to_str().unwrap_or_default();
        named.extend(text.split(',').map(str::trim).filter(|name| !name.is_empty()));
        if text.is_empty() {
            named.push("?");
        }
    }
    if named.is_empty() {
        return Ok(Form::Json { named: false });
    }
    named.iter().find_map(|name| Form::named(name)).ok_or_else(|| {
        let shown: String = named.join(", ").chars().take(80).collect();
        Refusal::new(Code::SubprotocolUnknown, format!("none of `{shown}` is spoken here"))
            .at_field("sec-websocket-protocol")
            .with_hint(format!("{}, {} or {}", form::JSON, form::PROTOBUF, form::FRAMED))
    })
}

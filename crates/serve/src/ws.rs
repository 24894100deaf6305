//! `GET /api/v1/ws`: consuming over a WebSocket, in JSON frames or in batched Protobuf ones.

mod close;
mod form;
mod socket;

use axum::extract::FromRequestParts;
use axum::extract::ws::WebSocketUpgrade;
use http::HeaderValue;
use http::header::SEC_WEBSOCKET_PROTOCOL;
use tidings_event::{Code, Refusal};
use tidings_wire::stream::FRAME_BYTES_MAX;

use crate::connection::Held;
use crate::rest::Answer;
use crate::rest::ask::Ask;
use form::Form;
use socket::Socket;

/// An idle connection keeps this much for what it may hear.
const READ_BUFFER_BYTES: usize = 2 << 10;

/// What is written collects up to here before it leaves.
const WRITE_BUFFER_BYTES: usize = 16 << 10;

/// Consumes over a WebSocket
#[utoipa::path(
    get, path = "/api/v1/ws", operation_id = "ws", tag = "delivery",
    params(
        ("sec-websocket-protocol" = Option<String>, Header, description = "tidings.v1.json (also without one) or tidings.v1.protobuf."),
    ),
    responses((status = 101, description = "The frames of docs/spec/streams.md follow.")),
    extensions(("x-codes" = json!(["UPGRADE_REQUIRED", "SUBPROTOCOL_UNKNOWN"]))),
)]
pub(crate) async fn upgrade(mut ask: Ask) -> Answer {
    ask.query.end()?;
    let form = form(&ask)?;
    let upgrade = WebSocketUpgrade::from_request_parts(&mut ask.parts, &()).await;
    let mut upgrade = upgrade.map_err(|rejection| {
        Refusal::new(Code::UpgradeRequired, rejection.body_text())
            .with_hint("connect with a WebSocket client, over HTTP/1.1")
    })?;
    if let Some(name) = form.protocol() {
        upgrade.set_selected_protocol(HeaderValue::from_static(name));
    }
    let held = ask.parts.extensions.get::<Held>().cloned();
    let waited = held.as_ref().map(|held| held.tasks.token());
    let socket = Socket::new(ask.doors, ask.caller, ask.id, form);
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(WRITE_BUFFER_BYTES)
        .max_message_size(FRAME_BYTES_MAX)
        .max_frame_size(FRAME_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |stream| {
        // On the heap once, not in every state of the library's task.
        let serving: futures::future::BoxFuture<'static, ()> = Box::pin(async move {
            socket.serve(stream).await;
            drop((waited, held));
        });
        serving
    }))
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
            .with_hint(format!("{} or {}", form::JSON, form::PROTOBUF))
    })
}

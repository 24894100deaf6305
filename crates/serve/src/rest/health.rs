//! `/livez`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use tidings_event::{Code, Refusal};

use crate::doors::Doors;
use crate::refusals::shutting_down;
use crate::rest::Answer;
use crate::rest::ask::{json, json_text};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) async fn livez() -> Response {
    json_text(StatusCode::OK, r#"{"status":"live"}"#.to_owned())
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    state_journal: &'static str,
    journals: &'static str,
}

pub(crate) async fn readyz(State(doors): State<Arc<Doors>>) -> Answer {
    if doors.stop.is_cancelled() {
        return Err(shutting_down().into());
    }
    let readiness = doors.probe.readiness().await;
    let named = [("state_journal", readiness.state_journal), ("journals", readiness.journals)];
    let not_ready: Vec<String> = named
        .iter()
        .filter_map(|(name, state)| state.as_ref().err().map(|why| format!("{name}: {why}")))
        .collect();
    if not_ready.is_empty() {
        return json(
            StatusCode::OK,
            &Ready { status: "ready", state_journal: "ok", journals: "ok" },
        );
    }
    let field = if named[0].1.is_err() { named[0].0 } else { named[1].0 };
    Err(Refusal::new(Code::NotReady, not_ready.join("; ")).at_field(field).into())
}

pub(crate) async fn metrics(State(doors): State<Arc<Doors>>) -> Response {
    let text = doors.parts.recorder.encode();
    ([(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}

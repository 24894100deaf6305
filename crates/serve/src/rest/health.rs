//! `/livez`, `/readyz`, `/metrics`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use tidings_event::{Code, Refusal};
use tidings_telemetry::Recorder;
use utoipa::ToSchema;

use crate::doors::Doors;
use crate::refusals::shutting_down;
use crate::rest::Answer;
use crate::rest::ask::json;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether the process answers
#[utoipa::path(
    get, path = "/livez", operation_id = "livez", tag = "operations",
    responses(
        (status = 200, description = "It does.", body = LiveDocument),
    ),
)]
pub(crate) async fn livez() -> Answer {
    json(StatusCode::OK, &LiveDocument { status: "live" })
}

/// That the process answers.
#[derive(Serialize, ToSchema)]
struct LiveDocument {
    /// `live`
    status: &'static str,
}

/// That the service can do its work.
#[derive(Serialize, ToSchema)]
struct ReadyDocument {
    /// `ready`
    status: &'static str,
    /// `ok`
    state_journal: &'static str,
    /// `ok`
    journals: &'static str,
}

/// Whether the service can do its work
#[utoipa::path(
    get, path = "/readyz", operation_id = "readyz", tag = "operations",
    responses(
        (status = 200, description = "An append to the state journal was read back.", body = ReadyDocument),
    ),
    extensions(("x-codes" = json!(["NOT_READY", "SHUTTING_DOWN"]))),
)]
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
            &ReadyDocument { status: "ready", state_journal: "ok", journals: "ok" },
        );
    }
    let field = if named[0].1.is_err() { named[0].0 } else { named[1].0 };
    Err(Refusal::new(Code::NotReady, not_ready.join("; ")).at_field(field).into())
}

/// Counts and times, OpenMetrics 1.0
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "operations",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "application/openmetrics-text"),
    ),
)]
pub(crate) async fn metrics(State(doors): State<Arc<Doors>>) -> Response {
    counts(&doors.parts.recorder)
}

/// What a scraper is answered.
pub(crate) fn counts(recorder: &Recorder) -> Response {
    let text = recorder.encode();
    ([(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}

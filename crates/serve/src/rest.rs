//! The REST routes.

mod analysis;
mod ask;
mod browse;
mod events;
mod events_body;
mod health;
mod page;
mod pull;
mod subscription_document;
mod subscriptions;
mod topics;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use axum::routing::{any, get, post};
use tidings_event::{Code, Refusal};
use tidings_wire::input::not_available;

use crate::doors::Doors;
use crate::refused::Refused;
use ask::Ask;

pub(crate) use events_body::frame;

/// What a route returns.
pub(crate) type Answer = Result<Response, Refused>;

/// Routes that are planned: answered with `NOT_AVAILABLE`, so that nobody looks for a typing error.
const PLANNED: &[&str] = &[
    "/openapi.json",
    "/docs",
    "/api/v1/ws",
    "/api/v1/replays",
    "/api/v1/replays/{id}",
    "/api/v1/events/{id}/trace",
    "/api/v1/insight/{*rest}",
    "/api/v1/subscriptions/{name}/pause",
    "/api/v1/subscriptions/{name}/resume",
    "/api/v1/subscriptions/{name}/seek",
    "/api/v1/subscriptions/{name}/test",
    "/api/v1/subscriptions/{name}/stream",
    "/api/v1/subscriptions/{name}/dead-letters",
    "/api/v1/subscriptions/{name}/dead-letters/redrive",
];

/// All routes.
pub(crate) fn router(doors: Arc<Doors>) -> Router {
    let mut router = Router::new()
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/api/v1/events", post(events::publish))
        .route("/api/v1/topics", get(topics::list))
        .route("/api/v1/topics/{name}", get(topics::show).put(topics::put).delete(topics::delete))
        .route("/api/v1/topics/{name}/events", get(browse::browse))
        .route("/api/v1/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route(
            "/api/v1/subscriptions/{name}",
            get(subscriptions::show).delete(subscriptions::delete).patch(planned),
        )
        .route("/api/v1/subscriptions/{name}/status", get(subscriptions::status))
        .route("/api/v1/subscriptions/{name}/pull", post(pull::pull))
        .route("/api/v1/subscriptions/{name}/ack", post(pull::ack))
        .route("/api/v1/subscriptions/{name}/nack", post(pull::nack))
        .route("/api/v1/analysis/{kind}", get(analysis::last_value))
        .route("/api/v1/analysis/{kind}/{instrument}", get(analysis::last_value));
    for path in PLANNED {
        router = router.route(path, any(planned));
    }
    router.fallback(unknown).method_not_allowed_fallback(wrong_method).with_state(doors)
}

async fn planned(ask: Ask) -> Answer {
    let path = ask.parts.uri.path();
    Err(not_available("", format!("{} {path} is not served yet", ask.parts.method)).into())
}

async fn unknown(ask: Ask) -> Answer {
    let path: String = ask.parts.uri.path().chars().take(200).collect();
    let refusal = Refusal::new(Code::RouteUnknown, format!("there is no route `{path}`"));
    Err(refusal.with_hint("docs/api.md lists the routes").into())
}

async fn wrong_method(ask: Ask) -> Answer {
    let detail = format!("{} is not a method of {}", ask.parts.method, ask.parts.uri.path());
    Err(Refusal::new(Code::MethodNotAllowed, detail).into())
}

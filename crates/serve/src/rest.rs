//! The REST routes.

mod analysis;
pub(crate) mod ask;
mod backtest;
mod browse;
mod cluster;
mod config;
mod dead_letters;
mod definitions;
mod documentation;
mod events;
mod events_answer;
mod events_block;
mod events_body;
mod events_json;
pub(crate) mod health;
mod intervals;
mod pull;
mod pull_protobuf;
mod subscription_changes;
mod subscriptions;
mod topics;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use tidings_event::{Code, Refusal};
use tidings_wire::input::not_available;
use utoipa::openapi::{HttpMethod, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::doors::Doors;
use crate::openapi::{self, Route};
use crate::refused::Refused;
use crate::{sse, ws};
use ask::Ask;

pub(crate) use analysis::kind_named;
pub(crate) use events_body::frame;

/// What a route returns.
pub(crate) type Answer = Result<Response, Refused>;

/// Routes that later work serves: answered with `NOT_AVAILABLE`, so that nobody looks for a typing
/// error.
const PLANNED: &[(HttpMethod, &str, &str)] = &[
    (HttpMethod::Post, "/api/v1/replays", "Starts a replay"),
    (HttpMethod::Get, "/api/v1/replays/{id}", "Progress of a replay"),
    (HttpMethod::Get, "/api/v1/insight/{*rest}", "Analytics"),
];

/// Every route with its documentation; one without the other cannot be written.
fn routes() -> Vec<Route> {
    let mut routes: Vec<Route> = vec![
        routes!(health::livez),
        routes!(health::readyz),
        routes!(health::metrics),
        routes!(documentation::document),
        routes!(documentation::page),
        routes!(documentation::index),
        routes!(documentation::asset),
        routes!(config::show),
        routes!(cluster::show),
        routes!(events::publish),
        routes!(events_block::open),
        routes!(trace::trace),
        routes!(definitions::list),
        routes!(definitions::release),
        routes!(topics::list),
        routes!(topics::show, topics::put, topics::delete),
        routes!(topics::guarantees),
        routes!(browse::browse),
        routes!(subscriptions::list, subscriptions::create),
        routes!(subscriptions::show, subscription_changes::patch, subscriptions::delete),
        routes!(subscription_changes::pause),
        routes!(subscription_changes::resume),
        routes!(subscription_changes::seek),
        routes!(subscriptions::status),
        routes!(backtest::of_subscription),
        routes!(backtest::unsaved),
        routes!(pull::pull),
        routes!(pull::ack),
        routes!(pull::nack),
        routes!(pull::extend),
        routes!(dead_letters::list),
        routes!(dead_letters::show),
        routes!(dead_letters::redrive),
        routes!(dead_letters::discard),
        routes!(sse::stream),
        routes!(ws::upgrade),
        routes!(intervals::list),
        routes!(analysis::last_value),
        routes!(analysis::last_value_named),
    ];
    for (method, path, summary) in PLANNED {
        routes.push(openapi::planned(method.clone(), path, summary, planned));
    }
    routes
}

fn routed() -> OpenApiRouter<Arc<Doors>> {
    routes().into_iter().fold(OpenApiRouter::with_openapi(openapi::about()), OpenApiRouter::routes)
}

/// The documentation of every route.
pub(crate) fn described() -> OpenApi {
    routed().into_openapi()
}

/// All routes.
pub(crate) fn router(doors: Arc<Doors>) -> Router {
    let (router, _) = routed().split_for_parts();
    router.fallback(unknown).method_not_allowed_fallback(wrong_method).with_state(doors)
}

async fn planned(ask: Ask) -> Answer {
    let path = ask.parts.uri.path();
    Err(not_available("", format!("{} {path} is not served yet", ask.parts.method)).into())
}

async fn unknown(ask: Ask) -> Answer {
    let path: String = ask.parts.uri.path().chars().take(200).collect();
    let refusal = Refusal::new(Code::RouteUnknown, format!("there is no route `{path}`"));
    Err(refusal.with_hint("`GET /openapi.json` lists the routes").into())
}

async fn wrong_method(ask: Ask) -> Answer {
    let detail = format!("{} is not a method of {}", ask.parts.method, ask.parts.uri.path());
    Err(Refusal::new(Code::MethodNotAllowed, detail).into())
}

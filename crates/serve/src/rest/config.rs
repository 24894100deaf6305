//! `/api/v1/config`: the configuration in force.

use http::StatusCode;
use tidings_wire::rest::ConfigDocument;

use crate::rest::Answer;
use crate::rest::ask::{Ask, json};

/// The configuration in force
#[utoipa::path(
    get, path = "/api/v1/config", operation_id = "show_config", tag = "operations",
    responses(
        (status = 200, description = "Every key in force.", body = ConfigDocument),
    ),
)]
pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    json(StatusCode::OK, &*ask.doors.parts.config.now())
}

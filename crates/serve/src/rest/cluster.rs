//! `/api/v1/cluster`: who is there, and who owns the log.

use http::StatusCode;
use tidings_wire::rest::ClusterDocument;

use crate::rest::Answer;
use crate::rest::ask::{Ask, json};

/// The nodes of the cluster, and who owns what
#[utoipa::path(
    get, path = "/api/v1/cluster", operation_id = "show_cluster", tag = "operations",
    responses(
        (status = 200, description = "As the node that answers knows it; without members where it is alone.", body = ClusterDocument),
    ),
)]
pub(crate) async fn show(ask: Ask) -> Answer {
    ask.query.end()?;
    let standing = ask.doors.parts.standing.as_ref();
    let document = standing.map_or_else(ClusterDocument::default, |standing| standing.document());
    json(StatusCode::OK, &document)
}

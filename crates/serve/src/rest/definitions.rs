//! `/api/v1/definitions`: what indicator names stand for.

use std::fmt::Write;

use axum::response::IntoResponse;
use http::StatusCode;
use tidings_catalog::Definition;
use tidings_wire::rest::{DefinitionDocument, DefinitionListDocument};

use crate::page::List;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};

/// Lists definitions
///
/// The first definition that an event carries for an indicator's name is registered.
#[utoipa::path(
    get, path = "/api/v1/definitions", operation_id = "list_definitions", tag = "definitions",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most entries; 100 by default."),
        ("cursor" = Option<String>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "A part of the list.", body = DefinitionListDocument),
    ),
    extensions(("x-codes" = json!(["CURSOR_INVALID"]))),
)]
pub(crate) async fn list(ask: Ask) -> Answer {
    let page = ask.page(List::Definitions)?;
    ask.query.end()?;
    let definitions = ask.doors.parts.catalog.definitions(ask.tenant());
    let (part, next) = page.cut(definitions.values(), |definition| definition.name.as_str());
    let definitions = part.into_iter().map(|definition| document(definition)).collect();
    json(StatusCode::OK, &DefinitionListDocument { definitions, next })
}

/// Releases a definition
///
/// The next definition that an event carries for the name is registered then.
#[utoipa::path(
    delete, path = "/api/v1/definitions/{name}", operation_id = "release_definition", tag = "definitions",
    responses((status = 204, description = "It is released.")),
    extensions(("x-codes" = json!(["@write", "DEFINITION_UNKNOWN"]))),
)]
pub(crate) async fn release(ask: Ask) -> Answer {
    ask.query.end()?;
    ask.doors.parts.catalog.release_definition(ask.tenant(), ask.param("name")).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn document(definition: &Definition) -> DefinitionDocument {
    let mut hash = String::with_capacity(definition.hash.len() * 2);
    for byte in &definition.hash {
        // Writing to a String cannot fail.
        let _infallible = write!(hash, "{byte:02x}");
    }
    DefinitionDocument {
        name: definition.name.clone(),
        definition: hash,
        source: definition.source.clone(),
        registered_at: definition.registered_at.to_string(),
    }
}

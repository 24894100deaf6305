//! Definitions: what indicator names stand for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an indicator name stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionDocument {
    /// The indicator's name.
    pub name: String,
    /// Hash of its formula, hexadecimal.
    pub definition: String,
    /// Source of the event that brought it.
    pub source: String,
    /// When it was registered, RFC 3339.
    pub registered_at: String,
}

/// `GET /api/v1/definitions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DefinitionListDocument {
    /// By name.
    pub definitions: Vec<DefinitionDocument>,
    /// The `cursor` that continues; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

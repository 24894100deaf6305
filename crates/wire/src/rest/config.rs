//! The configuration in force, as an operator is shown it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `GET /api/v1/config`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigDocument {
    /// Version of the running executable.
    pub version: String,
    /// When what is in force was read, RFC 3339.
    pub loaded_at: String,
    /// How often it was read: 1 at the start, one more with each successful reload.
    pub generation: u64,
    /// The configuration file; absent when only defaults, environment and flags count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Every key in force, by section. Values that are secret read `***`.
    pub config: BTreeMap<String, BTreeMap<String, Value>>,
    /// Keys that were changed where they are written, and count from the next start on.
    pub waiting_for_restart: Vec<WaitingKeyDocument>,
    /// Why the last reload was refused; absent when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A key that waits for a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WaitingKeyDocument {
    /// `section.key`.
    pub key: String,
    /// What counts now.
    pub in_force: Value,
    /// What will count.
    pub written: Value,
}

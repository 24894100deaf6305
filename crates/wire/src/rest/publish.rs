//! The answer to a publish.

use serde::{Deserialize, Serialize};

use crate::problem::ProblemDocument;

/// One answer per event, in input order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishDocument {
    /// The answers.
    pub results: Vec<PublishResultDocument>,
}

/// Where one event went, or why it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishResultDocument {
    /// Place in the request, from 0.
    pub index: u32,
    /// The event's id, as a UUID; `null` when it could not be read.
    pub id: Option<String>,
    /// Topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Offset; absent for a duplicate older than the remembered ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Epoch of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Whether the event had been stored before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// `memory`, `durable` or `replicated`: what the answer promises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// Why it was refused; then nothing else but index and id is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ProblemDocument>,
}

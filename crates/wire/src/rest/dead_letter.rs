//! Dead letters: what is shown of them, and which are meant.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::event::EventSchema;

/// `GET /api/v1/subscriptions/{name}/dead-letters`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterListDocument {
    /// In order of topic, partition and offset.
    pub dead_letters: Vec<DeadLetterDocument>,
    /// The `cursor` that continues; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How many the subscription has.
    pub letters: u64,
    /// Bytes of their events.
    pub bytes: u64,
}

/// An event that could not be delivered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterDocument {
    /// Where the event was published, opaque.
    pub position: String,
    /// Topic; empty when it was deleted.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// The event; null when the disk gives back damaged bytes.
    #[schema(value_type = Option<EventSchema>)]
    pub event: Option<Box<RawValue>>,
    /// `ATTEMPTS_EXHAUSTED`, `MAX_AGE`, `REJECTED`, `PARK_FULL` or `RETENTION`.
    pub reason: String,
    /// `dead`, or `redriving` until it is settled.
    pub state: String,
    /// Since when it is here, RFC 3339.
    pub dead_since: String,
    /// What was tried, oldest first; at most the last 64.
    pub attempts: Vec<FailedAttemptDocument>,
}

/// An attempt to deliver an event that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedAttemptDocument {
    /// When it failed, RFC 3339.
    pub at: String,
    /// Whose attempt it was.
    pub consumer: String,
    /// `NACKED`, `DEADLINE` or `CONNECTION_LOST`.
    pub outcome: String,
    /// What the consumer said; absent when it said nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// Which dead letters: `positions`, or `from` and `to`, or `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterSelectionDocument {
    /// Exactly these; at most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<String>,
    /// The first position of a range in one partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Its last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// All of the subscription.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// What became of a selection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeadLettersChangedDocument {
    /// How many letters it was done to.
    pub letters: u64,
    /// Positions that were asked for and have no letter that it can be done to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
}

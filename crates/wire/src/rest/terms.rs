//! The terms of delivery in a subscription's document: what is absent has its default.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What becomes of events that fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryDocument {
    /// Attempts in all, the first included; then the event is dead-lettered. 8 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Least time before another attempt; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_backoff_ms: Option<u64>,
    /// Most time before another attempt; 30,000 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_backoff_ms: Option<u64>,
    /// Dead-lettered when it fails so long after its first attempt; never by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_ms: Option<u64>,
    /// When too much waits behind failing events: `pause` (default) or `dead_letter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_park_full: Option<String>,
}

/// How events are put together: a delivery goes as soon as one bound is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchDocument {
    /// Most events of one delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_events: Option<u32>,
    /// Most bytes of one delivery, but for a single larger event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// How long the first event may wait for more; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay_ms: Option<u64>,
    /// `none` (default) or `lz4`; JSON is never packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
}

/// How a burst of look-alike anomalies is told: the first at once, the rest as one digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FoldDocument {
    /// From the first anomaly to its digest.
    pub window_ms: u64,
}

/// What a subscription selected from some place of the log on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RevisionDocument {
    /// From 1.
    pub revision: u32,
    /// When it came into force, RFC 3339.
    pub at: String,
    /// Its topic patterns.
    pub topics: Vec<String>,
    /// Which of their events; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

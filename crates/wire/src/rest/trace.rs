//! The trace of one event.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::event::EventSchema;

/// `GET /api/v1/events/{id}/trace`: where one event went.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TraceDocument {
    /// The event.
    #[schema(value_type = EventSchema)]
    pub event: Box<RawValue>,
    /// Where it lies, opaque.
    pub position: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// Epoch of the log.
    pub epoch: u32,
    /// What happened to it, in order.
    pub stages: Vec<TraceStageDocument>,
    /// How its `key_seq` stood when it came; absent for an event without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_seq: Option<TraceKeySeqDocument>,
    /// What became of it in each subscription, by name.
    pub subscriptions: Vec<TraceSubscriptionDocument>,
    /// The `cursor` that continues the subscriptions; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// How far it was looked for.
    pub looked: TraceLookedDocument,
}

/// One stage of an event's road.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceStageDocument {
    /// `admitted`.
    pub stage: String,
    /// When, RFC 3339, by the service's clock.
    pub at: String,
}

/// How an event's `key_seq` stood to those before it, of its source and key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceKeySeqDocument {
    /// `ok`, `gap`, `late`, `repeat`, `reset` or `unknown`.
    pub state: String,
    /// The number in line; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
    /// The event's.
    pub seen: u64,
}

/// What became of an event in one subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceSubscriptionDocument {
    /// Name of the subscription.
    pub name: String,
    /// `settled`, `in_flight`, `pending`, `not_matched` or `before_start`.
    pub outcome: String,
}

/// How far a trace looked for its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceLookedDocument {
    /// What led to it: `position`, `window` (ids of late) or `time`.
    pub by: String,
    /// Blocks that were read.
    pub blocks: u64,
}

//! The trace of one event.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::dead_letter::FailedAttemptDocument;
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceSubscriptionDocument {
    /// Name of the subscription.
    pub name: String,
    /// Ended: `delivered`, `expired`, `conflated`, `dead_lettered`, `discarded`, `skipped`, or
    /// `settled` when nothing more is known of it. Open: `in_flight`, `pending`, `retrying`, `held`,
    /// or `deleted` when the subscription was before that. Never sent: `filtered`, `not_matched`,
    /// `before_start`.
    pub outcome: String,
    /// Number of the revision that decided on the event.
    #[serde(default)]
    pub revision: u32,
    /// Why, where the outcome has reasons.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// When it was sent for the first time, or the first of the run it was settled with; RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_sent: Option<String>,
    /// When its delivery ended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<String>,
    /// How often it was sent, or the most of any of the run it was settled with; 0 while it is open.
    #[serde(default)]
    pub deliveries: u32,
    /// What was tried and failed, oldest first: of dead letters, and of what is retrying.
    #[serde(default)]
    pub attempts: Vec<FailedAttemptDocument>,
    /// Of `dead_lettered`: `dead` or `redriving`; absent when the letter is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<String>,
    /// When the subscription was deleted, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<String>,
}

/// How far a trace looked for its event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TraceLookedDocument {
    /// What led to it: `position`, `window` (ids of late) or `time`.
    pub by: String,
    /// Blocks that were read.
    pub blocks: u64,
    /// Blocks of settlements that were read.
    #[serde(default)]
    pub settlement_blocks: u64,
    /// Whether settlements were passed over, for their number or for damage: an outcome may be
    /// missing or older than the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut: bool,
}

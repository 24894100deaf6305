//! Subscriptions: the document both ways, lists, and status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::terms::{BatchDocument, FoldDocument, RetryDocument, RevisionDocument};

/// What `POST /api/v1/subscriptions` reads. Members that are known but not served yet are read so
/// that they can be refused by name, never ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRequest {
    /// Grammar of a topic segment.
    pub name: String,
    /// Topic patterns, at least one: `*` one segment, `**` the rest.
    pub topics: Vec<String>,
    /// Which of their events, in the filter language; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// `ordered` (default): an event that fails holds back its key; `parallel`: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `exclusive` (default): one consumer; `failover`: one at a time, others wait; `group`: each
    /// key is with one member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<String>,
    /// `json` (default); others are not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `{"pull":{}}` (default) or `{"stream":{}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryDocument>,
    /// Where it starts; latest by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartDocument>,
    /// What becomes of events that fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryDocument>,
    /// How events are put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchDocument>,
    /// How bursts of look-alike anomalies are told; absent: event by event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<FoldDocument>,
    /// Deleted when nobody consumed for so long; absent: kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_ms: Option<u64>,
    /// Most events sent and not settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// Free names and values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whom to ask about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub owner: String,
}

/// How events reach the consumer: exactly one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryDocument {
    /// Fetched over REST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullOptions>,
    /// Streamed over gRPC, WebSocket or server-sent events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamOptions>,
    /// Not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub webhook: Option<Value>,
}

/// Options of pull delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PullOptions {
    /// How long a consumer may take before its events are given out again; 30 s by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ack_deadline_ms: Option<u64>,
}

/// Options of stream delivery: none yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamOptions {}

/// Where a subscription starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StartDocument {
    /// With what comes after its creation.
    Latest,
    /// With the oldest event kept.
    Earliest,
    /// With the first block taken in at or after an RFC 3339 time.
    Time(String),
    /// At exact positions; partitions that are not named start at the oldest event kept.
    Positions(Vec<String>),
    /// With the last value of every key, then with what comes after its creation.
    LastPerKey,
}

/// A subscription as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionDocument {
    /// Its name.
    pub name: String,
    /// Its topic patterns.
    pub topics: Vec<String>,
    /// Which of their events; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// `ordered` or `parallel`.
    pub mode: String,
    /// `exclusive`, `failover` or `group`.
    #[serde(default)]
    pub sharing: String,
    /// `json`.
    pub format: String,
    /// How events reach the consumer.
    pub delivery: DeliveryDocument,
    /// Where it was told to start.
    pub start: StartDocument,
    /// Most events sent and not settled.
    pub max_in_flight: u32,
    /// What becomes of events that fail.
    #[serde(default)]
    pub retry: RetryDocument,
    /// How events are put together.
    #[serde(default)]
    pub batch: BatchDocument,
    /// How bursts of look-alike anomalies are told; absent: event by event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<FoldDocument>,
    /// Deleted when nobody consumed for so long; absent: kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_ms: Option<u64>,
    /// Whether it sends nothing until it is resumed.
    #[serde(default)]
    pub paused: bool,
    /// Number of the revision in force.
    #[serde(default)]
    pub revision: u32,
    /// What it selected and since when, oldest first, as far as it is kept; the last is in force.
    #[serde(default)]
    pub revisions: Vec<RevisionDocument>,
    /// Free names and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whom to ask about it.
    #[serde(default)]
    pub owner: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// From where the revision in force selects: first position of each partition that existed when
    /// it came; later ones are its own from 0.
    #[serde(default)]
    pub boundary: Vec<String>,
    /// Changes with every change of the subscription; what the header `etag` says in quotes.
    #[serde(default)]
    pub etag: String,
    /// In the answer to a save: what is worth knowing of it, such as a filter that costs much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// `GET /api/v1/subscriptions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionListDocument {
    /// By name.
    pub subscriptions: Vec<SubscriptionDocument>,
    /// The `cursor` that continues; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /api/v1/subscriptions/{name}/status`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatusDocument {
    /// The subscription.
    pub name: String,
    /// `active`, `idle`, `stalled` or `paused_by_dead_letters`.
    pub state: String,
    /// The consumer attached.
    pub consumer: Option<String>,
    /// Durable events that are not settled.
    pub lag_events: u64,
    /// Events sent and not settled.
    pub in_flight: u64,
    /// How its consumers get on, from what they settle: `gone`, `connected`, `idle`, `active`,
    /// `lagging` or `stalled`.
    #[serde(default)]
    pub health: String,
    /// Age of the oldest event that is not settled, 0 without any; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<f64>,
    /// Events of which a delivery failed.
    #[serde(default)]
    pub failing: u64,
    /// Events held back behind them.
    #[serde(default)]
    pub held: u64,
    /// Events that wait for the member of the group that has their keys.
    #[serde(default)]
    pub waiting: u64,
    /// Events that wait to be told by a digest.
    #[serde(default)]
    pub folded: u64,
    /// All consumers, in the order they came.
    #[serde(default)]
    pub members: Vec<MemberDocument>,
    /// Where it is in each partition.
    pub partitions: Vec<PartitionStatusDocument>,
}

/// A consumer of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberDocument {
    /// Its name.
    pub consumer: String,
    /// Its session.
    pub session: String,
    /// Whether it is sent events; otherwise it stands by.
    pub active: bool,
    /// Events sent to it and not settled.
    pub in_flight: u64,
}

/// Where a subscription is in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionStatusDocument {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Every event below this offset is settled.
    pub settled_below: u64,
}

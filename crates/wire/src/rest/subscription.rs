//! Subscriptions: the document both ways, lists, and status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What `POST /api/v1/subscriptions` reads. Members that are known but not served yet are read so
/// that they can be refused by name, never ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRequest {
    /// Grammar of a topic segment.
    pub name: String,
    /// Topic patterns, at least one: `*` one segment, `**` the rest.
    pub topics: Vec<String>,
    /// Not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub filter: Option<Value>,
    /// `ordered` (default); `parallel` is not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// `json` (default); others are not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// `{"pull":{}}` (default) or `{"stream":{}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryDocument>,
    /// Where it starts; latest by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartDocument>,
    /// Not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub retry: Option<Value>,
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
    /// At exact positions; partitions that are not named start at their tail.
    Positions(Vec<String>),
}

/// A subscription as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionDocument {
    /// Its name.
    pub name: String,
    /// Its topic patterns.
    pub topics: Vec<String>,
    /// `ordered`.
    pub mode: String,
    /// `json`.
    pub format: String,
    /// How events reach the consumer.
    pub delivery: DeliveryDocument,
    /// Where it was told to start.
    pub start: StartDocument,
    /// Most events sent and not settled.
    pub max_in_flight: u32,
    /// Free names and values.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whom to ask about it.
    #[serde(default)]
    pub owner: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// First position of each partition that existed when it was made; later ones start at 0.
    #[serde(default)]
    pub boundary: Vec<String>,
    /// Changes with every change of the subscription; what the header `etag` says in quotes.
    #[serde(default)]
    pub etag: String,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusDocument {
    /// The subscription.
    pub name: String,
    /// `active`, `idle` or `stalled`.
    pub state: String,
    /// The consumer attached.
    pub consumer: Option<String>,
    /// Durable events that are not settled.
    pub lag_events: u64,
    /// Events sent and not settled.
    pub in_flight: u64,
    /// Where it is in each partition.
    pub partitions: Vec<PartitionStatusDocument>,
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

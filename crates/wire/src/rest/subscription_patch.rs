//! Changes of a subscription that is there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::subscription::{DeliveryDocument, StartDocument};
use super::terms::{BatchDocument, FoldDocument, RetryDocument};

/// What `PATCH /api/v1/subscriptions/{name}` reads: a merge patch (RFC 7396). What is absent stays,
/// `null` puts back the default; members of objects are merged one by one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionPatch {
    /// Other topics: a new revision, from the durable tails on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<String>>,
    /// Another filter: a new revision, from the durable tails on; `null`: every event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// `ordered` or `parallel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Most events sent and not settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_in_flight: Option<u32>,
    /// What becomes of events that fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryDocument>,
    /// How events are put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchDocument>,
    /// How bursts of look-alike anomalies are told; `null`: event by event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<FoldDocument>,
    /// Deleted when nobody consumed for so long; `null`: kept for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_ms: Option<u64>,
    /// Free names and values; `null` takes one away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, Option<String>>>,
    /// Whom to ask about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its deadline may change, its kind not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryDocument>,
    /// Decided when it is made: only the value that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Decided when it is made: only the value that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartDocument>,
    /// Decided when it is made: only the value that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<String>,
    /// `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
}

/// What `POST …/{name}/seek` reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeekRequestDocument {
    /// Where to go on. Of positions, partitions that are not named stay where they are.
    pub to: StartDocument,
}

/// What `POST …/{name}/seek` answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SeekDocument {
    /// The position at which each partition goes on.
    pub positions: Vec<String>,
}

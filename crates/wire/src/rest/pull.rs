//! Pull delivery: what is asked, what comes, what is settled.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::event::EventSchema;

/// `POST …/{name}/pull`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequestDocument {
    /// Most events, 1..=1000; 100 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u32>,
    /// How long to wait for the first event, at most 30,000; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Who pulls: events are held for this consumer until its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// `none` or `lz4`, for an answer in Protobuf; without it as the subscription says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<String>,
}

/// The answer to a pull.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PullDocument {
    /// In order per partition.
    pub deliveries: Vec<PullItem>,
}

/// An event, or the notice of one that will never come.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(untagged, from = "PullItemFields")]
pub enum PullItem {
    /// An event.
    Event(Box<PulledDocument>),
    /// Offsets this subscription will never be given.
    Gap {
        /// Which, and why.
        gap: GapDocument,
    },
}

/// One delivery.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PulledDocument {
    /// Settles this delivery.
    pub ack_id: String,
    /// Opaque place of the event.
    pub position: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// Epoch of the log.
    pub epoch: u32,
    /// From 1.
    pub attempt: u32,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Whether it comes from the dead letters, outside the order.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redriven: bool,
    /// Offsets of earlier events of its key that were dead-lettered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped_to_dead_letter: Vec<u64>,
    /// Look-alike anomalies that it tells of, itself included; its ack settles all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestDocument>,
    /// When the service took it in, RFC 3339.
    pub ingested_at: String,
    /// Canonical JSON.
    #[schema(value_type = EventSchema)]
    pub event: Box<RawValue>,
}

/// Look-alike anomalies, told as one by the newest of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DigestDocument {
    /// How many they are.
    pub count: u64,
    /// Ids of the first 1,000.
    pub ids: Vec<String>,
    /// When the first was taken in, RFC 3339.
    pub first_ingested_at: String,
    /// When the newest was.
    pub last_ingested_at: String,
}

/// Offsets that will never be delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GapDocument {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// First offset.
    pub from: u64,
    /// Last offset.
    pub to: u64,
    /// How many events.
    pub count: u64,
    /// `RETENTION`, `DATA_LOSS`, `TOPIC_DELETED`, `EXPIRED`.
    pub reason: String,
}

/// The members of either form: serde cannot look into raw JSON through an untagged enum.
#[derive(Deserialize)]
struct PullItemFields {
    gap: Option<GapDocument>,
    #[serde(default)]
    ack_id: String,
    #[serde(default)]
    position: String,
    #[serde(default)]
    topic: String,
    #[serde(default)]
    partition: u32,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    epoch: u32,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    redelivered: bool,
    #[serde(default)]
    redriven: bool,
    #[serde(default)]
    skipped_to_dead_letter: Vec<u64>,
    digest: Option<DigestDocument>,
    #[serde(default)]
    ingested_at: String,
    event: Option<Box<RawValue>>,
}

impl From<PullItemFields> for PullItem {
    fn from(fields: PullItemFields) -> Self {
        if let Some(gap) = fields.gap {
            return Self::Gap { gap };
        }
        Self::Event(Box::new(PulledDocument {
            ack_id: fields.ack_id,
            position: fields.position,
            topic: fields.topic,
            partition: fields.partition,
            offset: fields.offset,
            epoch: fields.epoch,
            attempt: fields.attempt,
            redelivered: fields.redelivered,
            redriven: fields.redriven,
            skipped_to_dead_letter: fields.skipped_to_dead_letter,
            digest: fields.digest,
            ingested_at: fields.ingested_at,
            event: fields.event.unwrap_or_else(|| RawValue::NULL.to_owned()),
        }))
    }
}

/// `POST …/{name}/ack`: one of the two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRequestDocument {
    /// Settles everything delivered to the same consumer at or below, each in its own partition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub up_to: Vec<String>,
    /// Settles exactly these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ack_ids: Vec<String>,
}

/// `POST …/{name}/nack`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NackRequestDocument {
    /// Gives back exactly these.
    pub ack_ids: Vec<String>,
    /// Delay before the next attempt; 0 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// Why; the first 256 bytes are kept with the attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// `POST …/{name}/extend`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRequestDocument {
    /// Exactly these.
    pub ack_ids: Vec<String>,
    /// Their deadline is so far from now: 1 ms to 24 h.
    pub by_ms: u64,
}

/// The answer to an ack, a nack or an extension, in the request's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AckDocument {
    /// One per ack id.
    pub results: Vec<AckResultDocument>,
}

/// What became of one ack id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AckResultDocument {
    /// As sent.
    pub ack_id: String,
    /// `confirmed` (the cursor is durable) or `stale` (it was not in flight any more).
    pub state: String,
}

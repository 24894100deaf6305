//! The answer to a publish.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::ProblemDocument;

/// One answer per event, in input order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PublishDocument {
    /// The answers.
    pub results: Vec<PublishResultDocument>,
}

/// Where one event went, or why it was refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// What [`PublishResultDocument`] is made of when the service writes it: nothing is copied.
#[derive(Clone, Debug, Serialize)]
pub struct WrittenResult<'a> {
    /// Place in the request, from 0.
    pub index: u32,
    /// The event's id, as a UUID.
    pub id: Option<String>,
    /// Topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<&'a str>,
    /// Partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Offset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Epoch of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u32>,
    /// Whether the event had been stored before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// What the answer promises.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<&'static str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ProblemDocument>,
}

/// Where a producer's block went: the one result of its publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockResultDocument {
    /// Always 0.
    pub index: u32,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset of the first event; absent where the events do not all follow from it, or for a
    /// duplicate older than the remembered ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_offset: Option<u64>,
    /// Number of events.
    pub count: u32,
    /// Epoch of the log.
    pub epoch: u32,
    /// Whether all of them had been stored before.
    pub duplicate: bool,
    /// `memory`, `durable` or `replicated`: what the answer promises.
    pub durability: String,
}

/// A producer that asks for its epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProducerRequestDocument {
    /// `[A-Za-z0-9._-]{1,64}`.
    pub producer_id: String,
    /// The epoch granted earlier, to go on where it was; without one it gets a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer_epoch: Option<u32>,
}

/// What a producer was granted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProducerDocument {
    /// Its epoch; every lower one is fenced.
    pub producer_epoch: u32,
    /// The next sequence of each partition it has written in this epoch; any other starts at 0.
    pub sequences: Vec<SequenceDocument>,
}

/// The next sequence of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SequenceDocument {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// The sequence that the next block must begin with.
    pub next_sequence: u64,
}

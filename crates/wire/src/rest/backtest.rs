//! Trying a selection over history: what is asked, what was found.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::event::EventSchema;

/// `POST /api/v1/filters/test`, and `POST …/subscriptions/{name}/test`, where topics and filter that
/// are absent are the subscription's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRequestDocument {
    /// Topic patterns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Which of their events; an empty text: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Events taken in at or after this RFC 3339 time; the oldest by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Events taken in before this RFC 3339 time; now by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// How many matching events to show, at most 100; 10 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<u32>,
}

/// What a selection matches in a time range.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TestDocument {
    /// Events taken in at or after this.
    pub from: String,
    /// Events taken in before this.
    pub to: String,
    /// Everything that was looked at.
    pub looked: VolumeDocument,
    /// What matched.
    pub matched: VolumeDocument,
    /// The second with most matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<PeakDocument>,
    /// Position of the first match, in order of ingest time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// Position of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// By topic.
    pub topics: Vec<TopicCountDocument>,
    /// How it compares with what is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<ComparedDocument>,
    /// Events in damaged ranges: nobody can tell whether they match.
    pub unreadable: u64,
    /// The first matching events.
    pub samples: Vec<SampleDocument>,
    /// Where the answer had to end: the same request with this as `from` goes on, and the numbers of
    /// all parts add up. Absent when all of the range was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What is worth knowing of the filter.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How much of something there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VolumeDocument {
    /// Events.
    pub events: u64,
    /// Bytes of their canonical form.
    pub bytes: u64,
}

/// The second with most matches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeakDocument {
    /// Its start, RFC 3339.
    pub at: String,
    /// Matches in it.
    pub events: u64,
}

/// What one topic has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicCountDocument {
    /// The topic.
    pub topic: String,
    /// Events looked at.
    pub looked: u64,
    /// Matches.
    pub matched: u64,
}

/// How what is tried compares with what is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ComparedDocument {
    /// Both select it.
    pub both: u64,
    /// Only what is in force does.
    pub only_old: u64,
    /// Only what is tried does.
    pub only_new: u64,
}

/// A matching event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SampleDocument {
    /// Where it is.
    pub position: String,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// When the service took it in, RFC 3339.
    pub ingested_at: String,
    /// Canonical JSON.
    #[schema(value_type = EventSchema)]
    pub event: Box<RawValue>,
}

//! Topics and the events in them.

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::event::EventSchema;
use crate::spelling;

/// How long a topic's events are kept. Also read from a duration such as `"7d"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RetentionDocument {
    /// Age, in seconds.
    pub seconds: u64,
    /// Bytes of the whole topic; `null`: no limit of its own.
    pub bytes: Option<u64>,
}

impl<'de> Deserialize<'de> for RetentionDocument {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(RetentionVisitor)
    }
}

/// The two spellings of a retention that are read.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes what `RetentionDocument` reads")]
enum RetentionRequest {
    /// In full.
    Document(RetentionDocument),
    /// A whole number and `ms`, `s`, `m`, `h`, `d` or `w`.
    Duration(String),
}

struct RetentionVisitor;

impl<'de> Visitor<'de> for RetentionVisitor {
    type Value = RetentionDocument;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{\"seconds\", \"bytes\"} or a duration such as \"7d\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let age = spelling::parse_duration(text).map_err(|r| E::custom(r.detail))?;
        Ok(RetentionDocument { seconds: age.as_secs(), bytes: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        const FIELDS: &[&str] = &["seconds", "bytes"];
        let (mut seconds, mut bytes) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "seconds" => seconds = Some(map.next_value()?),
                "bytes" => bytes = map.next_value()?,
                other => return Err(A::Error::unknown_field(other, FIELDS)),
            }
        }
        let seconds = seconds.ok_or_else(|| A::Error::missing_field("seconds"))?;
        Ok(RetentionDocument { seconds, bytes })
    }
}

/// What `PUT /api/v1/topics/{name}` reads; what is absent keeps its value or default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicRequestDocument {
    /// Fixed at birth.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    /// How long events are kept: the document, or a duration such as `"7d"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<RetentionRequest>)]
    pub retention: Option<RetentionDocument>,
    /// `memory` or `durable`; `replicated` is not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub durability: Option<String>,
    /// Not served yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub template: Option<serde_json::Value>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicDocument {
    /// Its name, relative to the tenant.
    pub name: String,
    /// Its partitions.
    pub partitions: u32,
    /// How long its events are kept.
    pub retention: RetentionDocument,
    /// `memory` or `durable`.
    pub durability: String,
    /// The template that made it, if one did.
    pub template: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// Changes with every change of the topic; what the header `etag` says in quotes.
    #[serde(default)]
    pub etag: String,
}

/// `GET /api/v1/topics/{name}/guarantees`: what the running configuration really promises.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuaranteesDocument {
    /// The topic.
    pub topic: String,
    /// One promise each: order, durability, delivery, deduplication, retention, loss, replay.
    pub guarantees: Vec<GuaranteeDocument>,
}

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GuaranteeDocument {
    /// What it is about.
    pub name: String,
    /// How far it goes, in one stable word.
    pub level: String,
    /// The promise, for people.
    pub detail: String,
    /// The settings and facts it follows from.
    pub reason: String,
}

/// `GET /api/v1/topics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicListDocument {
    /// By name.
    pub topics: Vec<TopicDocument>,
    /// The `cursor` that continues; absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /api/v1/topics/{name}/events`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BrowseDocument {
    /// In offset order.
    pub events: Vec<BrowsedDocument>,
    /// The `offset` that continues; the same again at the tail, where more may come.
    pub next: u64,
}

/// One stored event.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BrowsedDocument {
    /// Its place in the partition.
    pub offset: u64,
    /// When the service took it in, RFC 3339.
    pub ingested_at: String,
    /// Canonical JSON.
    #[schema(value_type = EventSchema)]
    pub event: Box<RawValue>,
}

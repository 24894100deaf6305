//! Catalog records as bytes: a version byte, then a Protobuf message. Keys: `m` the counters,
//! `t/TENANT/PATH` a topic, `s/TENANT/NAME` a subscription, `p/PATTERN` a template, `d/ID` a topic
//! whose events are still to be dropped.

mod past;
mod subscription;

use std::time::Duration;

use prost::Message;
use prost::bytes::Bytes;
use tidings_event::v1::Kind;
use tidings_event::{Timestamp, TopicId, TopicName};
use tidings_log::{Retention, Table, TableChange};

use crate::error::CatalogError;
use crate::template::Template;
use crate::topic::{Durability, Topic};

pub(crate) use past::{past, past_time, put_past};
pub(crate) use subscription::{
    put_subscription, subscription, subscription_key, whole_subscription,
};

const VERSION: u8 = 1;

/// Most bytes of one part of many changes.
const PART_BYTES_MAX: usize = 800 << 10;

/// The counters' key.
pub(crate) const COUNTERS_KEY: &str = "m";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CountersRecord {
    #[prost(uint64, tag = "1")]
    pub(crate) next_topic: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) next_subscription: u64,
}

#[derive(Clone, PartialEq, Message)]
struct RetentionRecord {
    #[prost(uint64, tag = "1")]
    seconds: u64,
    #[prost(uint32, tag = "2")]
    nanos: u32,
    #[prost(uint64, optional, tag = "3")]
    bytes: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct TopicRecord {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    tenant: String,
    #[prost(string, tag = "3")]
    path: String,
    #[prost(uint32, tag = "4")]
    partitions: u32,
    #[prost(message, optional, tag = "5")]
    retention: Option<RetentionRecord>,
    #[prost(bool, tag = "6")]
    memory: bool,
    #[prost(string, optional, tag = "7")]
    template: Option<String>,
    #[prost(uint64, tag = "8")]
    created_at: u64,
}

#[derive(Clone, PartialEq, Message)]
struct TemplateRecord {
    #[prost(string, tag = "1")]
    pattern: String,
    #[prost(int32, tag = "2")]
    kind: i32,
    #[prost(message, optional, tag = "3")]
    retention: Option<RetentionRecord>,
    #[prost(uint32, tag = "4")]
    partitions: u32,
}

pub(crate) fn topic_key(name: &TopicName) -> String {
    format!("t/{}", name.full())
}

pub(crate) fn dropped_key(id: TopicId) -> String {
    format!("d/{id}")
}

pub(crate) fn put(key: impl Into<String>, message: &impl Message) -> TableChange {
    let mut value = Vec::with_capacity(1 + message.encoded_len());
    value.push(VERSION);
    value.extend_from_slice(&message.encode_to_vec());
    TableChange { table: Table::CATALOG, key: Bytes::from(key.into()), value: Some(value.into()) }
}

/// Bytes that a change takes of a commit.
pub(crate) fn size(change: &TableChange) -> usize {
    change.key.len() + change.value.as_ref().map_or(0, Bytes::len)
}

/// Changes in parts that a commit takes, in order.
pub(crate) fn parts(changes: Vec<TableChange>) -> Vec<Vec<TableChange>> {
    let mut parts: Vec<Vec<TableChange>> = Vec::new();
    let mut bytes = 0;
    for change in changes {
        bytes += size(&change);
        match parts.last_mut().filter(|_| bytes <= PART_BYTES_MAX) {
            Some(part) => part.push(change),
            None => {
                bytes = size(&change);
                parts.push(vec![change]);
            }
        }
    }
    parts
}

pub(crate) fn delete(key: impl Into<String>) -> TableChange {
    TableChange { table: Table::CATALOG, key: Bytes::from(key.into()), value: None }
}

pub(crate) fn put_counters(counters: &CountersRecord) -> TableChange {
    put(COUNTERS_KEY, counters)
}

pub(crate) fn put_topic(topic: &Topic) -> TableChange {
    let record = TopicRecord {
        id: topic.id.0,
        tenant: topic.name.tenant().to_owned(),
        path: topic.name.path().to_owned(),
        partitions: topic.partitions,
        retention: Some(retention_record(&topic.retention)),
        memory: topic.durability == Durability::Memory,
        template: topic.template.clone(),
        created_at: topic.created_at.0,
    };
    put(topic_key(&topic.name), &record)
}

pub(crate) fn put_template(template: &Template) -> TableChange {
    let record = TemplateRecord {
        pattern: template.pattern.clone(),
        kind: template.kind as i32,
        retention: Some(retention_record(&template.retention)),
        partitions: template.partitions,
    };
    put(format!("p/{}", template.pattern), &record)
}

pub(crate) fn put_dropped(id: TopicId) -> TableChange {
    put(dropped_key(id), &CountersRecord { next_topic: id.0, next_subscription: 0 })
}

fn retention_record(retention: &Retention) -> RetentionRecord {
    RetentionRecord {
        seconds: retention.age.as_secs(),
        nanos: retention.age.subsec_nanos(),
        bytes: retention.bytes,
    }
}

/// Reads one record's message after its version byte.
pub(crate) fn decode<M: Message + Default>(key: &str, value: &[u8]) -> Result<M, CatalogError> {
    match value.split_first() {
        Some((&VERSION, message)) => M::decode(message).map_err(|e| damaged(key, e.to_string())),
        Some((&version, _)) => {
            Err(CatalogError::UnknownVersion { key: key.to_owned(), version, known: VERSION })
        }
        None => Err(damaged(key, "it is empty")),
    }
}

pub(crate) fn damaged(key: &str, reason: impl Into<String>) -> CatalogError {
    CatalogError::Damaged { key: key.to_owned(), reason: reason.into() }
}

fn retention(key: &str, record: Option<RetentionRecord>) -> Result<Retention, CatalogError> {
    let record = record.ok_or_else(|| damaged(key, "no retention"))?;
    let age = Duration::new(record.seconds, record.nanos.min(999_999_999));
    Ok(Retention { age, bytes: record.bytes })
}

pub(crate) fn topic(key: &str, value: &[u8]) -> Result<Topic, CatalogError> {
    let record: TopicRecord = decode(key, value)?;
    let name =
        TopicName::new(&record.tenant, &record.path).map_err(|e| damaged(key, e.to_string()))?;
    Ok(Topic {
        id: TopicId(record.id),
        name,
        partitions: record.partitions,
        retention: retention(key, record.retention)?,
        durability: if record.memory { Durability::Memory } else { Durability::Durable },
        template: record.template,
        created_at: Timestamp(record.created_at),
    })
}

pub(crate) fn template(key: &str, value: &[u8]) -> Result<Template, CatalogError> {
    let record: TemplateRecord = decode(key, value)?;
    let kind = Kind::try_from(record.kind).map_err(|_| damaged(key, "unknown kind"))?;
    let kept = retention(key, record.retention)?;
    Template::new(&record.pattern, kind, kept, record.partitions)
        .ok_or_else(|| damaged(key, "unknown placeholder"))
}

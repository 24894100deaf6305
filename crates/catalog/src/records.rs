//! Catalog records as bytes: a version byte, then a Protobuf message. Keys: `m` the counters,
//! `t/TENANT/PATH` a topic, `s/TENANT/NAME` a subscription, `p/PATTERN` a template, `d/ID` a topic
//! whose events are still to be dropped.

use std::collections::BTreeMap;
use std::time::Duration;

use prost::Message;
use prost::bytes::Bytes;
use tidings_event::v1::Kind;
use tidings_event::{Offset, Position, Timestamp, TopicId, TopicName, TopicPartition};
use tidings_log::{Retention, Table, TableChange};
use tidings_match::TopicPattern;

use crate::error::CatalogError;
use crate::subscription::{
    DeliveryKind, Mode, Start, Subscription, SubscriptionId, SubscriptionSpec,
};
use crate::template::Template;
use crate::topic::{Durability, Topic};

const VERSION: u8 = 1;

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

#[derive(Clone, PartialEq, Message)]
struct BoundaryRecord {
    #[prost(uint64, tag = "1")]
    topic: u64,
    /// By partition, from 0.
    #[prost(uint64, repeated, tag = "2")]
    offsets: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct SubscriptionRecord {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    tenant: String,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(string, repeated, tag = "4")]
    topics: Vec<String>,
    /// 1 latest, 2 earliest, 3 time, 4 positions.
    #[prost(uint32, tag = "5")]
    start: u32,
    #[prost(uint64, tag = "6")]
    start_time: u64,
    #[prost(string, repeated, tag = "7")]
    start_positions: Vec<String>,
    #[prost(uint32, tag = "8")]
    max_in_flight: u32,
    /// 1 ordered.
    #[prost(uint32, tag = "9")]
    mode: u32,
    /// 1 pull, 2 stream.
    #[prost(uint32, tag = "10")]
    delivery: u32,
    #[prost(btree_map = "string, string", tag = "11")]
    labels: BTreeMap<String, String>,
    #[prost(string, tag = "12")]
    owner: String,
    #[prost(uint64, tag = "13")]
    ack_deadline_nanos: u64,
    #[prost(uint64, tag = "14")]
    created_at: u64,
    #[prost(message, repeated, tag = "15")]
    boundary: Vec<BoundaryRecord>,
}

pub(crate) fn topic_key(name: &TopicName) -> String {
    format!("t/{}", name.full())
}

pub(crate) fn subscription_key(tenant: &str, name: &str) -> String {
    format!("s/{tenant}/{name}")
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

pub(crate) fn put_subscription(subscription: &Subscription) -> TableChange {
    let spec = &subscription.spec;
    let (start, start_time, positions) = match &spec.start {
        Start::Latest => (1, 0, &[][..]),
        Start::Earliest => (2, 0, &[][..]),
        Start::Time(at) => (3, at.0, &[][..]),
        Start::Positions(positions) => (4, 0, &positions[..]),
    };
    let record = SubscriptionRecord {
        id: subscription.id.0,
        tenant: subscription.tenant.clone(),
        name: spec.name.clone(),
        topics: spec.topics.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        start,
        start_time,
        start_positions: positions.iter().map(ToString::to_string).collect(),
        max_in_flight: spec.max_in_flight,
        mode: match spec.mode {
            Mode::Ordered => 1,
        },
        delivery: match spec.delivery {
            DeliveryKind::Pull => 1,
            DeliveryKind::Stream => 2,
        },
        labels: spec.labels.clone(),
        owner: spec.owner.clone(),
        ack_deadline_nanos: u64::try_from(spec.ack_deadline.as_nanos()).unwrap_or(u64::MAX),
        created_at: subscription.created_at.0,
        boundary: boundary_record(&subscription.boundary),
    };
    put(subscription_key(&subscription.tenant, &spec.name), &record)
}

fn boundary_record(boundary: &BTreeMap<TopicPartition, Offset>) -> Vec<BoundaryRecord> {
    let mut records: Vec<BoundaryRecord> = Vec::new();
    for (place, offset) in boundary {
        let partition = place.partition.0 as usize;
        if records.last().is_none_or(|last| last.topic != place.topic.0) {
            records.push(BoundaryRecord { topic: place.topic.0, offsets: Vec::new() });
        }
        if let Some(last) = records.last_mut() {
            last.offsets.resize(partition, 0);
            last.offsets.push(offset.0);
        }
    }
    records
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

pub(crate) fn subscription(key: &str, value: &[u8]) -> Result<Subscription, CatalogError> {
    let record: SubscriptionRecord = decode(key, value)?;
    let topics = record.topics.iter().map(|text| TopicPattern::parse(text));
    let topics = topics.collect::<Result<_, _>>().map_err(|e| damaged(key, e.to_string()))?;
    let positions = record.start_positions.iter().map(|text| text.parse::<Position>());
    let positions = positions.collect::<Result<_, _>>().map_err(|e| damaged(key, e.to_string()))?;
    let spec = SubscriptionSpec {
        name: record.name,
        topics,
        start: match record.start {
            1 => Start::Latest,
            2 => Start::Earliest,
            3 => Start::Time(Timestamp(record.start_time)),
            4 => Start::Positions(positions),
            _ => return Err(damaged(key, "unknown start")),
        },
        max_in_flight: record.max_in_flight,
        mode: match record.mode {
            1 => Mode::Ordered,
            _ => return Err(damaged(key, "unknown mode")),
        },
        delivery: match record.delivery {
            1 => DeliveryKind::Pull,
            2 => DeliveryKind::Stream,
            _ => return Err(damaged(key, "unknown delivery")),
        },
        labels: record.labels,
        owner: record.owner,
        ack_deadline: Duration::from_nanos(record.ack_deadline_nanos),
    };
    let mut boundary = BTreeMap::new();
    for of_topic in record.boundary {
        for (partition, offset) in (0u32..).zip(of_topic.offsets) {
            boundary.insert(TopicPartition::new(of_topic.topic, partition), Offset(offset));
        }
    }
    let (id, created_at) = (SubscriptionId(record.id), Timestamp(record.created_at));
    Ok(Subscription { id, tenant: record.tenant, spec, created_at, boundary })
}

//! A subscription as bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tidings_event::{Offset, Position, Timestamp, TopicPartition};
use tidings_log::TableChange;
use tidings_match::{Filter, TopicPattern};

use super::{damaged, decode, put};
use crate::boundary::Boundary;
use crate::error::CatalogError;
use crate::subscription::{
    DeliveryKind, Mode, Revision, Start, Subscription, SubscriptionId, SubscriptionSpec,
};
use crate::terms::{Batching, Compression, Folding, OnParkFull, Retry, Sharing};

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
    /// 1 latest, 2 earliest, 3 time, 4 positions, 5 last per key.
    #[prost(uint32, tag = "5")]
    start: u32,
    #[prost(uint64, tag = "6")]
    start_time: u64,
    #[prost(string, repeated, tag = "7")]
    start_positions: Vec<String>,
    #[prost(uint32, tag = "8")]
    max_in_flight: u32,
    /// 1 ordered, 2 parallel.
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
    #[prost(string, optional, tag = "16")]
    filter: Option<String>,
    /// 0 exclusive, 1 failover, 2 group.
    #[prost(uint32, tag = "17")]
    sharing: u32,
    /// Absent: the defaults.
    #[prost(message, optional, tag = "18")]
    retry: Option<RetryRecord>,
    #[prost(message, optional, tag = "19")]
    batching: Option<BatchingRecord>,
    #[prost(uint64, optional, tag = "20")]
    folding_nanos: Option<u64>,
    #[prost(uint64, optional, tag = "21")]
    expires_after_seconds: Option<u64>,
    #[prost(bool, tag = "22")]
    is_paused: bool,
    /// Empty: there is only the first, which is the subscription itself.
    #[prost(message, repeated, tag = "23")]
    revisions: Vec<RevisionRecord>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryRecord {
    #[prost(uint32, tag = "1")]
    max_attempts: u32,
    #[prost(uint64, tag = "2")]
    min_backoff_nanos: u64,
    #[prost(uint64, tag = "3")]
    max_backoff_nanos: u64,
    #[prost(uint64, optional, tag = "4")]
    max_age_nanos: Option<u64>,
    /// 0 pause, 1 dead-letter.
    #[prost(uint32, tag = "5")]
    on_park_full: u32,
}

#[derive(Clone, PartialEq, Message)]
struct BatchingRecord {
    #[prost(uint32, optional, tag = "1")]
    max_events: Option<u32>,
    #[prost(uint64, optional, tag = "2")]
    max_bytes: Option<u64>,
    #[prost(uint64, tag = "3")]
    max_delay_nanos: u64,
    /// 0 none, 1 LZ4.
    #[prost(uint32, tag = "4")]
    compression: u32,
}

#[derive(Clone, PartialEq, Message)]
struct RevisionRecord {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(uint64, tag = "2")]
    at: u64,
    #[prost(message, repeated, tag = "3")]
    boundary: Vec<BoundaryRecord>,
    #[prost(string, repeated, tag = "4")]
    topics: Vec<String>,
    #[prost(string, optional, tag = "5")]
    filter: Option<String>,
}

pub(crate) fn subscription_key(tenant: &str, name: &str) -> String {
    format!("s/{tenant}/{name}")
}

/// What is stored of a subscription: what is as in most is left out, and read back all the same.
pub(crate) fn put_subscription(subscription: &Subscription) -> TableChange {
    let spec = &subscription.spec;
    let record = record(subscription);
    let first = Revision::first(spec, subscription.created_at, &subscription.boundary);
    let short = SubscriptionRecord {
        retry: record.retry.filter(|_| spec.retry != Retry::default()),
        batching: record.batching.filter(|_| spec.batching != Batching::default()),
        revisions: if subscription.revisions == [first] { Vec::new() } else { record.revisions },
        ..record
    };
    put(subscription_key(&subscription.tenant, &spec.name), &short)
}

/// All of a subscription, of which its version is made.
pub(crate) fn whole_subscription(subscription: &Subscription) -> TableChange {
    let key = subscription_key(&subscription.tenant, &subscription.spec.name);
    put(key, &record(subscription))
}

fn record(subscription: &Subscription) -> SubscriptionRecord {
    let spec = &subscription.spec;
    let (start, start_time, positions) = match &spec.start {
        Start::Latest => (1, 0, &[][..]),
        Start::Earliest => (2, 0, &[][..]),
        Start::Time(at) => (3, at.0, &[][..]),
        Start::Positions(positions) => (4, 0, &positions[..]),
        Start::LastPerKey => (5, 0, &[][..]),
    };
    SubscriptionRecord {
        id: subscription.id.0,
        tenant: subscription.tenant.as_ref().to_owned(),
        name: spec.name.clone(),
        topics: pattern_texts(&spec.topics),
        start,
        start_time,
        start_positions: positions.iter().map(ToString::to_string).collect(),
        max_in_flight: spec.max_in_flight,
        mode: match spec.mode {
            Mode::Ordered => 1,
            Mode::Parallel => 2,
        },
        delivery: match spec.delivery {
            DeliveryKind::Pull => 1,
            DeliveryKind::Stream => 2,
        },
        labels: spec.labels.clone(),
        owner: spec.owner.clone(),
        ack_deadline_nanos: nanos(spec.ack_deadline),
        created_at: subscription.created_at.0,
        boundary: boundary_record(&subscription.boundary),
        filter: spec.filter.as_ref().map(|filter| filter.text().to_owned()),
        sharing: match spec.sharing {
            Sharing::Exclusive => 0,
            Sharing::Failover => 1,
            Sharing::Group => 2,
        },
        retry: Some(retry_record(&spec.retry)),
        batching: Some(batching_record(&spec.batching)),
        folding_nanos: spec.folding.map(|folding| nanos(folding.window)),
        expires_after_seconds: spec.expires_after.map(|after| after.as_secs()),
        is_paused: subscription.is_paused,
        revisions: subscription.revisions.iter().map(revision_record).collect(),
    }
}

fn boundary_record(boundary: &Boundary) -> Vec<BoundaryRecord> {
    let mut records: Vec<BoundaryRecord> = Vec::new();
    for (place, offset) in boundary.iter() {
        if records.last().is_none_or(|last| last.topic != place.topic.0) {
            records.push(BoundaryRecord { topic: place.topic.0, offsets: Vec::new() });
        }
        if let Some(last) = records.last_mut() {
            last.offsets.push(offset.0);
        }
    }
    records
}

pub(crate) fn subscription(key: &str, value: &[u8]) -> Result<Subscription, CatalogError> {
    let record: SubscriptionRecord = decode(key, value)?;
    let topics = patterns(key, &record.topics)?;
    let positions = record.start_positions.iter().map(|text| text.parse::<Position>());
    let positions = positions.collect::<Result<_, _>>().map_err(|e| damaged(key, e.to_string()))?;
    let spec = SubscriptionSpec {
        name: record.name,
        topics,
        filter: filter(key, record.filter)?,
        start: match record.start {
            1 => Start::Latest,
            2 => Start::Earliest,
            3 => Start::Time(Timestamp(record.start_time)),
            4 => Start::Positions(positions),
            5 => Start::LastPerKey,
            _ => return Err(damaged(key, "unknown start")),
        },
        max_in_flight: record.max_in_flight,
        mode: match record.mode {
            1 => Mode::Ordered,
            2 => Mode::Parallel,
            _ => return Err(damaged(key, "unknown mode")),
        },
        delivery: match record.delivery {
            1 => DeliveryKind::Pull,
            2 => DeliveryKind::Stream,
            _ => return Err(damaged(key, "unknown delivery")),
        },
        sharing: match record.sharing {
            0 => Sharing::Exclusive,
            1 => Sharing::Failover,
            2 => Sharing::Group,
            _ => return Err(damaged(key, "unknown sharing")),
        },
        retry: record.retry.map_or(Ok(Retry::default()), |retry| retries(key, &retry))?,
        batching: record.batching.map_or(Ok(Batching::default()), |b| batches(key, &b))?,
        folding: record.folding_nanos.map(|n| Folding { window: Duration::from_nanos(n) }),
        expires_after: record.expires_after_seconds.map(Duration::from_secs),
        labels: record.labels,
        owner: record.owner,
        ack_deadline: Duration::from_nanos(record.ack_deadline_nanos),
    };
    let boundary = boundary(record.boundary);
    let created_at = Timestamp(record.created_at);
    let revisions = record.revisions.into_iter().map(|revision| read_revision(key, revision));
    let mut revisions = revisions.collect::<Result<Vec<_>, _>>()?;
    if revisions.is_empty() {
        revisions.push(Revision::first(&spec, created_at, &boundary));
    }
    Ok(Subscription {
        id: SubscriptionId(record.id),
        tenant: record.tenant.into(),
        spec,
        created_at,
        boundary,
        is_paused: record.is_paused,
        revisions,
    })
}

fn patterns(key: &str, texts: &[String]) -> Result<Arc<[TopicPattern]>, CatalogError> {
    let parsed = texts.iter().map(|text| TopicPattern::parse(text));
    parsed.collect::<Result<_, _>>().map_err(|e| damaged(key, e.to_string()))
}

fn filter(key: &str, text: Option<String>) -> Result<Option<Filter>, CatalogError> {
    let compiled = text.map(|text| Filter::compile(&text)).transpose();
    compiled.map_err(|e| damaged(key, format!("its filter: {e}")))
}

fn pattern_texts(patterns: &[TopicPattern]) -> Vec<String> {
    patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect()
}

fn boundary(records: Vec<BoundaryRecord>) -> Boundary {
    let of_topic = |record: BoundaryRecord| {
        (0u32..).zip(record.offsets).map(move |(partition, offset)| {
            (TopicPartition::new(record.topic, partition), Offset(offset))
        })
    };
    records.into_iter().flat_map(of_topic).collect()
}

fn revision_record(revision: &Revision) -> RevisionRecord {
    RevisionRecord {
        number: revision.number,
        at: revision.at.0,
        boundary: boundary_record(&revision.boundary),
        topics: pattern_texts(&revision.topics),
        filter: revision.filter.as_ref().map(|filter| filter.text().to_owned()),
    }
}

fn read_revision(key: &str, record: RevisionRecord) -> Result<Revision, CatalogError> {
    Ok(Revision {
        number: record.number,
        at: Timestamp(record.at),
        boundary: boundary(record.boundary),
        topics: patterns(key, &record.topics)?,
        filter: filter(key, record.filter)?,
    })
}

fn retry_record(retry: &Retry) -> RetryRecord {
    RetryRecord {
        max_attempts: retry.max_attempts,
        min_backoff_nanos: nanos(retry.min_backoff),
        max_backoff_nanos: nanos(retry.max_backoff),
        max_age_nanos: retry.max_age.map(nanos),
        on_park_full: match retry.on_park_full {
            OnParkFull::Pause => 0,
            OnParkFull::DeadLetter => 1,
        },
    }
}

fn retries(key: &str, record: &RetryRecord) -> Result<Retry, CatalogError> {
    Ok(Retry {
        max_attempts: record.max_attempts,
        min_backoff: Duration::from_nanos(record.min_backoff_nanos),
        max_backoff: Duration::from_nanos(record.max_backoff_nanos),
        max_age: record.max_age_nanos.map(Duration::from_nanos),
        on_park_full: match record.on_park_full {
            0 => OnParkFull::Pause,
            1 => OnParkFull::DeadLetter,
            _ => return Err(damaged(key, "unknown on_park_full")),
        },
    })
}

fn batching_record(batching: &Batching) -> BatchingRecord {
    BatchingRecord {
        max_events: batching.max_events,
        max_bytes: batching.max_bytes,
        max_delay_nanos: nanos(batching.max_delay),
        compression: match batching.compression {
            Compression::None => 0,
            Compression::Lz4 => 1,
        },
    }
}

fn batches(key: &str, record: &BatchingRecord) -> Result<Batching, CatalogError> {
    Ok(Batching {
        max_events: record.max_events,
        max_bytes: record.max_bytes,
        max_delay: Duration::from_nanos(record.max_delay_nanos),
        compression: match record.compression {
            0 => Compression::None,
            1 => Compression::Lz4,
            _ => return Err(damaged(key, "unknown compression")),
        },
    })
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

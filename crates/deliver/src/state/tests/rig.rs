//! Events, blocks, a topic and a subscription.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{
    Boundary, Durability, Revision, Subscription, SubscriptionId, SubscriptionSpec, Topic,
};
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, JournalSeq, Offset, Term, Timestamp, TopicName, v1};
use tidings_log::Retention;

use tidings_match::{Filter, TopicPattern};

use super::PARTITION;

/// An event of a key that says its offset in `key_seq`.
pub(crate) fn event(offset: u64, key: u64) -> Vec<u8> {
    tidings_event::encode(&v1::Event {
        id: vec![7; 16].into(),
        source: "test".into(),
        kind: v1::Kind::Summary as i32,
        instrument: format!("K{key}"),
        venue: "XNAS".into(),
        timeframe: "1m".into(),
        interval_start: 60,
        interval_end: 120,
        produced_at: 1,
        key_seq: Some(offset),
        payload: Some(v1::event::Payload::Summary(v1::Summary::default())),
        ..v1::Event::default()
    })
}

/// A block of one event per key given, from an offset on.
pub(crate) fn block(first: u64, keys: &[u64]) -> Committed {
    let mut builder = BodyBuilder::default();
    for (offset, key) in (first..).zip(keys) {
        assert!(builder.push(&event(offset, *key)));
    }
    let (body, count) = builder.take();
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: PARTITION,
        epoch: Epoch(1),
        term: Term(1),
        base_offset: Offset(first),
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: Timestamp(0),
        producer: None,
        extensions: Bytes::new(),
    };
    Committed { seq: JournalSeq(1), block: Block { header, body } }
}

pub(crate) fn topic() -> Arc<Topic> {
    Arc::new(Topic {
        id: PARTITION.topic,
        name: TopicName::default_tenant("a/b").unwrap(),
        partitions: 1,
        retention: Retention { age: Duration::from_secs(60), bytes: None },
        durability: Durability::Durable,
        template: None,
        created_at: Timestamp(0),
    })
}

pub(crate) fn subscription(spec: SubscriptionSpec, filter: Option<&str>) -> Subscription {
    let revision = Revision {
        number: 1,
        at: Timestamp(0),
        boundary: Boundary::default(),
        topics: [TopicPattern::parse("**").unwrap()].into(),
        filter: filter.map(|text| Filter::compile(text).unwrap()),
    };
    Subscription {
        id: SubscriptionId(1),
        tenant: "default".into(),
        spec,
        created_at: Timestamp(0),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: vec![revision],
    }
}

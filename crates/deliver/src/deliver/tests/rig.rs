//! A stage on a log in memory, with topics, a subscription and published events.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{Catalog, CatalogSettings, Start, SubscriptionSpec, Topic, TopicRequest};
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c, events};
use tidings_event::{
    Clock, ManualClock, Offset, PartitionId, Timestamp, TopicName, TopicPartition, v1,
};
use tidings_log::{MemoryLog, PartitionLog};
use tidings_match::{Filter, TopicPattern};
use tidings_telemetry::{Recorder, Timer};

use crate::{Deliver, DeliverSettings, Delivery, Outgoing, Run, Session};

pub(super) const TENANT: &str = "default";

pub(super) struct Rig {
    pub(super) log: Arc<MemoryLog>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) catalog: Arc<Catalog>,
    pub(super) deliver: Arc<Deliver>,
    settings: DeliverSettings,
}

impl Rig {
    pub(super) async fn new() -> Self {
        let settings = DeliverSettings {
            cursor_interval: Duration::from_millis(1),
            ..DeliverSettings::default()
        };
        Self::with(settings).await
    }

    pub(super) async fn with(settings: DeliverSettings) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000)));
        let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
        Self::on(log, clock, settings).await
    }

    async fn on(log: Arc<MemoryLog>, clock: Arc<ManualClock>, settings: DeliverSettings) -> Self {
        let shared = Arc::clone(&log) as Arc<dyn PartitionLog>;
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let catalog =
            Catalog::open(Arc::clone(&shared), CatalogSettings::default(), Arc::clone(&time))
                .await
                .unwrap();
        let deliver =
            Deliver::open(shared, Arc::clone(&catalog), time, Recorder::new(), settings.clone())
                .await
                .unwrap();
        Self { log, clock, catalog, deliver, settings }
    }

    /// What a crash leaves, taken up again.
    pub(super) async fn crash(self) -> Self {
        let log = self.log.reopen();
        Self::on(log, Arc::clone(&self.clock), self.settings.clone()).await
    }

    pub(super) async fn topic(&self, path: &str, partitions: u32) -> Arc<Topic> {
        let name = TopicName::default_tenant(path).unwrap();
        let request = TopicRequest { partitions: Some(partitions), ..TopicRequest::default() };
        self.catalog.put_topic(name, request).await.unwrap().into_inner()
    }

    pub(super) async fn subscribe(&self, name: &str, pattern: &str, max_in_flight: u32) {
        self.subscribe_with(name, pattern, |spec| spec.max_in_flight = max_in_flight).await;
    }

    pub(super) async fn subscribe_with(
        &self,
        name: &str,
        pattern: &str,
        set: impl FnOnce(&mut SubscriptionSpec),
    ) {
        let mut spec = SubscriptionSpec {
            start: Start::Earliest,
            ..SubscriptionSpec::new(name, vec![TopicPattern::parse(pattern).unwrap()])
        };
        set(&mut spec);
        self.catalog.create_subscription(TENANT, spec).await.unwrap();
    }

    pub(super) async fn attach(&self, name: &str) -> Session {
        let session = self.deliver.attach(TENANT, name, "test").await.unwrap();
        session.grant(1 << 40, 1 << 40);
        session
    }

    /// Appends a block of so many events; each says its offset in `key_seq`.
    pub(super) async fn publish(&self, topic: &Topic, partition: u32, count: u64) {
        if count == 0 {
            return;
        }
        let at = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
        let base = self.log.bounds(at).unwrap().tail.0;
        let bodies: Vec<_> =
            (base..base + count).map(|offset| summary(offset, "AAPL", "XNAS", true)).collect();
        self.append(topic, partition, &bodies).await;
    }

    pub(super) async fn append(&self, topic: &Topic, partition: u32, bodies: &[Vec<u8>]) {
        self.append_flagged(topic, partition, bodies, Flags::default()).await;
    }

    /// As admission stores events of which one may expire.
    pub(super) async fn append_expiring(&self, topic: &Topic, bodies: &[Vec<u8>]) {
        self.append_flagged(topic, 0, bodies, Flags::EXPIRES).await;
    }

    async fn append_flagged(
        &self,
        topic: &Topic,
        partition: u32,
        bodies: &[Vec<u8>],
        flags: Flags,
    ) {
        let at = TopicPartition { topic: topic.id, partition: PartitionId(partition) };
        let mut builder = BodyBuilder::default();
        assert!(bodies.iter().all(|event| builder.push(event)));
        let (body, count) = builder.take();
        let header = BlockHeader {
            flags,
            topic_partition: at,
            epoch: self.log.epoch(),
            term: self.log.term(),
            base_offset: self.log.bounds(at).unwrap().tail,
            count,
            codec: 0,
            body_bytes: u32::try_from(body.len()).unwrap(),
            body_crc: crc32c(&body),
            ingested_at: self.clock.wall(),
            producer: None,
            extensions: Bytes::new(),
        };
        self.log.append(vec![Block { header, body }]).unwrap().await.unwrap();
    }
}

/// A filter as a subscription has it.
pub(super) fn filter(text: &str) -> Filter {
    Filter::compile(text).unwrap()
}

/// An event that expires at a time.
pub(super) fn expiring(number: u64, at: u64) -> Vec<u8> {
    let plain = summary(number, "A", "XNAS", true);
    let mut event = <v1::Event as prost::Message>::decode(plain.as_slice()).unwrap();
    event.expires_at = at;
    tidings_event::encode(&event)
}

/// An event whose `key_seq` and interval are a number.
pub(super) fn summary(number: u64, instrument: &str, venue: &str, is_final: bool) -> Vec<u8> {
    tidings_event::encode(&v1::Event {
        id: vec![7; 16].into(),
        source: "test".into(),
        kind: v1::Kind::Summary as i32,
        instrument: instrument.into(),
        venue: venue.into(),
        timeframe: "1m".into(),
        interval_start: 60 * (number + 1),
        interval_end: 60 * (number + 2),
        produced_at: 1,
        key_seq: Some(number),
        is_final: Some(is_final),
        payload: Some(v1::event::Payload::Summary(v1::Summary::default())),
        ..v1::Event::default()
    })
}

/// What comes next, or a failure when nothing does.
pub(super) async fn next(session: &mut Session) -> Outgoing {
    Timer
        .limit(Duration::from_secs(20), session.next())
        .await
        .expect("nothing came")
        .expect("the stream is over")
}

pub(super) async fn next_delivery(session: &mut Session) -> Delivery {
    loop {
        match next(session).await {
            Outgoing::Delivery(delivery) => return delivery,
            Outgoing::Confirmed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Nothing may come without anything else happening.
pub(super) async fn nothing(session: &mut Session) {
    let soon = Timer.limit(Duration::from_millis(30), session.next()).await;
    assert!(soon.is_err(), "{soon:?}");
}

/// The offsets of a delivery, which its events must carry.
pub(super) fn offsets(delivery: &Delivery) -> Vec<u64> {
    let said: Vec<u64> = delivery
        .offsets
        .iter()
        .flat_map(|&(Offset(first), count)| first..first + u64::from(count))
        .collect();
    let carried: Vec<u64> = events(&delivery.body)
        .map(|event| tidings_event::scan(event.unwrap()).unwrap().key_seq.unwrap())
        .collect();
    assert_eq!(said, carried);
    assert_eq!(said.len(), delivery.count as usize);
    said
}

/// Takes and settles what comes, until there is so much.
pub(super) async fn read(session: &mut Session, got: &mut Vec<u64>, until: usize) {
    while got.len() < until {
        let delivery = next_delivery(session).await;
        got.extend(offsets(&delivery));
        settle(session, &delivery);
    }
}

/// Acknowledges all of a delivery.
pub(super) fn settle(session: &mut Session, delivery: &Delivery) {
    let run = |&(first, count): &(Offset, u32)| Run {
        topic: delivery.topic.id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        first,
        last: Offset(first.0 + u64::from(count) - 1),
    };
    session.ack(Vec::new(), delivery.offsets.iter().map(run).collect());
}

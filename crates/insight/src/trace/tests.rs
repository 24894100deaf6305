//! Fates over a log in memory: what settlements say, the newest first, and what revisions decided.

use std::time::Duration;

use prost::Message;
use tidings_catalog::{
    CatalogSettings, Filter, InternalTopic, Start, SubscriptionSpec, TopicPattern,
};
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::{Clock, ManualClock, Offset, PartitionId, TopicName};
use tidings_log::MemoryLog;

use super::*;
use v1::settlement::Outcome;

struct Rig {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    catalog: Arc<Catalog>,
    topic: tidings_event::TopicId,
}

impl Rig {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000_000)));
        let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let shared = Arc::clone(&log) as Arc<dyn PartitionLog>;
        let time = Arc::clone(&clock) as Arc<dyn Clock>;
        let catalog = Catalog::open(shared, CatalogSettings::default(), time).await.unwrap();
        let name = TopicName::default_tenant("signals").unwrap();
        let topic = catalog.put_topic(name, Default::default()).await.unwrap().into_inner().id;
        Self { log, clock, catalog, topic }
    }

    async fn subscribe(&self, name: &str, pattern: &str) -> u64 {
        let spec = SubscriptionSpec {
            start: Start::Earliest,
            ..SubscriptionSpec::new(name, vec![TopicPattern::parse(pattern).unwrap()])
        };
        self.catalog.create_subscription("default", spec).await.unwrap().into_inner().id.0
    }

    fn position(&self, offset: u64) -> Position {
        Position {
            topic: self.topic,
            epoch: self.log.epoch(),
            partition: PartitionId(3),
            offset: Offset(offset),
        }
    }

    fn settlement(&self, id: u64, (first, last): (u64, u64), outcome: Outcome) -> v1::Settlement {
        v1::Settlement {
            subscription_id: id,
            revision: 1,
            topic_id: self.topic.0,
            partition: 3,
            epoch: self.log.epoch().0,
            first,
            last,
            outcome: outcome as i32,
            ..v1::Settlement::default()
        }
    }

    async fn settle(&self, settlements: &[v1::Settlement]) {
        let at = InternalTopic::SETTLEMENTS.about(PartitionId(3));
        let mut builder = BodyBuilder::default();
        assert!(settlements.iter().all(|settlement| builder.push(&settlement.encode_to_vec())));
        let (body, count) = builder.take();
        let header = BlockHeader {
            flags: Flags::default(),
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
            extensions: Default::default(),
        };
        self.log.append(vec![Block { header, body }]).unwrap().await.unwrap();
    }

    /// Name and fate of the event at an offset, in every subscription of its time.
    async fn fates(&self, offset: u64, ingested_at: Timestamp) -> Vec<String> {
        self.fates_of(offset, ingested_at, &[]).await
    }

    async fn fates_of(&self, offset: u64, ingested_at: Timestamp, event: &[u8]) -> Vec<String> {
        let shared = Arc::clone(&self.log) as Arc<dyn PartitionLog>;
        let traces = Traces::new(shared, Arc::clone(&self.catalog));
        let position = self.position(offset);
        let event = TracedEvent { topic: "signals", position, ingested_at, event };
        let of_tenant = traces.subscriptions("default", ingested_at).unwrap();
        let (traced, looked) = traces.trace(event, of_tenant).await.unwrap();
        assert!(!looked.is_cut && looked.damaged == 0);
        let fates = traced.iter().map(|traced| {
            let fate = match &traced.fate {
                Fate::Ended(settlement) => settlement.outcome().as_str_name().to_owned(),
                other => format!("{other:?}"),
            };
            let gone = if traced.deleted_at.is_some() { " (deleted)" } else { "" };
            format!("{}{gone}: {fate}", traced.subscription.spec.name)
        });
        fates.collect()
    }
}

#[tokio::test]
async fn the_newest_settlement_says_how_it_ended_and_what_nobody_settled_is_open() {
    let rig = Rig::new().await;
    let (a, b) = (rig.subscribe("a", "**").await, rig.subscribe("b", "**").await);
    rig.subscribe("other", "analysis/**").await;
    let then = rig.clock.wall();
    rig.settle(&[
        rig.settlement(a, (0, 4), Outcome::Delivered),
        rig.settlement(b, (5, 5), Outcome::DeadLettered),
        rig.settlement(a, (5, 5), Outcome::Expired),
    ])
    .await;
    rig.clock.advance(Duration::from_secs(3_600));
    // One that was redriven, and delivered then.
    rig.settle(&[rig.settlement(b, (5, 5), Outcome::Delivered)]).await;
    assert_eq!(rig.fates(5, then).await, ["a: EXPIRED", "b: DELIVERED", "other: NotMatched"]);
    assert_eq!(rig.fates(4, then).await, ["a: DELIVERED", "b: Open", "other: NotMatched"]);
    assert_eq!(rig.fates(6, then).await, ["a: Open", "b: Open", "other: NotMatched"]);
}

#[tokio::test]
async fn a_subscription_that_was_there_then_is_told_of_and_one_that_was_gone_is_not() {
    let rig = Rig::new().await;
    let (early, late) = (rig.subscribe("early", "**").await, rig.subscribe("late", "**").await);
    rig.catalog.delete_subscription("default", "early").await.unwrap();
    rig.clock.advance(Duration::from_secs(60));
    let then = rig.clock.wall();
    rig.settle(&[
        rig.settlement(early, (7, 7), Outcome::Delivered),
        rig.settlement(late, (7, 7), Outcome::Delivered),
    ])
    .await;
    rig.clock.advance(Duration::from_secs(60));
    rig.catalog.delete_subscription("default", "late").await.unwrap();
    // The same name again is another subscription.
    rig.subscribe("late", "**").await;
    assert_eq!(rig.fates(7, then).await, ["late (deleted): DELIVERED", "late: Open"]);
}

#[tokio::test]
async fn what_a_filter_left_out_is_filtered_whatever_run_it_lies_in() {
    let rig = Rig::new().await;
    let spec = SubscriptionSpec {
        start: Start::Earliest,
        filter: Some(Filter::compile("instrument == 'AAPL'").unwrap()),
        ..SubscriptionSpec::new("apple", vec![TopicPattern::parse("**").unwrap()])
    };
    let made = rig.catalog.create_subscription("default", spec).await.unwrap().into_inner();
    let then = rig.clock.wall();
    rig.settle(&[rig.settlement(made.id.0, (0, 9), Outcome::Delivered)]).await;
    let event = |instrument: &str| {
        tidings_event::encode(&v1::Event {
            id: vec![7; 16].into(),
            source: "test".into(),
            kind: v1::Kind::Summary as i32,
            instrument: instrument.into(),
            payload: Some(v1::event::Payload::Summary(v1::Summary::default())),
            ..v1::Event::default()
        })
    };
    assert_eq!(rig.fates_of(3, then, &event("AAPL")).await, ["apple: DELIVERED"]);
    assert_eq!(rig.fates_of(4, then, &event("MSFT")).await, ["apple: Filtered"]);
    // From here on another filter decides.
    let change = |spec: &SubscriptionSpec| Ok(SubscriptionSpec { filter: None, ..spec.clone() });
    let none = Default::default();
    rig.catalog.update_subscription("default", "apple", change, none).await.unwrap();
    assert_eq!(rig.fates_of(4, then, &event("MSFT")).await, ["apple: DELIVERED"]);
}

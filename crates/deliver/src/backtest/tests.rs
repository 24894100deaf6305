//! A backtest against asking every published event, whole and in parts.

use std::sync::Arc;

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use tidings_catalog::{Catalog, CatalogSettings, TopicRequest};
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c};
use tidings_event::v1::event::Payload;
use tidings_event::v1::{self, Kind, Severity};
use tidings_event::{ManualClock, TopicName};
use tidings_log::MemoryLog;

use super::*;

const EVENTS: usize = 10_000;
const TOPICS: [&str; 3] = ["a/x", "a/y", "b/x"];
const PARTITIONS: u32 = 3;

type Test = fn(&v1::Event) -> bool;

/// Filters, and what they mean.
const FILTERS: [(&str, Test); 5] = [
    ("true", |_| true),
    (r#"instrument == "I3""#, |e| e.instrument == "I3"),
    (r#"kind == "ANOMALY" && severity >= "HIGH""#, |e| {
        e.kind == Kind::Anomaly as i32 && e.severity >= Severity::High as i32
    }),
    ("confidence > 0.5 || priority in [1, 7]", |e| {
        e.confidence.is_some_and(|c| c > 0.5) || [1, 7].contains(&e.priority)
    }),
    (r#"!(instrument.startsWith("I1")) && !(anomaly.z_score < 2.0)"#, |e| {
        let Some(Payload::Anomaly(anomaly)) = &e.payload else {
            return !e.instrument.starts_with("I1");
        };
        !e.instrument.starts_with("I1") && anomaly.z_score.is_none_or(|z| z >= 2.0)
    }),
];

struct Published {
    topic: usize,
    at: Timestamp,
    event: v1::Event,
    bytes: u64,
}

struct Rig {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    catalog: Arc<Catalog>,
    published: Vec<Published>,
}

fn event(random: &mut SmallRng) -> v1::Event {
    let anomaly = v1::Anomaly {
        r#type: "SPIKE".into(),
        z_score: random.random_bool(0.8).then(|| random.random_range(0.0..5.0)),
        ..v1::Anomaly::default()
    };
    let is_anomaly = random.random_bool(0.5);
    v1::Event {
        id: random.random::<[u8; 16]>().to_vec().into(),
        source: "test".into(),
        kind: if is_anomaly { Kind::Anomaly.into() } else { Kind::Summary.into() },
        instrument: format!("I{}", random.random_range(0..20)),
        venue: "XNAS".into(),
        produced_at: 1,
        severity: if is_anomaly { random.random_range(1..5) } else { 0 },
        confidence: random.random_bool(0.7).then(|| random.random_range(0.0..1.0)),
        priority: random.random_range(0..10),
        payload: Some(if is_anomaly {
            Payload::Anomaly(anomaly)
        } else {
            Payload::Summary(v1::Summary::default())
        }),
        ..v1::Event::default()
    }
}

async fn rig(events: usize) -> Rig {
    let start = Timestamp(1_700_000_000 * SECOND);
    let clock = Arc::new(ManualClock::at(start));
    let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let shared = (Arc::clone(&log) as Arc<dyn PartitionLog>, Arc::clone(&clock) as Arc<dyn Clock>);
    let catalog = Catalog::open(shared.0, CatalogSettings::default(), shared.1).await.unwrap();
    for path in TOPICS {
        let name = TopicName::default_tenant(path).unwrap();
        let request = TopicRequest { partitions: Some(PARTITIONS), ..TopicRequest::default() };
        catalog.put_topic(name, request).await.unwrap();
    }
    let mut random = SmallRng::seed_from_u64(5);
    let mut published = Vec::new();
    let mut at = start;
    while published.len() < events {
        let topic = random.random_range(0..TOPICS.len());
        let place = TopicPartition::new(topic as u64 + 1, random.random_range(0..PARTITIONS));
        let mut builder = BodyBuilder::default();
        for _ in 0..random.random_range(1..40).min(events - published.len()) {
            let event = event(&mut random);
            let encoded = tidings_event::encode(&event);
            assert!(builder.push(&encoded));
            published.push(Published { topic, at, event, bytes: encoded.len() as u64 });
        }
        append(&log, place, at, builder).await;
        at = Timestamp(at.0 + random.random_range(0..400_000_000));
    }
    Rig { log, clock, catalog, published }
}

async fn append(log: &MemoryLog, place: TopicPartition, at: Timestamp, mut builder: BodyBuilder) {
    let (body, count) = builder.take();
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: place,
        epoch: log.epoch(),
        term: log.term(),
        base_offset: log.bounds(place).unwrap().tail,
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: at,
        producer: None,
        extensions: Bytes::new(),
    };
    log.append(vec![Block { header, body }]).unwrap().await.unwrap();
}

fn selection(topics: &[&str], filter: &str) -> Selector {
    Selector {
        topics: topics.iter().map(|text| TopicPattern::parse(text).unwrap()).collect(),
        filter: Some(Filter::compile(filter).unwrap()),
    }
}

impl Rig {
    async fn ask(&self, asked: &Backtest, bounds: Bounds) -> BacktestReport {
        let snapshot = self.catalog.snapshot();
        let places = places(&snapshot, "default", asked).unwrap();
        let (log, clock) = (self.log.as_ref(), self.clock.as_ref());
        run(log, &snapshot, clock, places, asked, bounds).await.unwrap()
    }

    /// Events of the topics under `a/` in a range.
    fn under_a(&self, asked: &Backtest) -> impl Iterator<Item = &Published> {
        let range = asked.from..asked.to;
        self.published.iter().filter(move |p| p.topic < 2 && range.contains(&p.at))
    }

    fn check(&self, asked: &Backtest, report: &BacktestReport, test: Test) {
        let matching: Vec<_> = self.under_a(asked).filter(|p| test(&p.event)).collect();
        let bytes = matching.iter().map(|p| p.bytes).sum();
        assert_eq!(report.matched, Volume { events: matching.len() as u64, bytes });
        assert_eq!(report.looked.events, self.under_a(asked).count() as u64);
        let mut seconds = BTreeMap::<u64, u64>::new();
        for published in &matching {
            *seconds.entry(published.at.0 / SECOND).or_default() += 1;
        }
        assert_eq!(report.peak.map(|p| p.events), seconds.values().max().copied());
        for (number, topic) in (1u64..).zip(0..2) {
            let count = report.topics.get(&TopicId(number)).copied().unwrap_or_default();
            let matched = matching.iter().filter(|p| p.topic == topic).count() as u64;
            assert_eq!(count.matched, matched);
        }
        let shown = report.samples.iter().map(|sample| sample.ingested_at);
        let first = matching.iter().map(|p| p.at).take(asked.samples);
        assert!(shown.eq(first));
        let at = |event: &Option<MatchedEvent>| event.as_ref().map(|e| e.ingested_at);
        assert_eq!(at(&report.first), matching.first().map(|p| p.at));
        assert_eq!(at(&report.last), matching.last().map(|p| p.at));
    }
}

#[tokio::test]
async fn it_says_what_asking_every_event_says() {
    let rig = rig(EVENTS).await;
    let middle = rig.published[EVENTS / 3].at;
    let end = Timestamp(rig.published[EVENTS - 1].at.0 + 1);
    for (text, test) in FILTERS {
        for range in [Timestamp(0)..end, middle..Timestamp(middle.0 + 60 * SECOND), middle..middle]
        {
            let asked = Backtest {
                selection: selection(&["a/*"], text),
                in_force: None,
                from: range.start,
                to: range.end,
                samples: 7,
            };
            let report = rig.ask(&asked, BOUNDS).await;
            assert_eq!((report.next, report.unreadable, report.compared), (None, 0, None));
            rig.check(&asked, &report, test);
        }
    }
}

#[tokio::test]
async fn its_parts_add_up_and_each_says_where_the_next_begins() {
    let rig = rig(3_000).await;
    let end = Timestamp(rig.published[2_999].at.0 + 1);
    let (text, test) = FILTERS[3];
    // Small enough to end within seconds, too.
    for bytes in [1, 5_000, 40_000] {
        let bounds = Bounds { bytes, ..BOUNDS };
        let selection = selection(&["a/*"], text);
        let mut asked =
            Backtest { selection, in_force: None, from: Timestamp(0), to: end, samples: 0 };
        let (mut parts, mut matched) = (0, 0);
        loop {
            let report = rig.ask(&asked, bounds).await;
            let part = Backtest { to: report.next.unwrap_or(end), ..asked.clone() };
            rig.check(&part, &report, test);
            (parts, matched) = (parts + 1, matched + report.matched.events);
            let Some(next) = report.next else { break };
            assert!(next > asked.from);
            asked.from = next;
        }
        asked.from = Timestamp(0);
        assert_eq!(matched, rig.ask(&asked, BOUNDS).await.matched.events);
        assert!(parts > 2, "{parts}");
    }
}

#[tokio::test]
async fn it_compares_with_what_is_in_force() {
    let rig = rig(2_000).await;
    let asked = Backtest {
        selection: selection(&["a/*"], FILTERS[1].0),
        in_force: Some(selection(&["a/x", "b/*"], FILTERS[3].0)),
        from: Timestamp(0),
        to: Timestamp(u64::MAX),
        samples: 0,
    };
    let mut expected = Compared::default();
    for published in &rig.published {
        let new = published.topic < 2 && FILTERS[1].1(&published.event);
        let old = published.topic != 1 && FILTERS[3].1(&published.event);
        expected.both += u64::from(new && old);
        expected.only_new += u64::from(new && !old);
        expected.only_old += u64::from(old && !new);
    }
    assert_eq!(rig.ask(&asked, BOUNDS).await.compared, Some(expected));
}

#[tokio::test]
async fn a_question_that_is_none_names_its_field() {
    let rig = rig(1).await;
    let good = Backtest {
        selection: selection(&["**"], "true"),
        in_force: None,
        from: Timestamp(5),
        to: Timestamp(5),
        samples: 0,
    };
    let check = async |field: &str, asked: Backtest| {
        let (log, snapshot) = (rig.log.as_ref(), rig.catalog.snapshot());
        let answer = backtest(log, &snapshot, rig.clock.as_ref(), "default", &asked).await;
        let refusal = answer.map(|report| report.matched).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldInvalid, field));
    };
    check("to", Backtest { to: Timestamp(4), ..good.clone() }).await;
    check("samples", Backtest { samples: 101, ..good.clone() }).await;
}

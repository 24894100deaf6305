//! The shell on a log in memory: marks leave, are retried, and are not repeated after a restart.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_catalog::{Catalog, CatalogSettings, Topic};
use tidings_event::block::events;
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{Clock, Code, Refusal, SystemClock, TopicName, encode, scan};
use tidings_log::{MemoryLog, PartitionLog};
use tidings_telemetry::{Counter, Recorder};
use tokio::sync::mpsc;

use super::{Declared, IntervalSettings, IntervalState, Intervals, IntervalsParts};
use crate::publish::Publish;
use crate::rig::{append, first};

const MINUTE: u64 = 60_000_000_000;

/// Appends to the log as admission would, repeats left out; refuses what it is told to.
struct Door {
    log: Arc<MemoryLog>,
    topic: Arc<Topic>,
    refusals: Mutex<VecDeque<Refusal>>,
    stored: Mutex<Vec<[u8; 16]>>,
    marks: mpsc::Sender<String>,
}

#[async_trait]
impl Publish for Door {
    async fn publish(
        &self,
        tenant: &str,
        body: Bytes,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        assert_eq!(tenant, "default");
        let refusal = self.refusals.lock().unwrap().pop_front();
        if let Some(refusal) = refusal {
            self.marks.send(refusal.code.as_str().to_owned()).await.unwrap();
            return Err(refusal);
        }
        let mut outcomes = Vec::new();
        for event in events(&body) {
            let event = event.unwrap();
            let envelope = scan(event).unwrap();
            let is_new = !self.stored.lock().unwrap().contains(&envelope.id);
            assert!(is_new, "a mark that was stored is published again");
            self.stored.lock().unwrap().push(envelope.id);
            append(&self.log, first(&self.topic), &[event.to_vec()]).await;
            let text = tidings_event::json::to_json(event).unwrap();
            let payload = text.split_once(r#""interval_complete":"#).unwrap().1;
            self.marks.send(format!("r{} {payload}", envelope.revision)).await.unwrap();
            outcomes.push(Ok(()));
        }
        Ok(outcomes)
    }
}

fn indicator(instrument: &str, minute: u64) -> Vec<u8> {
    let value = v1::Value { value: Some(1.0), ..v1::Value::default() };
    encode(&v1::Event {
        id: tidings_event::foreign_event_id("test", &format!("{instrument}{minute}"))
            .to_vec()
            .into(),
        source: "test".into(),
        kind: Kind::Indicators.into(),
        instrument: instrument.into(),
        timeframe: "1m".into(),
        interval_start: minute * MINUTE,
        interval_end: (minute + 1) * MINUTE,
        produced_at: 1,
        payload: Some(Payload::Indicators(v1::Indicators {
            values: [("rsi_14".to_owned(), value)].into(),
            ..Default::default()
        })),
        ..v1::Event::default()
    })
}

struct Rig {
    log: Arc<MemoryLog>,
    indicators: Arc<Topic>,
    door: Arc<Door>,
    marks: mpsc::Receiver<String>,
    recorder: Arc<Recorder>,
    intervals: Arc<Intervals>,
}

impl Rig {
    async fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        Self::on(MemoryLog::new(clock), Vec::new()).await
    }

    async fn on(log: Arc<MemoryLog>, stored: Vec<[u8; 16]>) -> Self {
        let clock = Arc::clone(log.clock());
        let shared = Arc::clone(&log) as Arc<dyn PartitionLog>;
        let settings = CatalogSettings::default();
        let catalog =
            Catalog::open(Arc::clone(&shared), settings, Arc::clone(&clock)).await.unwrap();
        let topic = |path: &str| TopicName::default_tenant(path).unwrap();
        let indicators = catalog.topic_or_template(&topic("analysis/indicators/1m")).await.unwrap();
        let topic = catalog.topic_or_template(&topic("analysis/intervals/1m")).await.unwrap();
        let (sender, marks) = mpsc::channel(100);
        let door = Arc::new(Door {
            log: Arc::clone(&log),
            topic,
            refusals: Mutex::default(),
            stored: Mutex::new(stored),
            marks: sender,
        });
        let recorder = Recorder::new();
        let parts = IntervalsParts {
            log: shared,
            catalog,
            clock,
            recorder: Arc::clone(&recorder),
            publish: Arc::clone(&door) as Arc<dyn Publish>,
        };
        let declared = Declared {
            tenant: "default".into(),
            venue: "XXXX".into(),
            timeframe: "1m".into(),
            instruments: ["A", "B", "C"].map(str::to_owned).to_vec(),
        };
        let settings = IntervalSettings {
            declared: vec![declared],
            deadline: Duration::ZERO,
            ..IntervalSettings::default()
        };
        let intervals = Intervals::open(parts, settings).unwrap();
        Self { log, indicators, door, marks, recorder, intervals }
    }

    /// What a crash leaves, taken up again; after a clean stop when `is_clean`.
    async fn restart(self, is_clean: bool) -> Self {
        if is_clean {
            self.intervals.close().await;
        }
        let stored = self.door.stored.lock().unwrap().clone();
        Self::on(self.log.reopen(), stored).await
    }

    async fn publish(&self, minute: u64, instruments: &[&str]) {
        let all: Vec<Vec<u8>> = instruments.iter().map(|name| indicator(name, minute)).collect();
        append(&self.log, first(&self.indicators), &all).await;
    }

    async fn mark(&mut self) -> String {
        self.marks.recv().await.unwrap()
    }
}

const COMPLETE: &str = r#"{"expected":3,"published":3,"expected_from":"DECLARED"}}"#;

#[tokio::test]
async fn marks_follow_the_log() {
    let mut rig = Rig::new().await;
    rig.publish(7, &["A", "B", "C"]).await;
    assert_eq!(rig.mark().await, format!("r0 {COMPLETE}"));
    rig.publish(8, &["B"]).await;
    let incomplete =
        r#"r0 {"expected":3,"published":1,"missing":["A","C"],"expected_from":"DECLARED"}}"#;
    assert_eq!(rig.mark().await, incomplete);
    rig.publish(8, &["A", "C"]).await;
    assert_eq!(rig.mark().await, format!("r1 {COMPLETE}"));
    let names = rig.intervals.names("default", None, Some("1m"));
    assert_eq!(names.len(), 2);
    let status = rig.intervals.status("default", &names[1]).unwrap();
    assert_eq!((status.state, status.expected, status.published), (IntervalState::Complete, 3, 3));
    assert!(rig.intervals.names("default", Some("XNAS"), None).is_empty());
    assert!(rig.intervals.names("other", None, None).is_empty());
    rig.intervals.close().await;
    assert_eq!(rig.recorder.counted(Counter::InsightMarks), 3);
}

/// The door asserts that no mark comes twice.
#[tokio::test]
async fn a_restart_goes_on_where_it_was() {
    for is_clean in [true, false] {
        let mut rig = Rig::new().await;
        rig.publish(7, &["A", "B", "C"]).await;
        assert_eq!(rig.mark().await, format!("r0 {COMPLETE}"));
        rig.publish(8, &["A"]).await;
        assert!(rig.mark().await.starts_with("r0"));
        let mut rig = rig.restart(is_clean).await;
        rig.publish(8, &["B", "C"]).await;
        assert_eq!(rig.mark().await, format!("r1 {COMPLETE}"));
        rig.publish(9, &["C", "B", "A"]).await;
        assert_eq!(rig.mark().await, format!("r0 {COMPLETE}"));
        rig.intervals.close().await;
    }
}

#[tokio::test]
async fn a_full_disk_delays_a_mark_and_a_refusal_ends_it() {
    let mut rig = Rig::new().await;
    let full = Refusal::new(Code::StorageFull, "full");
    rig.door.refusals.lock().unwrap().push_back(full);
    rig.publish(7, &["A", "B", "C"]).await;
    assert_eq!(rig.mark().await, "STORAGE_FULL");
    assert_eq!(rig.mark().await, format!("r0 {COMPLETE}"));
    let refused = Refusal::new(Code::TopicUnknown, "no such timeframe");
    rig.door.refusals.lock().unwrap().push_back(refused);
    rig.publish(8, &["A", "B", "C"]).await;
    assert_eq!(rig.mark().await, "TOPIC_UNKNOWN");
    rig.publish(9, &["A", "B", "C"]).await;
    assert_eq!(rig.mark().await, format!("r0 {COMPLETE}"));
    rig.intervals.close().await;
    assert_eq!(rig.recorder.counted(Counter::InsightMarks), 2);
    assert_eq!(rig.recorder.counted(Counter::InsightErrors), 2);
}

#[test]
fn a_record_of_another_time_is_refused_by_name() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let log = MemoryLog::new(clock);
    let change = tidings_log::TableChange {
        table: tidings_log::Table::INTERVALS,
        key: Bytes::from_static(b"x"),
        value: Some(Bytes::from_static(&[0xFF])),
    };
    let _pending = log.commit(log.term(), vec![change]).unwrap();
    let mut tracker = super::tracker::Tracker::new(IntervalSettings::default());
    let now = super::tracker::Now::default();
    assert_eq!(super::checkpoint::load(log.as_ref(), &mut tracker, now), Err("x".to_owned()));
}

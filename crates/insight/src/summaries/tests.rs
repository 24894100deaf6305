//! The shell on a log in memory: a bar's summary is published once, also after a restart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tidings_catalog::{Catalog, CatalogSettings};
use tidings_event::block::events;
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{Code, Refusal, SystemClock, TopicName, TopicPartition, encode, scan};
use tidings_log::MemoryLog;
use tidings_telemetry::{Counter, Recorder};
use tokio::sync::mpsc;

use super::{Composed, Summaries, SummariesParts, SummarySettings, Values};
use crate::publish::Publish;
use crate::rig::{append, first};

/// Last values by kind and timeframe, and the way in for summaries.
struct World {
    last: Mutex<HashMap<(Kind, String), Bytes>>,
    published: mpsc::Sender<v1::Event>,
    is_rebuilding: Mutex<bool>,
}

impl Values for World {
    fn last(
        &self,
        tenant: &str,
        kind: Kind,
        subject: &str,
        (venue, timeframe): (Option<&str>, Option<&str>),
    ) -> Result<Option<Bytes>, Refusal> {
        assert_eq!((tenant, subject, venue), ("default", "AAPL", Some("XNAS")));
        if std::mem::take(&mut *self.is_rebuilding.lock().unwrap()) {
            return Err(Refusal::new(Code::Rebuilding, "not yet").retry_after_ms(1));
        }
        let key = (kind, timeframe.unwrap().to_owned());
        Ok(self.last.lock().unwrap().get(&key).cloned())
    }
}

#[async_trait]
impl Publish for World {
    async fn publish(
        &self,
        tenant: &str,
        body: Bytes,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        assert_eq!(tenant, "default");
        let mut outcomes = Vec::new();
        for event in events(&body).map(Result::unwrap) {
            let envelope = scan(event).unwrap();
            assert_eq!((envelope.kind, envelope.source), (Kind::Summary, "tidings"));
            let bytes = Bytes::copy_from_slice(event);
            self.last.lock().unwrap().insert((Kind::Summary, "5m".to_owned()), bytes);
            self.published.send(prost::Message::decode(event).unwrap()).await.unwrap();
            outcomes.push(Ok(()));
        }
        Ok(outcomes)
    }
}

fn indicators(start: u64, rsi: f64) -> Vec<u8> {
    let value = v1::Value { value: Some(rsi), ..v1::Value::default() };
    let values = [("rsi_14".to_owned(), value)].into();
    encode(&v1::Event {
        id: vec![u8::try_from(start).unwrap(); 16].into(),
        source: "ta".to_owned(),
        kind: Kind::Indicators.into(),
        instrument: "AAPL".to_owned(),
        venue: "XNAS".to_owned(),
        timeframe: "5m".to_owned(),
        interval_start: start,
        interval_end: start + 5,
        produced_at: 1,
        payload: Some(Payload::Indicators(v1::Indicators { values, ..Default::default() })),
        ..v1::Event::default()
    })
}

struct Rig {
    log: Arc<MemoryLog>,
    catalog: Arc<Catalog>,
    world: Arc<World>,
    recorder: Arc<Recorder>,
    topic: TopicPartition,
}

impl Rig {
    async fn new() -> (Self, mpsc::Receiver<v1::Event>) {
        let log = MemoryLog::new(Arc::new(SystemClock::new()));
        let clock = Arc::clone(log.clock());
        let shared: Arc<dyn tidings_log::PartitionLog> = Arc::clone(&log) as _;
        let catalog = Catalog::open(shared, CatalogSettings::default(), clock).await.unwrap();
        let name = TopicName::default_tenant("analysis/indicators/5m").unwrap();
        let topic = catalog.topic_or_template(&name).await.unwrap();
        let topic = first(&topic);
        let (published, summaries) = mpsc::channel(16);
        let (last, is_rebuilding) = (Mutex::default(), Mutex::new(false));
        let world = Arc::new(World { last, published, is_rebuilding });
        let recorder = Recorder::new();
        (Self { log, catalog, world, recorder, topic }, summaries)
    }

    fn open(&self) -> Summaries {
        let composed = Composed {
            tenant: "default".to_owned(),
            venue: "XNAS".to_owned(),
            timeframe: "5m".to_owned(),
            ..Composed::default()
        };
        let parts = SummariesParts {
            log: Arc::clone(&self.log) as _,
            catalog: Arc::clone(&self.catalog),
            clock: Arc::clone(self.log.clock()),
            recorder: Arc::clone(&self.recorder),
            publish: Arc::clone(&self.world) as _,
            values: Arc::clone(&self.world) as _,
        };
        let (composed, delay) = (vec![composed], Duration::ZERO);
        Summaries::open(parts, SummarySettings { composed, delay, ..SummarySettings::default() })
    }

    /// Stores an event, and makes it the last of its kind.
    async fn store(&self, event: Vec<u8>) {
        let last = (Kind::Indicators, "5m".to_owned());
        self.world.last.lock().unwrap().insert(last, event.clone().into());
        append(&self.log, self.topic, &[event]).await;
    }
}

#[tokio::test]
async fn a_finished_bar_is_summed_up_once_also_after_a_restart() {
    let (rig, mut summaries) = Rig::new().await;
    let open = rig.open();
    *rig.world.is_rebuilding.lock().unwrap() = true;
    rig.store(indicators(10, 32.5)).await;
    let first = summaries.recv().await.unwrap();
    assert_eq!((first.interval_start, first.interval_end), (10, 15));
    let Some(Payload::Summary(summary)) = &first.payload else { panic!("{first:?}") };
    assert_eq!(summary.indicators["rsi_14"], 32.5);
    open.close().await;

    let open = rig.open();
    rig.store(indicators(20, 40.0)).await;
    let second = summaries.recv().await.unwrap();
    assert_eq!(second.interval_start, 20, "the first bar, read again, is not summed up again");
    assert_ne!(first.id, second.id);
    open.close().await;
    let stored = rig.recorder.counted(Counter::InsightSummaries);
    assert_eq!(stored, 2);
}

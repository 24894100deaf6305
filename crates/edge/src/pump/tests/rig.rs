//! A cluster in memory that fails as it is told, and a source that remembers what it was told.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tidings_catalog::{Durability, Filter, Start, Topic, TopicPattern};
use tidings_deliver::{Delivery, Outgoing, Run};
use tidings_event::block::BodyBuilder;
use tidings_event::v1::event::Payload;
use tidings_event::v1::{self, Kind};
use tidings_event::{
    Epoch, ManualClock, Offset, PartitionId, Refusal, Timestamp, TopicId, TopicName, encode,
};
use tidings_log::Retention;
use tidings_telemetry::{Recorder, Timer};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cluster::{
    Cluster, Connection, Message, Opening, Placed, Producer, ProducerError, Receipt,
};
use crate::edge::Edge;
use crate::pump::{Pump, Source};
use crate::schema::schema;
use crate::settings::{EdgeSettings, Form};
use crate::target::Target;

/// What is awaited comes, or the test fails.
pub(super) async fn soon<F: Future>(what: F) -> F::Output {
    Timer.limit(Duration::from_secs(20), what).await.expect("it comes within 20 s")
}

/// A message in the cluster.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) partition: u32,
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) name: Option<String>,
}

/// What the cluster has, and how it fails.
#[derive(Default)]
pub(super) struct World {
    pub(super) messages: Vec<Stored>,
    pub(super) highest: HashMap<String, u64>,
    pub(super) connects: u32,
    pub(super) opened: u32,
    pub(super) refused: u32,
    pub(super) is_down: bool,
    pub(super) drops_repeats: bool,
    pub(super) holds_receipts: bool,
    held: Vec<((u32, u64), oneshot::Sender<()>)>,
    /// From this offset on messages are stored and their receipts lost, until there is another connection.
    pub(super) loses_receipts_from: Option<u64>,
    pub(super) refuses_partition: Option<u32>,
    pub(super) refuses_offset: Option<u64>,
}

impl World {
    /// Names under which messages came, each once.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.messages.iter().filter_map(|m| m.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn release(&mut self) {
        self.holds_receipts = false;
        self.held.drain(..).for_each(|(_, held)| held.send(()).unwrap_or_default());
    }

    /// Gives the receipt of the oldest message of an offset that has none.
    pub(super) fn release_one(&mut self, of: (u32, u64)) {
        let at = self.held.iter().position(|(place, _)| *place == of).unwrap();
        // Whoever waited for it may be gone.
        self.held.remove(at).1.send(()).unwrap_or_default();
    }
}

#[derive(Default)]
pub(super) struct Shared {
    world: Mutex<World>,
    changed: Notify,
}

struct Link(Arc<Shared>);

struct Writer {
    shared: Arc<Shared>,
    opening: Opening,
    next: u64,
}

#[async_trait]
impl Cluster for Link {
    async fn connect(&self) -> Result<Arc<dyn Connection>, ProducerError> {
        let mut world = self.0.world.lock().unwrap();
        world.connects += 1;
        self.0.changed.notify_waiters();
        if world.is_down {
            return Err(ProducerError::Connection("nobody is there".to_owned()));
        }
        if world.connects > 1 {
            world.loses_receipts_from = None;
        }
        Ok(Arc::new(Self(Arc::clone(&self.0))))
    }

    async fn closed(&self) {}
}

#[async_trait]
impl Connection for Link {
    async fn open(&self, opening: Opening) -> Result<Box<dyn Producer>, ProducerError> {
        let mut world = self.0.world.lock().unwrap();
        if world.refuses_partition == Some(opening.partition) {
            world.refused += 1;
            self.0.changed.notify_waiters();
            return Err(ProducerError::Topic("another schema".to_owned()));
        }
        world.opened += 1;
        let next = opening.first;
        Ok(Box::new(Writer { shared: Arc::clone(&self.0), opening, next }))
    }
}

impl Producer for Writer {
    fn next(&self) -> u64 {
        self.next
    }

    fn send(&mut self, message: Message) -> Receipt {
        let offset = message.properties.iter().find(|(name, _)| *name == "offset").unwrap();
        let offset: u64 = offset.1.parse().unwrap();
        let mut world = self.shared.world.lock().unwrap();
        let number = self.next;
        self.next += 1;
        if world.refuses_offset == Some(offset) {
            let refused = ProducerError::Message("too large".to_owned());
            return Box::pin(async { Err(refused) });
        }
        let name = self.opening.name.clone();
        let mut placed = Placed::New;
        if let (true, Some(name)) = (world.drops_repeats, &name) {
            let highest = world.highest.get(name).copied();
            if highest.is_some_and(|highest| number <= highest) {
                placed = Placed::Repeat;
            } else {
                world.highest.insert(name.clone(), number);
            }
        }
        if placed == Placed::New {
            let partition = self.opening.partition;
            world.messages.push(Stored { partition, number, offset, name });
        }
        self.shared.changed.notify_waiters();
        if world.loses_receipts_from.is_some_and(|from| offset >= from) {
            let lost = ProducerError::Connection("the peer is gone".to_owned());
            return Box::pin(async { Err(lost) });
        }
        if world.holds_receipts {
            let (held, released) = oneshot::channel();
            world.held.push(((self.opening.partition, offset), held));
            return Box::pin(async move {
                released.await.unwrap();
                Ok(placed)
            });
        }
        Box::pin(async move { Ok(placed) })
    }
}

/// What the edge said.
#[derive(Default)]
pub(super) struct Told {
    pub(super) acked: Mutex<Vec<(u32, Range<u64>)>>,
    pub(super) nacked: Mutex<Vec<(u64, String)>>,
    pub(super) granted: AtomicU64,
    changed: Notify,
}

struct Feed {
    outgoing: mpsc::Receiver<Outgoing>,
    told: Arc<Told>,
}

impl Source for Feed {
    async fn next(&mut self) -> Option<Outgoing> {
        self.outgoing.recv().await
    }

    fn ack(&self, runs: Vec<Run>) {
        let runs = runs.iter().map(|run| (run.partition.0, run.first.0..run.last.0 + 1));
        self.told.acked.lock().unwrap().extend(runs);
        self.told.changed.notify_waiters();
    }

    fn nack(&self, run: Run, detail: &str) {
        self.told.nacked.lock().unwrap().push((run.first.0, detail.to_owned()));
    }

    fn grant(&self, events: u64, _bytes: u64) {
        self.told.granted.fetch_add(events, Ordering::SeqCst);
    }
}

pub(super) struct Rig {
    pub(super) edge: Arc<Edge>,
    pub(super) topic: Arc<Topic>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) told: Arc<Told>,
    shared: Arc<Shared>,
    feed: mpsc::Sender<Outgoing>,
    outgoing: Mutex<Option<mpsc::Receiver<Outgoing>>>,
}

/// An edge that runs.
pub(super) struct Running {
    pub(super) stop: CancellationToken,
    pub(super) task: JoinHandle<Result<(), Refusal>>,
}

impl Running {
    pub(super) async fn stop(self) {
        self.stop.cancel();
        soon(self.task).await.unwrap().unwrap();
    }
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(None)
    }

    pub(super) fn filtered() -> Self {
        Self::with(Some(Filter::compile("instrument == 'AAPL'").unwrap()))
    }

    fn with(filter: Option<Filter>) -> Self {
        let settings = EdgeSettings {
            name: "e".to_owned(),
            topics: vec![TopicPattern::parse("analysis/**").unwrap()],
            filter,
            start: Start::Latest,
            form: Form::Json,
            target: Target::parse("persistent://public/default/{topic}").unwrap(),
            window: 100,
            answer_max: Duration::from_secs(10),
        };
        let (shared, recorder) = (Arc::new(Shared::default()), Recorder::new());
        let (feed, outgoing) = mpsc::channel(16);
        let edge = Edge {
            schema: schema(settings.form),
            settings,
            cluster: Arc::new(Link(Arc::clone(&shared))),
            epoch: Epoch(1),
            clock: Arc::new(ManualClock::at(Timestamp(1))),
            recorder: Arc::clone(&recorder),
            retry: (Duration::from_millis(1), Duration::from_millis(2)),
            is_stopped: false.into(),
        };
        let topic = Topic {
            id: TopicId(1),
            name: TopicName::default_tenant("analysis/indicators/5m").unwrap(),
            partitions: 2,
            retention: Retention { age: Duration::from_secs(60), bytes: None },
            durability: Durability::Durable,
            template: None,
            created_at: edge.clock.wall(),
        };
        Self {
            edge: Arc::new(edge),
            topic: Arc::new(topic),
            recorder,
            told: Arc::default(),
            shared,
            feed,
            outgoing: Mutex::new(Some(outgoing)),
        }
    }

    pub(super) fn start(&self) -> Running {
        let stop = CancellationToken::new();
        let outgoing = self.outgoing.lock().unwrap().take().unwrap();
        let mut feed = Feed { outgoing, told: Arc::clone(&self.told) };
        let (edge, stopped) = (Arc::clone(&self.edge), stop.clone());
        let run = async move {
            let ended = Pump::new(&edge).run(&mut feed, &stopped).await;
            edge.show(false);
            ended
        };
        let runtime = tokio::runtime::Handle::current();
        Running { stop, task: runtime.spawn(run) }
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().unwrap()
    }

    /// Waits until the cluster is so.
    pub(super) async fn until(&self, is_so: impl Fn(&World) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            if is_so(&self.world()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until these offsets were acknowledged, by partition, and nothing else.
    pub(super) async fn acked(&self, wanted: &[(u32, Range<u64>)]) {
        let each = |runs: &[(u32, Range<u64>)]| {
            let runs = runs.iter().flat_map(|(at, run)| run.clone().map(|offset| (*at, offset)));
            let mut all: Vec<_> = runs.collect();
            all.sort_unstable();
            all
        };
        let all = async {
            loop {
                let changed = self.told.changed.notified();
                let acked = each(&self.told.acked.lock().unwrap());
                if acked == each(wanted) {
                    return;
                }
                assert!(acked.len() <= each(wanted).len(), "{acked:?}");
                changed.await;
            }
        };
        soon(all).await;
    }

    /// Offsets of the messages of a partition, in their order.
    pub(super) fn stored(&self, partition: u32) -> Vec<u64> {
        let world = self.world();
        let of = world.messages.iter().filter(|message| message.partition == partition);
        of.map(|message| message.offset).collect()
    }

    pub(super) fn send(&self, outgoing: Outgoing) {
        self.feed.try_send(outgoing).unwrap();
    }

    pub(super) fn deliver(&self, partition: u32, offsets: Range<u64>) {
        self.send(Outgoing::Delivery(self.delivery(partition, offsets)));
    }

    pub(super) fn redrive(&self, partition: u32, offset: u64) {
        let redriven = vec![(Offset(offset), 1)];
        let delivery = self.delivery(partition, offset..offset + 1);
        self.send(Outgoing::Delivery(Delivery { redriven, ..delivery }));
    }

    fn delivery(&self, partition: u32, offsets: Range<u64>) -> Delivery {
        let mut body = BodyBuilder::default();
        assert!(offsets.clone().all(|_| body.push(&event())));
        let (body, count) = body.take();
        Delivery {
            topic: Arc::clone(&self.topic),
            partition: PartitionId(partition),
            epoch: Epoch(1),
            offsets: vec![(Offset(offsets.start), count)],
            attempts: vec![],
            redelivered: vec![],
            redriven: vec![],
            skipped_to_dead_letter: vec![],
            digests: vec![],
            ingested_at: Timestamp(1),
            later: vec![],
            body,
            checksum: None,
            count,
        }
    }
}

fn event() -> Vec<u8> {
    let value = v1::Value { value: Some(1.0), ..v1::Value::default() };
    let values = [("rsi_14".to_owned(), value)].into();
    encode(&v1::Event {
        id: vec![7; 16].into(),
        source: "ta".to_owned(),
        kind: Kind::Indicators.into(),
        instrument: "AAPL".to_owned(),
        timeframe: "5m".to_owned(),
        interval_start: 1,
        interval_end: 2,
        produced_at: 3,
        payload: Some(Payload::Indicators(v1::Indicators { values, ..Default::default() })),
        ..v1::Event::default()
    })
}

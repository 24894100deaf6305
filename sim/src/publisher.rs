//! Publishers: they send, and send again what they do not know the fate of.

mod plain;
mod sequenced;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidings_checker::history::{Invoke, Placed};
use tidings_checker::{Op, history::Name};
use tidings_event::{Code, Refusal, TopicName};

use crate::event::{self, Event};
use crate::node::Node;
use crate::plan::{KEYS, PublisherPlan, TopicPlan};
use crate::world::World;

/// Events that go together to one partition.
#[derive(Clone)]
struct Parcel {
    topic: TopicPlan,
    partition: u32,
    first_sequence: u64,
    events: Vec<Event>,
}

/// What a publisher keeps over the lives of the service.
#[derive(Default)]
struct Kept {
    sent: u64,
    /// Sent, and not known to be stored.
    doubtful: Vec<Parcel>,
    epoch: Option<u32>,
    /// By topic and partition: the next sequence.
    sequences: BTreeMap<(&'static str, u32), u64>,
    /// By key: how many events of it there were.
    keys: BTreeMap<u64, u64>,
}

/// See the module.
pub(crate) struct Publisher {
    plan: PublisherPlan,
    topics: Vec<TopicPlan>,
    world: Arc<World>,
    kept: Mutex<Kept>,
}

/// How an attempt to publish ended.
enum Ended {
    /// Everything is answered.
    Well,
    /// Something is not: it has to be sent again.
    InDoubt,
    /// The producer's epoch is over, or was never granted.
    Fenced,
}

impl Publisher {
    pub(crate) fn new(plan: PublisherPlan, topics: &[TopicPlan], world: &Arc<World>) -> Arc<Self> {
        let (topics, world) = (topics.to_vec(), Arc::clone(world));
        Arc::new(Self { plan, topics, world, kept: Mutex::default() })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether everything was sent and is known to be stored.
    pub(crate) fn is_done(&self) -> bool {
        let kept = self.kept();
        kept.sent >= self.plan.events && kept.doubtful.is_empty()
    }

    /// Publishes until all is stored.
    pub(crate) async fn run(self: Arc<Self>, node: Arc<Node>, is_sound: bool) {
        // What was asked of a service that is gone is never answered.
        self.doubt("connection lost");
        while !self.is_done() {
            self.world.pause(500..20_000).await;
            if self.plan.is_sequenced {
                self.connect(&node, is_sound).await;
            } else {
                self.publish_plain(&node, is_sound).await;
            }
        }
    }

    /// Nobody knows what became of what is not answered.
    fn doubt(&self, why: &str) {
        let doubtful: Vec<Event> = {
            let kept = self.kept();
            kept.doubtful.iter().flat_map(|parcel| parcel.events.clone()).collect()
        };
        for event in doubtful {
            self.unknown(&event, why);
        }
    }

    /// Makes the next events: of one topic and partition.
    fn next_parcel(&self) -> Parcel {
        let topic = self.topics[self.world.number(0..self.topics.len() as u64) as usize];
        let count = self.world.number(1..5);
        let partition = event::partition(self.world.number(0..KEYS), topic.partitions);
        let mut kept = self.kept();
        let mut events = Vec::new();
        let keys: Vec<u64> =
            (0..KEYS).filter(|&key| event::partition(key, topic.partitions) == partition).collect();
        for _ in 0..count {
            let key = keys[self.world.number(0..keys.len() as u64) as usize];
            let seq = *kept.keys.entry(key).or_default();
            let event = Event::new(&self.plan.name, kept.sent, key, seq);
            *kept.keys.entry(key).or_default() += 1;
            kept.sent += 1;
            events.push(event);
        }
        let sequence = kept.sequences.entry((topic.path, partition)).or_default();
        let first_sequence = *sequence;
        *sequence += count;
        Parcel { topic, partition, first_sequence, events }
    }

    fn invoke(&self, parcel: &Parcel, epoch: Option<u32>) {
        for event in &parcel.events {
            self.record(Op::Invoke(Invoke {
                event: event.id.as_str().into(),
                producer: self.plan.name.as_str().into(),
                key: event.key.as_str().into(),
                seq: event.seq,
                hash: event.hash.as_str().into(),
                topic: parcel.topic.path.into(),
                ordered: true,
                producer_epoch: epoch.map(u64::from),
                tenant: Some(crate::node::TENANT.into()),
            }));
        }
    }

    fn stored(
        &self,
        event: &Event,
        (topic, partition): (&str, u32),
        offset: Option<u64>,
        (duplicate, epoch): (bool, u32),
    ) {
        self.world.count("events acknowledged", 1);
        self.world.count("repeats recognised", u64::from(duplicate));
        self.record(Op::Ok(Placed {
            event: event.id.as_str().into(),
            topic: topic.into(),
            partition,
            offset,
            duplicate,
            epoch: Some(epoch.into()),
        }));
    }

    fn unknown(&self, event: &Event, why: &str) {
        let (event, code): (Name, Name) = (event.id.as_str().into(), why.into());
        self.record(Op::Info { event, code });
    }

    fn refused(&self, event: &Event, code: Code) {
        let (event, code): (Name, Name) = (event.id.as_str().into(), code.as_str().into());
        self.record(Op::Fail { event, code });
    }

    fn record(&self, op: Op) {
        self.world.record(&self.plan.name, op);
    }
}

fn name_of(topic: &TopicPlan) -> Result<TopicName, Refusal> {
    let named = TopicName::default_tenant(topic.path);
    named.map_err(|error| Refusal::new(Code::TopicUnknown, error.to_string()))
}

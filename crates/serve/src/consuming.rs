//! One consuming client, whatever it speaks: credit, ack and nack in; deliveries, confirmations,
//! gaps and heartbeats out. The doors only translate.

pub(crate) mod encoded;
pub(crate) mod json;
pub(crate) mod proto;
pub(crate) mod settling;
mod shared;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::{Compression, Topic};
use tidings_deliver::{AckId, Attach, Delivery, GapNotice, Nack, Outgoing, Run, Session};
use tidings_event::{Offset, Position, Refusal, TopicId, TopicPartition, packed};
use tidings_telemetry::Counter;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::doors::Doors;
use crate::grpc::out_of_turn;
use crate::refusals;
use encoded::EventTexts;

/// What a client asks. `Open` comes once and first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Open(Opening),
    Credit { events: u64, bytes: u64 },
    Ack { up_to: Vec<Position>, runs: Vec<Run> },
    AckIds { up_to: Vec<AckId>, ack_ids: Vec<AckId> },
    Nack { runs: Vec<Run>, nack: Nack },
    Extend { runs: Vec<Run>, by: Duration },
    ExtendIds { ack_ids: Vec<AckId>, by: Duration },
}

/// How a client begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) subscription: String,
    pub(crate) consumer: String,
    pub(crate) compression: Option<Compression>,
    pub(crate) ack_deadline: Option<Duration>,
}

/// What a client is told; a [`Refusal`] ends it.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Opened {
        session: String,
        events: u32,
        bytes: u64,
    },
    /// Comes before the first delivery or gap of its topic.
    Topic(Arc<Topic>),
    Delivery(Delivery),
    Confirmed {
        runs: Vec<Run>,
        stale: Vec<Run>,
    },
    Extended {
        runs: Vec<Run>,
        stale: Vec<Run>,
    },
    Gap(GapNotice),
    Paused {
        in_flight: u64,
    },
    Resumed {
        in_flight: u64,
    },
    Heartbeat {
        last_sent: Vec<Position>,
        lag: u64,
    },
}

/// See the module.
pub(crate) struct Consuming {
    doors: Arc<Doors>,
    session: Session,
    /// How it wants bodies packed, where it says so; otherwise its subscription does.
    compression: Option<Compression>,
    /// Topics that were named.
    topics: HashMap<TopicId, Arc<Topic>>,
    last_sent: BTreeMap<TopicPartition, Position>,
    ready: VecDeque<Said>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Ends when there may have been silence for a heartbeat's time.
    silence: Pin<Box<dyn Future<Output = ()> + Send>>,
    spoke_at: Duration,
}

impl Consuming {
    /// Attaches the consumer that an `open` names.
    pub(crate) fn open(doors: &Arc<Doors>, tenant: &str, asked: Asked) -> Result<Self, Refusal> {
        let Asked::Open(Opening { subscription, consumer, compression, ack_deadline }) = asked
        else {
            return Err(out_of_turn("the first message is `open`"));
        };
        let attach = Attach { consumer, ack_deadline, ..Attach::default() };
        let session = doors.parts.deliver.attach_with(tenant, &subscription, attach)?;
        Ok(Self { compression, ..Self::over(doors, session) })
    }

    /// Goes on with a session that is attached.
    pub(crate) fn over(doors: &Arc<Doors>, session: Session) -> Self {
        let (events, bytes) = session.max_in_flight();
        let opened = Said::Opened { session: session.id().to_owned(), events, bytes };
        let heartbeat = doors.parts.limits.now().heartbeat;
        Self {
            session,
            compression: None,
            topics: HashMap::new(),
            last_sent: BTreeMap::new(),
            ready: VecDeque::from([opened]),
            stopped: Box::pin(doors.stop.child_token().cancelled_owned()),
            silence: Box::pin(doors.timer.after(heartbeat)),
            spoke_at: doors.parts.clock.monotonic(),
            doors: Arc::clone(doors),
        }
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The path of a topic that was named; empty for any other.
    pub(crate) fn topic(&self, id: TopicId) -> &str {
        self.topics.get(&id).map_or("", |topic| topic.name.path())
    }

    /// JSON of a delivery's events, shared with whoever else is sent them.
    pub(crate) fn texts(&self, delivery: &Delivery) -> Result<Arc<EventTexts>, Refusal> {
        self.doors.encoded.texts(delivery)
    }

    /// A delivery's body and its codec, as this client wants it: packed ones are shared, too.
    pub(crate) fn body(&self, delivery: &Delivery) -> Result<(Bytes, u32), Refusal> {
        match self.compression.unwrap_or_else(|| self.session.compression()) {
            Compression::None => Ok((delivery.body.clone(), packed::PLAIN)),
            Compression::Lz4 => self.doors.encoded.packed(delivery),
        }
    }

    /// Takes what a client asked after its `open`.
    pub(crate) fn take(&self, asked: Asked) -> Result<(), Refusal> {
        match asked {
            Asked::Open(_) => {
                return Err(out_of_turn("`open` comes once, as the first message"));
            }
            Asked::Credit { events, bytes } => self.session.grant(events, bytes),
            Asked::Ack { up_to, runs } => self.session.ack(up_to, runs),
            Asked::AckIds { up_to, ack_ids } => self.session.ack_ids(&up_to, &ack_ids),
            Asked::Nack { runs, nack } => self.session.nack(runs, nack),
            Asked::Extend { runs, by } => self.session.extend(runs, by)?,
            Asked::ExtendIds { ack_ids, by } => self.session.extend_ids(&ack_ids, by)?,
        }
        Ok(())
    }

    /// What is said next; `None` after the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Said>, Refusal> {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return Ok(Some(said));
            }
            tokio::select! {
                biased;
                outgoing = self.session.next() => match outgoing {
                    Some(outgoing) => self.say(outgoing)?,
                    None => return Ok(None),
                },
                () = &mut self.stopped => return Err(refusals::shutting_down()),
                () = &mut self.silence => self.heartbeat(),
            }
        }
    }

    /// What can be said without waiting.
    pub(crate) fn at_once(&mut self) -> Result<Option<Said>, Refusal> {
        if self.ready.is_empty()
            && let Some(outgoing) = self.session.at_once()
        {
            self.say(outgoing)?;
        }
        Ok(self.ready.pop_front())
    }

    fn say(&mut self, outgoing: Outgoing) -> Result<(), Refusal> {
        self.spoke_at = self.doors.parts.clock.monotonic();
        let said = match outgoing {
            Outgoing::Delivery(delivery) => {
                self.name(&delivery.topic);
                self.remember(&delivery);
                Said::Delivery(delivery)
            }
            Outgoing::Gap(gap) => {
                self.name(&gap.topic);
                Said::Gap(gap)
            }
            Outgoing::Confirmed { runs, stale } => Said::Confirmed { runs, stale },
            Outgoing::Extended { runs, stale } => Said::Extended { runs, stale },
            Outgoing::Paused { in_flight } => Said::Paused { in_flight },
            Outgoing::Resumed { in_flight } => Said::Resumed { in_flight },
            Outgoing::Closed(refusal) => return Err(refusal),
        };
        self.ready.push_back(said);
        Ok(())
    }

    fn name(&mut self, topic: &Arc<Topic>) {
        if let Entry::Vacant(unnamed) = self.topics.entry(topic.id) {
            unnamed.insert(Arc::clone(topic));
            self.ready.push_back(Said::Topic(Arc::clone(topic)));
        }
    }

    fn remember(&mut self, delivery: &Delivery) {
        let Some(&(first, count)) = delivery.offsets.last() else { return };
        let at = TopicPartition { topic: delivery.topic.id, partition: delivery.partition };
        let offset = Offset(first.0 + u64::from(count.saturating_sub(1)));
        let position =
            Position { topic: at.topic, epoch: delivery.epoch, partition: at.partition, offset };
        self.last_sent.insert(at, position);
    }

    /// Fills silence; when there was none for long enough, waits for the rest of the time.
    fn heartbeat(&mut self) {
        let interval = self.doors.parts.limits.now().heartbeat;
        let now = self.doors.parts.clock.monotonic();
        let silent = now.saturating_sub(self.spoke_at);
        let left = interval.saturating_sub(silent);
        if left.is_zero() {
            self.spoke_at = now;
            let last_sent = self.last_sent.values().copied().collect();
            self.ready.push_back(Said::Heartbeat { last_sent, lag: self.session.lag() });
        }
        self.silence =
            Box::pin(self.doors.timer.after(if left.is_zero() { interval } else { left }));
    }

    /// Counts an end with a problem.
    pub(crate) fn count_error(doors: &Doors) {
        doors.parts.recorder.count(Counter::ServeErrors, 1);
    }
}

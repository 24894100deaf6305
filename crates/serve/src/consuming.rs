//! One consuming client, whatever it speaks: credit, ack and nack in; deliveries, confirmations,
//! gaps and heartbeats out. The doors only translate.

pub(crate) mod attachment;
pub(crate) mod encoded;
pub(crate) mod json;
pub(crate) mod many;
pub(crate) mod proto;
pub(crate) mod settling;
mod shared;
mod silence;

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Compression, Topic};
use tidings_deliver::{AckId, Delivery, GapNotice, Nack, Outgoing, Run, Session};
use tidings_event::{Offset, Position, Refusal, TopicPartition};
use tidings_telemetry::Counter;
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::doors::Doors;
use crate::grpc::out_of_turn;
use crate::refusals;
use attachment::Attachment;
use silence::Silence;

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
    attachment: Attachment,
    last_sent: BTreeMap<TopicPartition, Position>,
    ready: VecDeque<Said>,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
    silence: Silence,
}

impl Consuming {
    /// Attaches the consumer that an `open` names.
    pub(crate) fn open(doors: &Arc<Doors>, tenant: &str, asked: Asked) -> Result<Self, Refusal> {
        let Asked::Open(opening) = asked else {
            return Err(out_of_turn("the first message is `open`"));
        };
        Ok(Self::with(doors, Attachment::open(doors, tenant, opening)?))
    }

    /// Goes on with a session that is attached.
    pub(crate) fn over(doors: &Arc<Doors>, session: Session) -> Self {
        Self::with(doors, Attachment::over(doors, session))
    }

    fn with(doors: &Arc<Doors>, attachment: Attachment) -> Self {
        Self {
            ready: VecDeque::from([attachment.opened()]),
            attachment,
            last_sent: BTreeMap::new(),
            stopped: Box::pin(doors.stop.child_token().cancelled_owned()),
            silence: Silence::new(doors),
            doors: Arc::clone(doors),
        }
    }

    pub(crate) fn attachment(&self) -> &Attachment {
        &self.attachment
    }

    /// Takes what a client asked after its `open`.
    pub(crate) fn take(&self, asked: Asked) -> Result<(), Refusal> {
        self.attachment.take(asked)
    }

    /// What is said next; `None` after the end. Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Option<Said>, Refusal> {
        loop {
            if let Some(said) = self.ready.pop_front() {
                return Ok(Some(said));
            }
            tokio::select! {
                biased;
                outgoing = self.attachment.session_mut().next() => match outgoing {
                    Some(outgoing) => self.say(outgoing)?,
                    None => return Ok(None),
                },
                () = &mut self.stopped => return Err(refusals::shutting_down()),
                () = self.silence.passed() => if self.silence.is_over(&self.doors) {
                    let last_sent = self.last_sent.values().copied().collect();
                    let lag = self.attachment.session().lag();
                    self.ready.push_back(Said::Heartbeat { last_sent, lag });
                },
            }
        }
    }

    /// What can be said without waiting.
    pub(crate) fn at_once(&mut self) -> Result<Option<Said>, Refusal> {
        if self.ready.is_empty()
            && let Some(outgoing) = self.attachment.session_mut().at_once()
        {
            self.say(outgoing)?;
        }
        Ok(self.ready.pop_front())
    }

    fn say(&mut self, outgoing: Outgoing) -> Result<(), Refusal> {
        self.silence.broken(&self.doors);
        if let Outgoing::Delivery(delivery) = &outgoing {
            self.remember(delivery);
        }
        let (named, said) = self.attachment.say(outgoing)?;
        self.ready.extend(named);
        self.ready.push_back(said);
        Ok(())
    }

    fn remember(&mut self, delivery: &Delivery) {
        let Some(&(first, count)) = delivery.offsets.last() else { return };
        let at = TopicPartition { topic: delivery.topic.id, partition: delivery.partition };
        let offset = Offset(first.0 + u64::from(count.saturating_sub(1)));
        let position =
            Position { topic: at.topic, epoch: delivery.epoch, partition: at.partition, offset };
        self.last_sent.insert(at, position);
    }

    /// Counts an end with a problem.
    pub(crate) fn count_error(doors: &Doors) {
        doors.parts.recorder.count(Counter::ServeErrors, 1);
    }
}

//! `Consumer.Consume`: credit, acks and nacks in; deliveries, confirmations, gaps and heartbeats
//! out.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, unfold};
use tidings_catalog::Topic;
use tidings_deliver::{Delivery, Outgoing, Session};
use tidings_event::{Code, Offset, Position, Refusal, TopicId, TopicPartition};
use tidings_telemetry::Counter;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Asked;
use tidings_wire::v1::consume_response::Message as Said;
use tonic::{Request, Response, Status, Streaming};

use crate::doors::Doors;
use crate::grpc::consume_messages as messages;
use crate::grpc::{Ask, out_of_turn, unreadable};
use crate::refusals;

pub(crate) struct ConsumerDoor(pub(crate) Arc<Doors>);

#[tonic::async_trait]
impl v1::consumer_server::Consumer for ConsumerDoor {
    type ConsumeStream = Pin<Box<dyn Stream<Item = Result<v1::ConsumeResponse, Status>> + Send>>;

    async fn consume(
        &self,
        request: Request<Streaming<v1::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let ask = Ask::of(&request);
        let consuming = Consuming {
            doors: Arc::clone(&self.0),
            ask,
            inbound: request.into_inner(),
            session: None,
            subscription: String::new(),
            named: HashSet::new(),
            last_sent: BTreeMap::new(),
            ready: VecDeque::new(),
            ended: false,
        };
        let said = unfold(consuming, |mut consuming| async move {
            let said = consuming.next().await?;
            Some((Ok(messages::response(said)), consuming))
        });
        Ok(Response::new(Box::pin(said)))
    }
}

/// One stream.
struct Consuming {
    doors: Arc<Doors>,
    ask: Ask,
    inbound: Streaming<v1::ConsumeRequest>,
    /// None until the first message named a subscription.
    session: Option<Session>,
    subscription: String,
    /// Topics whose names were sent.
    named: HashSet<TopicId>,
    last_sent: BTreeMap<TopicPartition, Position>,
    ready: VecDeque<Said>,
    ended: bool,
}

impl Consuming {
    /// What is said next; `None` after the end.
    async fn next(&mut self) -> Option<Said> {
        if let Some(said) = self.ready.pop_front() {
            return Some(said);
        }
        if self.ended {
            return None;
        }
        let stepped = match self.session.take() {
            None => self.open().await,
            Some(session) => self.step(session).await,
        };
        if let Err(ending) = stepped {
            self.ended = true;
            if let Some(refusal) = ending {
                self.doors.parts.recorder.count(Counter::ServeErrors, 1);
                self.ready.push_back(Said::Error(self.ask.problem(&refusal)));
            }
        }
        self.ready.pop_front()
    }

    async fn open(&mut self) -> Result<(), Option<Refusal>> {
        let limit = self.doors.parts.limits.header_read;
        let first = tokio::select! {
            first = self.doors.timer.limit(limit, self.inbound.message()) => first,
            () = self.doors.stop.cancelled() => return Err(Some(refusals::shutting_down())),
        };
        let first = first
            .map_err(|_| Refusal::new(Code::RequestTimeout, "no first message came"))?
            .map_err(|status| unreadable(&status))?;
        let Some(Asked::Open(open)) = first.and_then(|first| first.message) else {
            return Err(Some(out_of_turn("the first message of a consume stream is `open`")));
        };
        let deliver = &self.doors.parts.deliver;
        let session = deliver.attach(self.ask.tenant(), &open.subscription, &open.consumer).await?;
        let (events, bytes) = session.max_in_flight();
        self.ready.push_back(Said::Opened(v1::ConsumeOpened {
            session: session.id().to_owned(),
            max_in_flight_events: events,
            max_in_flight_bytes: bytes,
        }));
        self.subscription = open.subscription;
        self.session = Some(session);
        Ok(())
    }

    /// Goes on until there is something to say; an error ends the stream, with a problem or well.
    async fn step(&mut self, mut session: Session) -> Result<(), Option<Refusal>> {
        let doors = Arc::clone(&self.doors);
        let mut idle = pin!(doors.timer.after(doors.parts.limits.heartbeat));
        while self.ready.is_empty() {
            tokio::select! {
                asked = self.inbound.message() => {
                    match asked.map_err(|status| unreadable(&status))? {
                        Some(request) => take(&session, request)?,
                        None => return Err(None),
                    }
                }
                outgoing = session.next() => match outgoing {
                    Some(outgoing) => self.say(outgoing)?,
                    None => return Err(None),
                },
                () = &mut idle => self.heartbeat(),
                () = doors.stop.cancelled() => return Err(Some(refusals::shutting_down())),
            }
        }
        self.session = Some(session);
        Ok(())
    }

    fn say(&mut self, outgoing: Outgoing) -> Result<(), Refusal> {
        match outgoing {
            Outgoing::Delivery(delivery) => {
                self.name(&delivery.topic);
                self.remember(&delivery);
                self.ready.push_back(Said::Delivery(messages::delivery(delivery)));
            }
            Outgoing::Confirmed { runs, stale } => {
                self.ready.push_back(Said::Confirmed(messages::confirmed(&runs, &stale)));
            }
            Outgoing::Gap(gap) => {
                self.name(&gap.topic);
                self.ready.push_back(Said::Gap(messages::gap(&gap)));
            }
            Outgoing::Closed(refusal) => return Err(refusal),
        }
        Ok(())
    }

    fn name(&mut self, topic: &Topic) {
        if self.named.insert(topic.id) {
            let name = topic.name.path().to_owned();
            self.ready.push_back(Said::Topic(v1::TopicName { topic_id: topic.id.0, name }));
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

    fn heartbeat(&mut self) {
        let deliver = &self.doors.parts.deliver;
        let status = deliver.status(self.ask.tenant(), &self.subscription);
        self.ready.push_back(Said::Heartbeat(v1::Heartbeat {
            last_sent: self.last_sent.values().map(messages::position_message).collect(),
            lag_events: status.map_or(0, |status| status.lag_events),
        }));
    }
}

/// Passes on what the client asked.
fn take(session: &Session, request: v1::ConsumeRequest) -> Result<(), Refusal> {
    match request.message {
        Some(Asked::Credit(credit)) => session.grant(credit.events, credit.bytes),
        Some(Asked::Ack(ack)) => {
            session.ack(messages::positions(&ack.up_to), messages::runs(&ack.runs)?);
        }
        Some(Asked::Nack(nack)) => {
            session.nack(messages::runs(&nack.runs)?, Duration::from_millis(nack.delay_ms));
        }
        Some(Asked::Open(_)) => return Err(out_of_turn("`open` comes once, as the first message")),
        None => return Err(out_of_turn("a message without credit, ack or nack")),
    }
    Ok(())
}

//! `AnalysisStream`: the way out under the platform's names.
//!
//! A stream without credit or acks: the connection's own flow control holds it back, and what was
//! handed to it counts as settled.

mod filter;

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures::stream::{Stream, unfold};
use tidings_catalog::{Start, Subscription};
use tidings_deliver::{Delivery, GapNotice, Outgoing, Run, Session};
use tidings_event::block::events;
use tidings_event::{Code, Offset, Refusal};
use tidings_telemetry::Counter;
use tidings_wire::v1;
use tidings_wire::v1::analysis_message::Message as Said;
use tidings_wire::v1::subscription_request::Action;
use tonic::{Request, Response, Status};

use crate::consuming::proto;
use crate::doors::Doors;
use crate::grpc::Ask;
use crate::grpc::admin_messages as admin;
use crate::grpc::subscription_messages as messages;
use crate::refusals;
use crate::subscribing;
use filter::Filter;

/// Bytes on their way to the connection.
const CREDIT_BYTES: u64 = 4 << 20;
const CREDIT_EVENTS: u64 = 65_536;
/// Topics of a stream or subscription that names none.
const TOPICS: &str = "analysis/**";
/// Who is attached, as a subscription's status shows it.
const CONSUMER: &str = "analysis-stream";

pub(crate) struct AnalysisStreamDoor(pub(crate) Arc<Doors>);

#[tonic::async_trait]
impl v1::analysis_stream_server::AnalysisStream for AnalysisStreamDoor {
    type streamAnalysisStream =
        Pin<Box<dyn Stream<Item = Result<v1::AnalysisMessage, Status>> + Send>>;

    async fn stream_analysis(
        &self,
        request: Request<v1::StreamRequest>,
    ) -> Result<Response<Self::streamAnalysisStream>, Status> {
        let ask = Ask::of(&request);
        let opened = Flow::open(Arc::clone(&self.0), ask.clone(), request.into_inner()).await;
        let flow = opened.map_err(|refusal| ask.status(&refusal))?;
        let said = unfold(flow, |mut flow| async move {
            let said = flow.next().await?;
            let message = said.map(|said| v1::AnalysisMessage { message: Some(said) });
            Some((message, flow))
        });
        Ok(Response::new(Box::pin(said)))
    }

    async fn manage_subscription(
        &self,
        request: Request<v1::SubscriptionRequest>,
    ) -> Result<Response<v1::SubscriptionResponse>, Status> {
        let ask = Ask::of(&request);
        let managed = manage(&self.0, ask.tenant(), request.into_inner()).await;
        managed.map(Response::new).map_err(|refusal| ask.status(&refusal))
    }
}

/// One stream.
struct Flow {
    doors: Arc<Doors>,
    ask: Ask,
    session: Session,
    /// A subscription's progress is kept; an ephemeral stream has none.
    is_durable: bool,
    filter: Filter,
    ready: VecDeque<Said>,
    /// Settled as soon as `ready` has been taken.
    handed: Option<Handed>,
    ended: bool,
}

/// A delivery whose events are all in `ready`, or were left out.
struct Handed {
    runs: Vec<Run>,
    events: u64,
    bytes: u64,
}

impl Flow {
    async fn open(doors: Arc<Doors>, ask: Ask, asked: v1::StreamRequest) -> Result<Self, Refusal> {
        let filter = Filter::new(&asked)?;
        let is_durable = !asked.subscription_name.is_empty();
        let deliver = &doors.parts.deliver;
        let session = if is_durable {
            if !asked.topics.is_empty() {
                let detail = "the subscription has its topics";
                return Err(Refusal::new(Code::FieldInvalid, detail).at_field("topics"));
            }
            deliver.attach(ask.tenant(), &asked.subscription_name, CONSUMER).await?
        } else {
            let patterns = subscribing::patterns(&topics(asked.topics))?;
            deliver.ephemeral(ask.tenant(), patterns, Start::Latest).await?
        };
        session.grant(CREDIT_EVENTS, CREDIT_BYTES);
        let (ready, handed) = (VecDeque::new(), None);
        Ok(Self { doors, ask, session, is_durable, filter, ready, handed, ended: false })
    }

    /// What is said next. That it is called again means that everything said before was taken.
    async fn next(&mut self) -> Option<Result<Said, Status>> {
        let doors = Arc::clone(&self.doors);
        let mut idle = pin!(doors.timer.after(doors.parts.limits.now().heartbeat));
        loop {
            if let Some(said) = self.ready.pop_front() {
                return Some(Ok(said));
            }
            if self.ended {
                return None;
            }
            self.settle();
            let stepped = tokio::select! {
                outgoing = self.session.next() => self.say(outgoing),
                () = &mut idle => {
                    self.ready.push_back(Said::Heartbeat(v1::AnalysisHeartbeat {}));
                    Ok(())
                }
                () = doors.stop.cancelled() => Err(refusals::shutting_down()),
            };
            if let Err(refusal) = stepped {
                self.ended = true;
                doors.parts.recorder.count(Counter::ServeErrors, 1);
                return Some(Err(self.ask.status(&refusal)));
            }
        }
    }

    fn settle(&mut self) {
        let Some(handed) = self.handed.take() else { return };
        if self.is_durable {
            self.session.ack(Vec::new(), handed.runs);
        }
        self.session.grant(handed.events, handed.bytes);
    }

    fn say(&mut self, outgoing: Option<Outgoing>) -> Result<(), Refusal> {
        match outgoing {
            Some(Outgoing::Delivery(delivery)) => self.deliver(&delivery),
            Some(Outgoing::Gap(gap)) => {
                self.ready.push_back(Said::Gap(gap_message(&gap)));
                Ok(())
            }
            Some(Outgoing::Closed(refusal)) => Err(refusal),
            Some(_) => Ok(()),
            None => {
                self.ended = true;
                Ok(())
            }
        }
    }

    fn deliver(&mut self, delivery: &Delivery) -> Result<(), Refusal> {
        let run = |&(first, count): &(Offset, u32)| Run {
            topic: delivery.topic.id,
            epoch: delivery.epoch,
            partition: delivery.partition,
            first,
            last: Offset(first.0 + u64::from(count.max(1)) - 1),
        };
        let runs: Vec<Run> = delivery.offsets.iter().map(run).collect();
        let offsets = runs.iter().flat_map(|run| run.first.0..=run.last.0);
        for (offset, event) in offsets.zip(events(&delivery.body)) {
            let event = event.map_err(|e| Refusal::new(Code::Internal, e.to_string()))?;
            if self.filter.takes(event) {
                self.ready.push_back(Said::Event(event_message(delivery, offset, event)));
            }
        }
        let (events, bytes) = (u64::from(delivery.count), delivery.body.len() as u64);
        self.handed = Some(Handed { runs, events, bytes });
        Ok(())
    }
}

fn event_message(delivery: &Delivery, offset: u64, event: &[u8]) -> v1::AnalysisEvent {
    let is_in = |&(first, count): &(Offset, u32)| {
        offset.checked_sub(first.0).is_some_and(|at| at < u64::from(count))
    };
    v1::AnalysisEvent {
        topic: delivery.topic.name.path().to_owned(),
        position: Some(v1::Position {
            topic_id: delivery.topic.id.0,
            epoch: delivery.epoch.0,
            partition: delivery.partition.0,
            offset,
        }),
        ingested_at: delivery.ingested_at(offset).0,
        redelivered: delivery.redelivered.iter().any(is_in),
        event: delivery.body.slice_ref(event),
    }
}

fn gap_message(gap: &GapNotice) -> v1::AnalysisGap {
    v1::AnalysisGap { topic: gap.topic.name.path().to_owned(), gap: Some(proto::gap(gap)) }
}

fn topics(named: Vec<String>) -> Vec<String> {
    if named.is_empty() { vec![TOPICS.to_owned()] } else { named }
}

async fn manage(
    doors: &Doors,
    tenant: &str,
    asked: v1::SubscriptionRequest,
) -> Result<v1::SubscriptionResponse, Refusal> {
    let name = asked.subscription_name.clone();
    let (catalog, deliver) = (&doors.parts.catalog, &doors.parts.deliver);
    match Action::try_from(asked.action) {
        Ok(Action::Subscribe) => {
            let spec = messages::spec(v1::CreateSubscriptionRequest {
                name,
                topics: topics(asked.topics),
                start: asked.start,
                ..v1::CreateSubscriptionRequest::default()
            })?;
            let created = catalog.create_subscription(tenant, spec).await?.into_inner();
            Ok(response(doors, &created))
        }
        Ok(Action::Unsubscribe) => {
            let found = subscribing::found(doors, tenant, &name)?;
            catalog.delete_subscription(tenant, &name).await?;
            Ok(response(doors, &found))
        }
        Ok(Action::Status) => {
            let found = subscribing::found(doors, tenant, &name)?;
            let status = Some(admin::status(&name, deliver.status(tenant, &name)?));
            Ok(v1::SubscriptionResponse { status, ..response(doors, &found) })
        }
        Ok(Action::Unspecified) => {
            Err(Refusal::new(Code::FieldMissing, "say what to do").at_field("action"))
        }
        Err(_) => {
            let detail = format!("{} is not an action", asked.action);
            Err(Refusal::new(Code::FieldInvalid, detail).at_field("action"))
        }
    }
}

fn response(doors: &Doors, subscription: &Subscription) -> v1::SubscriptionResponse {
    let epoch = doors.parts.log.epoch();
    let subscription = Some(messages::subscription(subscription, epoch));
    v1::SubscriptionResponse { subscription, status: None }
}

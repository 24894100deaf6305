//! What is awaited for lanes and for the connection, and what follows from it.

use std::sync::Arc;
use std::time::Duration;

use tidings_deliver::Run;
use tidings_event::{Offset, TopicPartition};
use tidings_telemetry::{Counter, Timer};

use super::{Doing, Pump, Waiting};
use crate::cluster::{Connection, Opening, Placed, Producer, ProducerError, Receipt};
use crate::lane::{Lane, Wants};
use crate::message::message;

/// Most producers of an edge; beyond them one that has nothing to do is closed for each that is opened.
const PRODUCERS_MAX: usize = 1_024;

/// What happened to a lane.
pub(super) enum Step {
    Opened(Result<Box<dyn Producer>, ProducerError>, bool),
    Answered(Result<Placed, ProducerError>),
    Rested,
}

/// What the source is to be told.
#[derive(Default)]
pub(super) struct Settled {
    pub(super) acked: Vec<Run>,
    pub(super) refused: Vec<(Run, String)>,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

impl Settled {
    /// Receipts of a partition come in the order of its offsets, most of them one after the other.
    pub(super) fn ack(&mut self, event: &Waiting) {
        self.room(event);
        let run = event.run;
        match self.acked.last_mut() {
            Some(last)
                if last.topic_partition() == run.topic_partition()
                    && last.last.0 + 1 == run.first.0 =>
            {
                last.last = Offset(run.first.0);
            }
            _ => self.acked.push(run),
        }
    }

    pub(super) fn refuse(&mut self, event: &Waiting, detail: String) {
        self.room(event);
        self.refused.push((event.run, detail));
    }

    fn room(&mut self, event: &Waiting) {
        self.events += 1;
        self.bytes += event.framed;
    }
}

impl Pump<'_> {
    /// Makes a connection, after a while.
    pub(super) fn connect(&mut self, after: Duration) {
        let cluster = Arc::clone(&self.edge.cluster);
        self.connecting = Some(Box::pin(async move {
            Timer.after(after).await;
            cluster.connect().await
        }));
    }

    pub(super) fn connected(&mut self, made: Result<Arc<dyn Connection>, ProducerError>) {
        match made {
            Ok(connection) => {
                self.connection = Some(connection);
                let edge = &self.edge.settings.name;
                match self.trouble.take() {
                    Some(_) => tracing::info!(edge, "has its broker again"),
                    None => tracing::info!(edge, "has its broker"),
                }
                let all: Vec<TopicPartition> = self.lanes.keys().copied().collect();
                all.into_iter().for_each(|at| self.drive(at));
            }
            Err(error) => self.lost(&error.to_string()),
        }
    }

    /// The connection is gone, or cannot be made: every lane begins anew when there is one.
    fn lost(&mut self, error: &str) {
        let edge = &self.edge.settings.name;
        if self.trouble.as_deref() != Some(error) {
            tracing::warn!(edge, error, "has no broker: tries again, and events wait");
        }
        self.trouble = Some(error.to_owned());
        self.edge.recorder.count(Counter::EdgeErrors, 1);
        self.connection = None;
        self.steps.clear();
        let again: u64 = self.lanes.values_mut().map(Lane::fail).sum();
        self.edge.recorder.count(Counter::EdgeResent, again);
        let after = self.wait;
        self.wait = (after * 2).min(self.edge.retry.1);
        self.connect(after);
    }

    pub(super) fn stepped(&mut self, at: TopicPartition, step: Step) {
        let Some(lane) = self.lanes.get_mut(&at) else { return };
        match step {
            Step::Rested => lane.doing = Doing::Nothing,
            Step::Opened(Ok(producer), is_numbered) => lane.opened(producer, is_numbered),
            Step::Answered(Ok(placed)) => {
                (self.wait, lane.rest) = (self.edge.retry.0, None);
                if lane.trouble.take().is_some() {
                    let edge = &self.edge.settings.name;
                    let (topic, partition) = (&*lane.path, at.partition.0);
                    tracing::info!(edge, topic, partition, "can be written again");
                }
                if placed == Placed::Repeat {
                    self.edge.recorder.count(Counter::EdgeRepeats, 1);
                }
                if let Some(event) = lane.done() {
                    self.acked(&event);
                }
            }
            Step::Answered(Err(ProducerError::Message(detail))) => {
                lane.trouble = None;
                let path = Arc::clone(&lane.path);
                if let Some(event) = lane.done() {
                    self.refused(&path, &event, detail);
                }
            }
            Step::Opened(Err(ProducerError::Connection(error)), _)
            | Step::Answered(Err(ProducerError::Connection(error))) => return self.lost(&error),
            Step::Opened(Err(error), _) | Step::Answered(Err(error)) => {
                return self.stopped(at, error.to_string());
            }
        }
        self.drive(at);
    }

    /// A topic cannot be written now: its lane tries again after a while.
    fn stopped(&mut self, at: TopicPartition, error: String) {
        let Some(lane) = self.lanes.get_mut(&at) else { return };
        if lane.trouble.as_ref() != Some(&error) {
            let (edge, topic, partition) = (&self.edge.settings.name, &*lane.path, at.partition.0);
            tracing::warn!(
                edge,
                topic,
                partition,
                error,
                "cannot be written: tries again, and events wait"
            );
        }
        lane.trouble = Some(error);
        let again = lane.fail();
        lane.doing = Doing::Resting;
        self.edge.recorder.count(Counter::EdgeErrors, 1);
        self.edge.recorder.count(Counter::EdgeResent, again);
        let (first, longest) = self.edge.retry;
        let rest = lane.rest.unwrap_or(first);
        lane.rest = Some((rest * 2).min(longest));
        self.steps.push(Box::pin(async move {
            Timer.after(rest).await;
            (at, Step::Rested)
        }));
    }

    /// Has a lane send what it can, and awaits what it needs.
    pub(super) fn drive(&mut self, at: TopicPartition) {
        let form = self.edge.settings.form;
        let Some(lane) = self.lanes.get_mut(&at) else { return };
        let mut refused = vec![];
        if !self.is_stopping {
            refused = lane.send(|path, event| message(form, path, event));
        }
        let (path, wants) = (Arc::clone(&lane.path), lane.wants());
        match wants {
            Wants::Receipt(receipt) => {
                lane.doing = Doing::Awaiting;
                self.await_receipt(at, receipt);
            }
            Wants::Producer(first) if !self.is_stopping => self.open(at, first),
            Wants::Producer(_) | Wants::Nothing => {}
        }
        for (event, refusal) in refused {
            self.refused(&path, &event, refusal.to_string());
        }
    }

    fn await_receipt(&mut self, at: TopicPartition, receipt: Receipt) {
        let limit = self.edge.settings.answer_max;
        self.steps.push(Box::pin(async move {
            let answered = Timer.limit(limit, receipt).await.unwrap_or_else(|_| {
                let silent = format!("no receipt came for {} s", limit.as_secs());
                Err(ProducerError::Connection(silent))
            });
            (at, Step::Answered(answered))
        }));
    }

    fn open(&mut self, at: TopicPartition, first: Option<u64>) {
        let Some(connection) = self.connection.clone() else { return };
        self.make_room();
        let Some(lane) = self.lanes.get_mut(&at) else { return };
        lane.doing = Doing::Opening;
        let opening = Opening {
            topic: Arc::clone(&lane.target),
            partition: at.partition.0,
            // A topic's number and the log's epoch say whose offsets these are.
            name: first.map(|_| self.edge.producer(at)),
            first: first.unwrap_or(0),
            schema: self.edge.schema.clone(),
        };
        self.steps.push(Box::pin(async move {
            (at, Step::Opened(connection.open(opening).await, first.is_some()))
        }));
    }

    fn make_room(&mut self) {
        let open = self.lanes.values().filter(|lane| lane.has_producer()).count();
        if open >= PRODUCERS_MAX {
            let _one_is_enough = self.lanes.values_mut().any(Lane::release);
        }
    }
}

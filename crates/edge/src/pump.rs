//! An edge at work: takes deliveries, drives the lanes, and settles what has its receipt.
//!
//! Everything happens on one task. A lost connection is everybody's: it is made again after a while, and every lane sends
//! again, in its order, what has no receipt. What a topic is refused for stops the lane of its partition alone.

mod steps;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tidings_deliver::{Delivery, GapNotice, Outgoing, Run, Session};
use tidings_event::block::events;
use tidings_event::{Offset, Refusal, TopicPartition};
use tidings_telemetry::{Counter, Gauge, Latency, Timer};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Connection, ProducerError};
use crate::edge::Edge;
use crate::lane::{Doing, Lane, Waiting};
use steps::{Settled, Step};

/// Bytes of events that are not confirmed.
const WINDOW_BYTES: u64 = 16 << 20;

/// Where events come from, and where is said what became of them.
pub(crate) trait Source: Send {
    /// What comes next; dropping the future loses nothing. `None` after the end.
    fn next(&mut self) -> impl Future<Output = Option<Outgoing>> + Send;
    fn ack(&self, runs: Vec<Run>);
    fn nack(&self, run: Run, detail: &str);
    fn grant(&self, events: u64, bytes: u64);
}

impl Source for Session {
    fn next(&mut self) -> impl Future<Output = Option<Outgoing>> + Send {
        Self::next(self)
    }

    fn ack(&self, runs: Vec<Run>) {
        Self::ack(self, vec![], runs);
    }

    fn nack(&self, run: Run, detail: &str) {
        let nack = tidings_deliver::Nack::new(Duration::ZERO, detail);
        Self::nack(self, vec![run], nack);
    }

    fn grant(&self, events: u64, bytes: u64) {
        Self::grant(self, events, bytes);
    }
}

/// See the module.
pub(crate) struct Pump<'a> {
    edge: &'a Edge,
    lanes: HashMap<TopicPartition, Lane>,
    steps: FuturesUnordered<BoxFuture<'static, (TopicPartition, Step)>>,
    connection: Option<Arc<dyn Connection>>,
    connecting: Option<BoxFuture<'static, Result<Arc<dyn Connection>, ProducerError>>>,
    /// Before the next try.
    wait: Duration,
    /// Why there is no connection.
    trouble: Option<String>,
    settled: Settled,
    is_stopping: bool,
}

impl<'a> Pump<'a> {
    pub(crate) fn new(edge: &'a Edge) -> Self {
        Self {
            edge,
            lanes: HashMap::new(),
            steps: FuturesUnordered::new(),
            connection: None,
            connecting: None,
            wait: edge.retry.0,
            trouble: None,
            settled: Settled::default(),
            is_stopping: false,
        }
    }

    /// Mirrors until it is told to stop, or the source ends.
    ///
    /// # Errors
    /// Why the source ended.
    pub(crate) async fn run(
        &mut self,
        source: &mut impl Source,
        stop: &CancellationToken,
    ) -> Result<(), Refusal> {
        source.grant(u64::from(self.edge.settings.window), WINDOW_BYTES);
        self.connect(Duration::ZERO);
        let ended = loop {
            self.settle(source);
            self.edge.show(!self.is_well());
            let Self { steps, connecting, .. } = self;
            tokio::select! {
                () = stop.cancelled() => break Ok(()),
                outgoing = source.next() => match outgoing {
                    Some(Outgoing::Delivery(delivery)) => self.take(&delivery),
                    Some(Outgoing::Gap(gap)) => self.gap(&gap),
                    Some(Outgoing::Closed(refusal)) => break Err(refusal),
                    Some(_) => {}
                    None => break Ok(()),
                },
                Some((at, step)) = steps.next(), if !steps.is_empty() => self.stepped(at, step),
                made = made(connecting) => self.connected(made),
            }
            while let Some(Some((at, step))) = self.steps.next().now_or_never() {
                self.stepped(at, step);
            }
        };
        self.finish().await;
        self.settle(source);
        ended
    }

    /// Waits for the receipts of what is under way, for so long as one may be waited for.
    async fn finish(&mut self) {
        self.is_stopping = true;
        let limit = self.edge.settings.answer_max;
        let receipts = async {
            while self.lanes.values().any(Lane::is_under_way) {
                let Some((at, step)) = self.steps.next().await else { return };
                self.stepped(at, step);
            }
        };
        if Timer.limit(limit, receipts).await.is_err() {
            let edge = &self.edge.settings.name;
            tracing::warn!(edge, "stops without receipts: these events come again");
        }
    }

    fn is_well(&self) -> bool {
        self.connection.is_some() && self.lanes.values().all(|lane| lane.trouble.is_none())
    }

    fn take(&mut self, delivery: &Delivery) {
        let at = TopicPartition { topic: delivery.topic.id, partition: delivery.partition };
        let (path, settings) = (delivery.topic.name.path(), &self.edge.settings);
        let lane = self.lanes.entry(at).or_insert_with(|| {
            Lane::new(path.into(), settings.target.of(path), settings.is_dense())
        });
        let offsets =
            delivery.offsets.iter().flat_map(|(first, count)| first.0..first.0 + u64::from(*count));
        let is_in = |runs: &[(Offset, u32)], offset: u64| {
            runs.iter()
                .any(|(first, count)| (first.0..first.0 + u64::from(*count)).contains(&offset))
        };
        let mut all = events(&delivery.body);
        let before = lane.len();
        for offset in offsets {
            let start = all.offset();
            // The log's own bytes, which it has checked.
            let Some(Ok(event)) = all.next() else { break };
            let run = Run {
                topic: at.topic,
                epoch: delivery.epoch,
                partition: at.partition,
                first: Offset(offset),
                last: Offset(offset),
            };
            lane.push(Waiting {
                run,
                event: delivery.body.slice_ref(event),
                framed: (all.offset() - start) as u64,
                ingested_at: delivery.ingested_at(offset),
                is_redelivered: is_in(&delivery.redelivered, offset),
                is_redriven: is_in(&delivery.redriven, offset),
            });
        }
        // At most a window.
        let came = i64::try_from(lane.len() - before).unwrap_or(0);
        self.edge.recorder.shift(Gauge::EdgeWaiting, came);
        self.drive(at);
    }

    /// Consumers of the target cannot be told: a message without an event would be none of their schema.
    fn gap(&self, gap: &GapNotice) {
        let GapNotice { topic, partition, from, to, count, reason, .. } = gap;
        let (edge, topic) = (&self.edge.settings.name, topic.name.path());
        let (partition, from, to) = (partition.0, from.0, to.0);
        tracing::warn!(edge, topic, partition, from, to, count, %reason, "events are not mirrored");
        self.edge.recorder.count(Counter::EdgeGapEvents, *count);
    }

    /// Says to the source what became of events, and makes room for as many.
    fn settle(&mut self, source: &impl Source) {
        let Settled { acked, refused, events, bytes } = std::mem::take(&mut self.settled);
        if !acked.is_empty() {
            source.ack(acked);
        }
        for (run, detail) in refused {
            source.nack(run, &detail);
        }
        if events > 0 {
            source.grant(events, bytes);
        }
    }

    /// An event that its target has.
    fn acked(&mut self, event: &Waiting) {
        let recorder = &self.edge.recorder;
        recorder.count(Counter::EdgeMessages, 1);
        let took = self.edge.clock.wall().0.saturating_sub(event.ingested_at.0);
        recorder.time(Latency::EdgeMessage, Duration::from_nanos(took));
        recorder.shift(Gauge::EdgeWaiting, -1);
        self.settled.ack(event);
    }

    /// An event that its target does not take: it is tried again as any that fails, and at last a dead letter.
    fn refused(&mut self, path: &str, event: &Waiting, detail: String) {
        let (edge, offset, partition) =
            (&self.edge.settings.name, event.run.first.0, event.run.partition.0);
        tracing::warn!(edge, topic = path, partition, offset, detail, "an event is not taken");
        self.edge.recorder.count(Counter::EdgeRefused, 1);
        self.edge.recorder.shift(Gauge::EdgeWaiting, -1);
        self.settled.refuse(event, detail);
    }
}

impl Drop for Pump<'_> {
    fn drop(&mut self) {
        let waiting: usize = self.lanes.values().map(Lane::len).sum();
        // At most a window.
        self.edge.recorder.shift(Gauge::EdgeWaiting, -i64::try_from(waiting).unwrap_or(0));
    }
}

/// A connection that is being made; never, where none is.
async fn made(
    connecting: &mut Option<BoxFuture<'static, Result<Arc<dyn Connection>, ProducerError>>>,
) -> Result<Arc<dyn Connection>, ProducerError> {
    let Some(future) = connecting else { return std::future::pending().await };
    let made = future.await;
    *connecting = None;
    made
}

#[cfg(test)]
mod tests;

//! One round of one scenario: makes its subscriptions, publishes, consumes, checks.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_client::{Client, Consumer};
use tidings_event::Timestamp;
use tidings_market::LoadOptions;
use tokio::task::JoinSet;

use super::BenchError;
use super::args::{BenchArgs, Scenario};
use super::bed::Bed;
use super::check::{Got, Verdict};
use super::consume::{Taken, attach, take};
use super::meter::{Cost, Meter};
use super::pace::{Schedule, Watch, later, since};
use super::publish::{Feed, Published, histogram};

/// From the last preparation to the first event that is due.
const LEAD: Duration = Duration::from_millis(20);

/// Events that go in and out before anything is measured: connections open, files are made.
const WARM_UP: u64 = 20_000;

/// What a round came to.
pub(super) struct Round {
    pub(super) events: u64,
    pub(super) took: Duration,
    /// Share of the asked rate at which events left.
    pub(super) kept_up: f64,
    /// From the intended send time to the ack, and to receipt, in microseconds.
    pub(super) acks: Histogram<u64>,
    pub(super) receipts: Histogram<u64>,
    pub(super) cost: Cost,
    /// What is wrong with what each consumer got.
    pub(super) verdicts: Vec<Verdict>,
}

impl Round {
    /// Events a second.
    pub(super) fn rate(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// What all rounds of a run share.
pub(super) struct Bench {
    pub(super) bed: Bed,
    pub(super) feed: Feed,
    watch: Arc<Watch>,
    /// The service, where it is a process of the bench.
    pid: Option<u32>,
    options: LoadOptions,
}

impl Bench {
    /// Opens who publishes. What was made before is in the bed whatever happens here: the caller
    /// removes it.
    pub(super) async fn feed(
        bed: &Bed,
        args: &BenchArgs,
        watch: &Arc<Watch>,
    ) -> Result<Feed, BenchError> {
        Ok(Feed::open(bed, spread(args), Arc::clone(watch)).await?)
    }

    /// All that a run needs.
    pub(super) fn new(
        (bed, feed): (Bed, Feed),
        args: &BenchArgs,
        watch: Arc<Watch>,
        pid: Option<u32>,
    ) -> Self {
        Self { bed, feed, watch, pid, options: spread(args) }
    }

    /// Events of a burst: one of every instrument and timeframe.
    pub(super) fn burst(&self) -> u64 {
        (self.options.instruments * self.options.timeframes) as u64
    }

    /// Sends some events through that nobody times.
    pub(super) async fn warm_up(&mut self, events: u64) -> Result<Verdict, BenchError> {
        let round = self.ingest(events.min(WARM_UP)).await?;
        Ok(round.verdicts.first().copied().unwrap_or_default())
    }

    /// One round of a scenario.
    pub(super) async fn round(
        &mut self,
        scenario: Scenario,
        args: &BenchArgs,
    ) -> Result<Round, BenchError> {
        let consumers = args.consumers(scenario);
        match scenario {
            Scenario::Ingest => self.ingest(args.events).await,
            Scenario::FanOut => self.fan_out(args.events, consumers).await,
            Scenario::Replay => self.replay(args.events, consumers).await,
            Scenario::Latency => {
                let schedule = Schedule::steady(args.rate, args.duration);
                self.at_their_times(schedule, consumers).await
            }
            Scenario::Burst => {
                self.at_their_times(Schedule::at_once(self.burst()), consumers).await
            }
        }
    }

    /// Events in; read back when all are acknowledged, to check them.
    async fn ingest(&mut self, events: u64) -> Result<Round, BenchError> {
        let readers = self.subscriptions(1).await?;
        let due = self.feed.sent.nothing_yet(events);
        let meter = self.meter().await;
        let published = self.feed.as_fast_as_it_goes(events).await?;
        let cost = meter.stop(self.bed.client.rest()).await;
        let consumers = self.attach(&readers).await?;
        let taken = finish(self.taking(consumers, &due, Timestamp(u64::MAX))).await?;
        let took = since(published.began, published.answered);
        self.end(&readers, (events, took, published), taken, cost).await
    }

    /// Events in and out at the same time.
    pub(super) async fn fan_out(
        &mut self,
        events: u64,
        consumers: u32,
    ) -> Result<Round, BenchError> {
        let readers = self.subscriptions(consumers).await?;
        let due = self.feed.sent.nothing_yet(events);
        let taking = self.attach(&readers).await?;
        let meter = self.meter().await;
        let taking = self.taking(taking, &due, Timestamp(u64::MAX));
        let published = self.feed.as_fast_as_it_goes(events).await?;
        let taken = finish(taking).await?;
        let cost = meter.stop(self.bed.client.rest()).await;
        let end = taken.iter().map(|taken| taken.last).max().unwrap_or_default();
        let took = since(published.began, end.max(published.answered));
        self.end(&readers, (events, took, published), taken, cost).await
    }

    /// Events in; then out, which is timed.
    async fn replay(&mut self, events: u64, consumers: u32) -> Result<Round, BenchError> {
        let readers = self.subscriptions(consumers).await?;
        let due = self.feed.sent.nothing_yet(events);
        let published = self.feed.as_fast_as_it_goes(events).await?;
        let meter = self.meter().await;
        let began = self.watch.now();
        let taking = self.attach(&readers).await?;
        let taken = finish(self.taking(taking, &due, Timestamp(u64::MAX))).await?;
        let cost = meter.stop(self.bed.client.rest()).await;
        let last = taken.iter().map(|taken| taken.last).max().unwrap_or_default();
        self.end(&readers, (events, since(began, last), published), taken, cost).await
    }

    /// Events in at the times of a schedule, and out.
    pub(super) async fn at_their_times(
        &mut self,
        schedule: Schedule,
        consumers: u32,
    ) -> Result<Round, BenchError> {
        let readers = self.subscriptions(consumers).await?;
        let events = schedule.events();
        let due = self.feed.sent.nothing_yet(events);
        let taking = self.attach(&readers).await?;
        let meter = self.meter().await;
        let began = later(self.watch.now(), LEAD);
        let taking = self.taking(taking, &due, later(began, schedule.timed_from()));
        let published = self.feed.at_their_times(began, schedule).await?;
        let taken = finish(taking).await?;
        let cost = meter.stop(self.bed.client.rest()).await;
        let took = since(published.began, published.answered);
        self.end(&readers, (events, took, published), taken, cost).await
    }

    async fn subscriptions(&mut self, count: u32) -> Result<Vec<String>, BenchError> {
        let mut names = Vec::new();
        for _ in 0..count {
            names.push(self.bed.subscribe().await?);
        }
        Ok(names)
    }

    /// Attaches a consumer to each, on a connection of its own.
    async fn attach(&self, subscriptions: &[String]) -> Result<Vec<Consumer>, BenchError> {
        let mut consumers = Vec::new();
        for name in subscriptions {
            let client = Client::connect(self.bed.client.url()).await?;
            consumers.push(attach(&client, name).await?);
        }
        Ok(consumers)
    }

    fn taking(&self, consumers: Vec<Consumer>, due: &Got, timed_from: Timestamp) -> Taking {
        let mut taking = JoinSet::new();
        for consumer in consumers {
            let watch = (Arc::clone(&self.watch), timed_from);
            taking.spawn(take(consumer, due.clone(), watch));
        }
        taking
    }

    async fn meter(&self) -> Meter {
        Meter::start(self.bed.client.rest(), self.pid).await
    }

    /// Judges a round, and removes its subscriptions.
    async fn end(
        &self,
        readers: &[String],
        (events, took, published): (u64, Duration, Published),
        taken: Vec<Taken>,
        cost: Cost,
    ) -> Result<Round, BenchError> {
        let mut receipts = histogram();
        let mut verdicts = Vec::new();
        for taken in taken {
            receipts.add(&taken.latency).map_err(|error| BenchError::Task(error.to_string()))?;
            verdicts.push(taken.got.judge(&self.feed.sent));
        }
        for name in readers {
            self.bed.unsubscribe(name).await?;
        }
        let Published { acks, kept_up, .. } = published;
        Ok(Round { events, took, kept_up, acks, receipts, cost, verdicts })
    }
}

fn spread(args: &BenchArgs) -> LoadOptions {
    LoadOptions { seed: args.seed, instruments: args.instruments as usize, timeframes: 10 }
}

/// Consumers at work.
type Taking = JoinSet<Result<Taken, BenchError>>;

async fn finish(mut taking: Taking) -> Result<Vec<Taken>, BenchError> {
    let mut taken = Vec::new();
    while let Some(ended) = taking.join_next().await {
        taken.push(ended.map_err(|error| BenchError::Task(error.to_string()))??);
    }
    Ok(taken)
}

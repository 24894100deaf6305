//! The open loop: events leave at fixed times, whatever is answered; latency counts from the intended one.
//!
//! The first two seconds, in which topics are made and connections warm up, are sent and checked
//! but not timed.

use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_client::{Client, PublisherOptions};
use tidings_event::{Clock, Envelope, SystemClock, Timestamp};
use tidings_market::load::LoadOptions;
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use crate::blocks::{Blocks, PARTITIONS};
use crate::ws_fanout::broken;
use crate::{BenchError, consume};

/// Events leave in ticks of this length.
pub const TICK: Duration = Duration::from_millis(1);
/// What is sent and checked but not timed.
pub const WARM_UP: Duration = Duration::from_secs(2);

/// So many events of a load a second for so long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenLoop {
    load: LoadOptions,
    rate: u64,
    per_tick: u64,
    ticks: u64,
}

impl OpenLoop {
    pub(crate) fn new(load: LoadOptions, rate: u64, seconds: u64) -> Self {
        // One event at least: below 1,000 a second ticks are longer.
        let per_tick = (rate * TICK.as_micros() as u64 / 1_000_000).max(1);
        Self { load, rate, per_tick, ticks: rate * seconds / per_tick }
    }

    /// Events in all.
    pub(crate) fn events(&self) -> u64 {
        self.per_tick * self.ticks
    }

    /// Publishes them; returns once all are acknowledged.
    pub(crate) async fn publish(
        &self,
        client: &Client,
        clock: &SystemClock,
    ) -> Result<(), BenchError> {
        let due = |tick| Duration::from_secs_f64((tick * self.per_tick) as f64 / self.rate as f64);
        publish_at(client, clock, (self.load, self.per_tick), (0..self.ticks).map(due)).await
    }

    /// Takes all of them, checks them, and times them in microseconds.
    pub(crate) async fn take(
        self,
        client: Client,
        subscription: String,
    ) -> Result<Histogram<u64>, BenchError> {
        let timed_from = SystemClock::new().wall().0 + WARM_UP.as_nanos() as u64;
        take_from(client, subscription, self.events(), Timestamp(timed_from)).await
    }
}

/// Publishes so many events of a load at each of these times; returns once all are acknowledged.
pub(crate) async fn publish_at(
    client: &Client,
    clock: &SystemClock,
    (load, per_tick): (LoadOptions, u64),
    dues: impl Iterator<Item = Duration>,
) -> Result<(), BenchError> {
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut blocks = Blocks::new(load);
    let (start, wall) = (clock.monotonic(), clock.wall());
    for due in dues {
        let early = due.saturating_sub(clock.monotonic().saturating_sub(start));
        if !early.is_zero() {
            Timer.after(early).await;
        }
        let intended = Timestamp(wall.0 + due.as_nanos() as u64);
        for block in blocks.next_events(per_tick, intended) {
            let place = (block.partition, PARTITIONS);
            publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
        }
    }
    publisher.flush().await?;
    Ok(())
}

/// Takes so many events, checks them, and times those that were to leave from then on.
pub(crate) async fn take_from(
    client: Client,
    subscription: String,
    events: u64,
    timed_from: Timestamp,
) -> Result<Histogram<u64>, BenchError> {
    let clock = SystemClock::new();
    let mut histogram = empty()?;
    consume::take(client, subscription, events, |delivered| {
        let now = clock.wall();
        for event in delivered.events() {
            let envelope = tidings_event::scan(event?.event).map_err(broken)?;
            record(&mut histogram, now, &envelope, timed_from);
        }
        Ok(())
    })
    .await?;
    Ok(histogram)
}

/// Times an event that was received now, in microseconds. When it was to leave is in it.
pub(crate) fn record(
    histogram: &mut Histogram<u64>,
    now: Timestamp,
    envelope: &Envelope<'_>,
    timed_from: Timestamp,
) {
    if envelope.produced_at >= timed_from {
        histogram.saturating_record(now.0.saturating_sub(envelope.produced_at.0) / 1_000);
    }
}

/// What all consumers saw together.
pub(crate) async fn all(
    mut consumers: JoinSet<Result<Histogram<u64>, BenchError>>,
) -> Result<Histogram<u64>, BenchError> {
    let mut all = empty()?;
    while let Some(histogram) = consumers.join_next().await {
        all.add(histogram.map_err(broken)??).map_err(broken)?;
    }
    Ok(all)
}

/// Of latencies up to a minute, in microseconds.
///
/// # Errors
/// Never with these bounds.
pub fn empty() -> Result<Histogram<u64>, BenchError> {
    Histogram::new_with_bounds(1, 60_000_000, 3).map_err(broken)
}

/// The quantiles that a report shows.
#[must_use]
pub fn quantiles(histogram: &Histogram<u64>) -> Vec<(f64, Duration)> {
    let value = |quantile| Duration::from_micros(histogram.value_at_quantile(quantile));
    [0.5, 0.99, 0.999, 1.0].into_iter().map(|quantile| (quantile, value(quantile))).collect()
}

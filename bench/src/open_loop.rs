//! The open loop: events leave at fixed times, whatever is answered; latency counts from the intended one.
//!
//! The first two seconds, in which topics are made and connections warm up, are sent and checked
//! but not timed.

use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_client::{Client, PublisherOptions};
use tidings_event::{Clock, SystemClock, Timestamp};
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

/// So many events a second for so long, spread over instruments and timeframes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OpenLoop {
    rate: u64,
    per_tick: u64,
    ticks: u64,
}

impl OpenLoop {
    pub(crate) fn new(rate: u64, seconds: u64) -> Self {
        // One event at least: below 1,000 a second ticks are longer.
        let per_tick = (rate * TICK.as_micros() as u64 / 1_000_000).max(1);
        Self { rate, per_tick, ticks: rate * seconds / per_tick }
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
        let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
        let mut blocks = Blocks::new(LoadOptions::SPREAD);
        let (start, wall) = (clock.monotonic(), clock.wall());
        for tick in 0..self.ticks {
            let due = Duration::from_secs_f64((tick * self.per_tick) as f64 / self.rate as f64);
            let early = due.saturating_sub(clock.monotonic().saturating_sub(start));
            if !early.is_zero() {
                Timer.after(early).await;
            }
            let intended = Timestamp(wall.0 + due.as_nanos() as u64);
            for block in blocks.next_events(self.per_tick, intended) {
                let place = (block.partition, PARTITIONS);
                publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
            }
        }
        publisher.flush().await?;
        Ok(())
    }

    /// Takes all of them, checks them, and times them in microseconds.
    pub(crate) async fn take(
        self,
        client: Client,
        subscription: String,
    ) -> Result<Histogram<u64>, BenchError> {
        let clock = SystemClock::new();
        let timed_from = clock.wall().0 + WARM_UP.as_nanos() as u64;
        let mut histogram = empty()?;
        consume::take(client, subscription, self.events(), |delivered| {
            let now = clock.wall().0;
            for event in delivered.events() {
                // The intended send time is in the event.
                let envelope = tidings_event::scan(event?.event).map_err(broken)?;
                if envelope.produced_at.0 >= timed_from {
                    let micros = now.saturating_sub(envelope.produced_at.0) / 1_000;
                    histogram.saturating_record(micros);
                }
            }
            Ok(())
        })
        .await?;
        Ok(histogram)
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

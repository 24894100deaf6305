//! The open loop: events leave at fixed times, latency counts from the intended one.
//!
//! The first two seconds, in which topics are made and connections warm up, are sent and checked
//! but not timed.

use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_client::{Client, PublisherOptions};
use tidings_event::{Clock, SystemClock};
use tidings_market::load::LoadOptions;
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use crate::blocks::{Blocks, PARTITIONS};
use crate::process::{Server, own_cpu};
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume};

/// Events leave in ticks of this length.
const TICK: Duration = Duration::from_millis(1);
const SECONDS: u64 = 12;
const WARM_UP: Duration = Duration::from_secs(2);

/// Runs the open loop at the asked rate.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let round = one(args).await?;
        println!("open loop {} ev/s: {:?}", args.rate, round.latencies);
        report.add(&format!("open loop, {} ev/s, spread, durable", args.rate), round);
    }
    Ok(())
}

async fn one(args: &Args) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    consume::subscribe(&client, "bench", &["analysis/**"]).await?;
    let per_tick = args.rate * TICK.as_micros() as u64 / 1_000_000;
    let ticks = args.rate * SECONDS / per_tick;
    let total = per_tick * ticks;
    let clock = SystemClock::new();
    let reader = Client::connect(&server.url).await?;
    let mut consumers = JoinSet::new();
    let timed_from = clock.wall().0 + WARM_UP.as_nanos() as u64;
    consumers.spawn(async move {
        let mut histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3)
            .map_err(|e| BenchError::Check(e.to_string()))?;
        consume::take(reader, "bench".into(), total, |delivered| {
            let now = clock.wall().0;
            for event in delivered.events() {
                // The intended send time is in the event.
                let envelope = tidings_event::scan(event?.event)
                    .map_err(|e| BenchError::Check(e.to_string()))?;
                if envelope.produced_at.0 >= timed_from {
                    let micros = now.saturating_sub(envelope.produced_at.0) / 1_000;
                    histogram.saturating_record(micros);
                }
            }
            Ok(())
        })
        .await?;
        Ok::<_, BenchError>(histogram)
    });
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut blocks = Blocks::new(LoadOptions::SPREAD);
    let (cpu, own, start, wall) = (server.cpu()?, own_cpu()?, clock.monotonic(), clock.wall());
    for tick in 0..ticks {
        let due = TICK * u32::try_from(tick).unwrap_or(u32::MAX);
        let early = due.saturating_sub(clock.monotonic().saturating_sub(start));
        if !early.is_zero() {
            Timer.after(early).await;
        }
        let intended = tidings_event::Timestamp(wall.0 + due.as_nanos() as u64);
        for block in blocks.next_events(per_tick, intended) {
            let place = (block.partition, PARTITIONS);
            publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
        }
    }
    publisher.flush().await?;
    let mut latencies = vec![];
    while let Some(ended) = consumers.join_next().await {
        let histogram = ended.map_err(|e| BenchError::Check(e.to_string()))??;
        for quantile in [0.5, 0.99, 0.999, 1.0] {
            let micros = histogram.value_at_quantile(quantile);
            latencies.push((quantile, Duration::from_micros(micros)));
        }
    }
    let round = Round {
        events: total,
        took: clock.monotonic().saturating_sub(start),
        server_cpu: server.cpu()?.saturating_sub(cpu),
        client_cpu: own_cpu()?.saturating_sub(own),
        written_bytes: server.written_bytes()?,
        resident_kib: server.resident_kib()?,
        latencies,
        ready_after: Duration::ZERO,
    };
    server.stop().await?;
    Ok(round)
}

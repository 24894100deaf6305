//! A fixed rate, whatever is answered: from the intended send time, which is in the event, to its receipt.
//!
//! Ticks, seconds and warm-up are those of Tidings' own open loop, and so is the load.

use std::time::Duration;

use tidings_bench::meter::Meter;
use tidings_bench::open_loop::{TICK, WARM_UP, empty, quantiles};
use tidings_bench::report::Round;
use tidings_bench::{BenchError, latency};
use tidings_event::{Clock, SystemClock, Timestamp};
use tidings_market::load::{Load, LoadOptions};
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use super::{CORE, KAFKA_SOON, PULSAR, REDIS, SINGLE};
use crate::check::{Tally, acknowledged};
use crate::clients::{Receiver, Sender, broken};
use crate::contest::{Contestant, Match};
use crate::peer::Class::{D0, D1, D2};

/// Tidings over gRPC.
pub(crate) const GRPC: &str = "Tidings, gRPC";

/// JetStream that syncs before each acknowledgement is not among them: it holds a thirtieth of the rate.
pub(crate) fn contestants() -> Vec<Contestant> {
    vec![
        Contestant::tidings(GRPC, 0, |args| Box::pin(async move { latency::one(&args).await })),
        Contestant::peer("NATS core, thin", D0, 0, CORE),
        Contestant::peer("JetStream, thin", D1, 0, SINGLE),
        Contestant::peer("Kafka, librdkafka", D1, 0, KAFKA_SOON),
        Contestant::peer("Redis streams, thin", D2, 0, REDIS),
        Contestant::peer("Kafka, librdkafka", D2, 0, KAFKA_SOON),
        Contestant::peer("Pulsar, thin, a batch each tick", D2, 0, PULSAR),
    ]
}

/// One round at the rate.
pub(crate) async fn peer(peer: &Match<'_>) -> Result<Round, BenchError> {
    let pace = Pace::new(peer.rate);
    let mut sender = peer.protocol.sender(&peer.place).await?;
    let receiver = peer.protocol.receiver(&peer.place).await?;
    let mut taker = JoinSet::new();
    taker.spawn(timed(receiver, pace.events()));
    let meter = Meter::start(peer.process)?;
    let sent = pace.send(&mut *sender).await?;
    acknowledged(sender.settle().await?, sent.count)?;
    let taken = taker.join_next().await.ok_or_else(|| broken("nobody took"))?;
    let (came, latencies) = taken.map_err(broken)??;
    came.is(&sent)?;
    Ok(Round { latencies, ..meter.stop(peer.process, sent.count)? })
}

/// Events leave in ticks.
struct Pace {
    rate: u64,
    per_tick: u64,
    ticks: u64,
}

impl Pace {
    fn new(rate: u64) -> Self {
        let per_tick = (rate * TICK.as_micros() as u64 / 1_000_000).max(1);
        Self { rate, per_tick, ticks: rate * latency::SECONDS / per_tick }
    }

    fn events(&self) -> u64 {
        self.per_tick * self.ticks
    }

    async fn send(&self, sender: &mut dyn Sender) -> Result<Tally, BenchError> {
        let (mut load, mut sent) = (Load::new(LoadOptions::SPREAD), Tally::default());
        let clock = SystemClock::new();
        let (start, wall) = (clock.monotonic(), clock.wall());
        let mut bytes = Vec::new();
        for tick in 0..self.ticks {
            let due = Duration::from_secs_f64((tick * self.per_tick) as f64 / self.rate as f64);
            let early = due.saturating_sub(clock.monotonic().saturating_sub(start));
            if !early.is_zero() {
                Timer.after(early).await;
            }
            let intended = Timestamp(wall.0 + due.as_nanos() as u64);
            bytes.clear();
            let mut ends = vec![0];
            for _ in 0..self.per_tick {
                bytes.extend_from_slice(load.next_event(intended).bytes);
                ends.push(bytes.len());
            }
            let events: Vec<&[u8]> = ends.windows(2).map(|at| &bytes[at[0]..at[1]]).collect();
            events.iter().for_each(|event| sent.add(event));
            sender.send(&events).await?;
        }
        Ok(sent)
    }
}

type Timed = (Tally, Vec<(f64, Duration)>);

async fn timed(mut receiver: Box<dyn Receiver>, events: u64) -> Result<Timed, BenchError> {
    let (mut tally, mut histogram) = (Tally::default(), empty()?);
    let clock = SystemClock::new();
    let timed_from = clock.wall().0 + WARM_UP.as_nanos() as u64;
    let mut unread = 0_u64;
    let mut seen = |event: &[u8]| {
        tally.add(event);
        match tidings_event::scan(event) {
            Ok(envelope) if envelope.produced_at.0 >= timed_from => {
                let took = clock.wall().0.saturating_sub(envelope.produced_at.0);
                histogram.saturating_record(took / 1_000);
            }
            Ok(_) => {}
            Err(_) => unread += 1,
        }
        tally.count < events
    };
    receiver.take(&mut seen).await?;
    if unread > 0 {
        return Err(broken(format!("{unread} events that came cannot be read")));
    }
    Ok((tally, quantiles(&histogram)))
}

//! From the intended send time to receipt, at fixed rates, with one consumer.

use tidings_client::Client;
use tidings_event::SystemClock;
use tidings_market::load::LoadOptions;
use tokio::task::JoinSet;

use crate::blocks::CASES;
use crate::meter::Meter;
use crate::open_loop::{self, OpenLoop, quantiles};
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume};

/// How long it lasts, the warm-up with it.
pub const SECONDS: u64 = 12;

/// Events a second, where no rate is asked for.
const RATES: [u64; 4] = [1_000, 10_000, 100_000, 500_000];
/// Of one round alone, where no rate is asked for.
const RATE: u64 = 50_000;

/// Of the rate; what arrives at less was not held.
const HELD: f64 = 0.99;

/// Runs the open loop at the rate that is asked for, or at all rates in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    let rates = args.rate.map_or(RATES.to_vec(), |rate| vec![rate]);
    for _ in 0..args.rounds {
        for &rate in &rates {
            for (case, load) in CASES {
                let round = judged(at_rate(args, load, rate).await?, rate);
                if round.is_not_held {
                    println!("open loop {rate} ev/s, {case}: not held, {:.0} ev/s", round.rate());
                } else {
                    println!("open loop {rate} ev/s, {case}: {:?}", round.latencies);
                }
                report.add(&format!("open loop, {rate} ev/s, {case}, durable"), round);
            }
        }
    }
    Ok(())
}

/// One round of the spread case at the rate that is asked for, whether it is held or not.
///
/// # Errors
/// When the service refuses something, or what came is not what was sent.
pub async fn one(args: &Args) -> Result<Round, BenchError> {
    at_rate(args, LoadOptions::SPREAD, args.rate.unwrap_or(RATE)).await
}

async fn at_rate(args: &Args, load: LoadOptions, rate: u64) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    consume::subscribe(&client, "bench", &["analysis/**"]).await?;
    let load = OpenLoop::new(load, rate, SECONDS);
    let mut consumers = JoinSet::new();
    consumers.spawn(load.take(Client::connect(&server.url).await?, "bench".into()));
    let meter = Meter::start(&server)?;
    load.publish(&client, &SystemClock::new()).await?;
    let histogram = open_loop::all(consumers).await?;
    let round = Round {
        deliveries: load.events(),
        latencies: quantiles(&histogram),
        ..meter.stop(&server, load.events())?
    };
    server.stop().await?;
    Ok(round)
}

/// A round whose events did not all arrive at the rate has no latency at that rate.
fn judged(round: Round, rate: u64) -> Round {
    if round.rate() >= HELD * rate as f64 {
        return round;
    }
    Round { is_not_held: true, latencies: Vec::new(), ..round }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::judged;
    use crate::report::Round;

    fn round(took: Duration) -> Round {
        let latencies = vec![(0.5, Duration::from_millis(1))];
        Round { events: 12_000, took, latencies, ..Round::default() }
    }

    #[test]
    fn a_rate_that_is_not_held_has_no_latency() {
        let held = judged(round(Duration::from_millis(12_100)), 1_000);
        assert_eq!((held.is_not_held, held.latencies.len()), (false, 1));
        let late = judged(round(Duration::from_millis(12_200)), 1_000);
        assert_eq!((late.is_not_held, late.latencies.len()), (true, 0));
    }
}

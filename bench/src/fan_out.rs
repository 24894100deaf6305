//! Blocks in, and a fleet that each takes everything: 8, 64 and 512 consumers.
//!
//! A fleet is services that know nothing of each other: each consumer has a subscription, a connection and a
//! gRPC stream of its own. What many consumers cost that share one stream, `narrow` and `bar-close` measure.

use tidings_client::Transport;

use crate::blocks::CASES;
use crate::report::Report;
use crate::{Args, BenchError, ingest};

const CONSUMERS: [u32; 3] = [8, 64, 512];
/// Most deliveries of a round: the more consumers, the fewer events.
const DELIVERIES_MAX: u64 = 48_000_000;

/// Runs all cases in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for round in 0..args.rounds {
        for consumers in CONSUMERS {
            for (case, options) in CASES {
                let load = (events(args.events, consumers), options);
                let measured =
                    ingest::publish_and_take(&args.server, Transport::Grpc, load, consumers)
                        .await?;
                println!(
                    "1 -> {consumers} {case} round {round}: {:.0} ev/s, {:.0} deliveries/s",
                    measured.rate(),
                    measured.delivery_rate()
                );
                report.add(&format!("1 -> {consumers}, {case}, durable"), measured);
            }
        }
    }
    Ok(())
}

/// Events of a round with so many consumers, of those that were asked for.
fn events(asked: u64, consumers: u32) -> u64 {
    asked.min(DELIVERIES_MAX / u64::from(consumers.max(1)))
}

#[cfg(test)]
mod tests {
    use super::{CONSUMERS, DELIVERIES_MAX, events};

    #[test]
    fn the_more_take_the_fewer_events_there_are() {
        let all = CONSUMERS.map(|consumers| events(4_000_000, consumers));
        assert_eq!(all, [4_000_000, 750_000, 93_750]);
        for (events, consumers) in all.into_iter().zip(CONSUMERS) {
            assert!(events * u64::from(consumers) <= DELIVERIES_MAX);
        }
        assert_eq!(events(1_000, 512), 1_000);
    }
}

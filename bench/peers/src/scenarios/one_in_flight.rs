//! One event at a time: from its sending to its acknowledgement.

use tidings_bench::meter::Meter;
use tidings_bench::open_loop::{empty, quantiles};
use tidings_bench::report::Round;
use tidings_bench::{BenchError, one_in_flight};
use tidings_event::{Clock, SystemClock};

use super::{KAFKA_SOON, PULSAR, REDIS, SINGLE};
use crate::check::{Tally, acknowledged};
use crate::contest::{Contestant, Match};
use crate::flow;
use crate::input::Input;
use crate::peer::Class::D2;

/// Tidings over gRPC.
pub(crate) const GRPC: &str = "Tidings, gRPC";

pub(crate) fn contestants() -> Vec<Contestant> {
    vec![
        Contestant::tidings(GRPC, 10_000, |args| {
            Box::pin(async move { one_in_flight::one(&args, args.events).await })
        }),
        Contestant::peer("JetStream, thin", D2, 10_000, SINGLE),
        Contestant::peer("Redis streams, thin", D2, 10_000, REDIS),
        Contestant::peer("Kafka, librdkafka", D2, 4_000, KAFKA_SOON),
        Contestant::peer("Pulsar, thin", D2, 2_000, PULSAR),
    ]
}

/// One round; it is read back afterwards.
pub(crate) async fn peer(peer: &Match<'_>) -> Result<Round, BenchError> {
    let input = Input::seeded(peer.events);
    let sent = Tally::of(&input);
    let mut sender = peer.protocol.sender(&peer.place).await?;
    let (mut histogram, clock) = (empty()?, SystemClock::new());
    let meter = Meter::start(peer.process)?;
    for event in input.events() {
        let start = clock.monotonic();
        sender.send(&[event]).await?;
        acknowledged(sender.settle().await?, 1)?;
        let took = clock.monotonic().saturating_sub(start);
        histogram.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
    let round = meter.stop(peer.process, sent.count)?;
    flow::take(peer.protocol.receiver(&peer.place).await?, sent.count).await?.is(&sent)?;
    Ok(Round { latencies: quantiles(&histogram), ..round })
}

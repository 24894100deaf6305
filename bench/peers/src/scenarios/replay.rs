//! What is stored, from its beginning, to one consumer. It was written a moment ago: disks are not read.

use tidings_bench::meter::Meter;
use tidings_bench::report::Round;
use tidings_bench::{BenchError, replay};
use tidings_client::Transport;

use super::one_to_one::{FRAMED, GRPC};
use super::{KAFKA, PULSAR, REDIS, SINGLE, STREAM_SDK};
use crate::check::{Tally, acknowledged};
use crate::contest::{Contestant, Match};
use crate::flow;
use crate::input::Input;
use crate::peer::Class::{D1, D2};

pub(crate) fn contestants() -> Vec<Contestant> {
    vec![
        Contestant::tidings(FRAMED, 6_000_000, |args| {
            Box::pin(async move { replay::one(Transport::Framed, &args).await })
        }),
        Contestant::tidings(GRPC, 4_000_000, |args| {
            Box::pin(async move { replay::one(Transport::Grpc, &args).await })
        }),
        // Not stored in atomic batches: it would hand out their headers with each event.
        Contestant::peer("JetStream, thin, ordered push", D1, 500_000, SINGLE),
        Contestant::peer("JetStream, async-nats, ordered pull", D1, 300_000, STREAM_SDK),
        Contestant::peer("Kafka, librdkafka", D1, 4_000_000, KAFKA),
        Contestant::peer("Redis XREAD, thin", D2, 600_000, REDIS),
        Contestant::peer("Pulsar reader, thin", D2, 1_500_000, PULSAR),
    ]
}

/// Publishes everything, then measures how it is taken.
pub(crate) async fn peer(peer: &Match<'_>) -> Result<Round, BenchError> {
    let input = Input::seeded(peer.events);
    let sent = Tally::of(&input);
    let mut sender = peer.protocol.sender(&peer.place).await?;
    sender.load(input);
    acknowledged(sender.publish().await?, sent.count)?;
    drop(sender);
    let meter = Meter::start(peer.process)?;
    let receiver = peer.protocol.receiver(&peer.place).await?;
    flow::take(receiver, sent.count).await?.is(&sent)?;
    meter.stop(peer.process, sent.count)
}

//! Events in, and one consumer that takes everything.

use tidings_bench::ingest;
use tidings_client::Transport;
use tidings_market::load::LoadOptions;

use super::{ATOMIC, CORE, CORE_SDK, KAFKA, PULSAR, REDIS};
use crate::contest::Contestant;
use crate::peer::Class::{D0, D1, D2};

/// Framed deliveries of Tidings.
pub(crate) const FRAMED: &str = "Tidings, framed";
/// Deliveries of Tidings over gRPC.
pub(crate) const GRPC: &str = "Tidings, gRPC";

pub(crate) fn contestants() -> Vec<Contestant> {
    vec![
        Contestant::tidings(FRAMED, 2_500_000, |args| {
            Box::pin(async move {
                ingest::one_over(Transport::Framed, &args, LoadOptions::DENSE, 1).await
            })
        }),
        Contestant::tidings(GRPC, 2_500_000, |args| {
            Box::pin(async move {
                ingest::one_over(Transport::Grpc, &args, LoadOptions::DENSE, 1).await
            })
        }),
        Contestant::peer("NATS core, thin", D0, 2_500_000, CORE),
        Contestant::peer("NATS core, async-nats", D0, 1_000_000, CORE_SDK),
        Contestant::peer("JetStream, thin, atomic batches", D1, 300_000, ATOMIC),
        Contestant::peer("Kafka, librdkafka", D1, 1_000_000, KAFKA),
        Contestant::peer("Redis streams, thin", D2, 200_000, REDIS),
        Contestant::peer("Kafka, librdkafka", D2, 500_000, KAFKA),
        Contestant::peer("Pulsar, thin, batches", D2, 800_000, PULSAR),
    ]
}

//! Events in, and eight consumers that each take everything. Rates are of events in.

use tidings_bench::ingest;
use tidings_client::Transport;
use tidings_market::load::LoadOptions;

use super::one_to_one::{FRAMED, GRPC};
use super::{ATOMIC, CORE, KAFKA, REDIS};
use crate::contest::Contestant;
use crate::peer::Class::{D0, D1, D2};

pub(crate) fn contestants() -> Vec<Contestant> {
    vec![
        Contestant::tidings(FRAMED, 2_000_000, |args| {
            Box::pin(async move {
                ingest::one_over(Transport::Framed, &args, LoadOptions::DENSE, 8).await
            })
        }),
        Contestant::tidings(GRPC, 1_500_000, |args| {
            Box::pin(async move {
                ingest::one_over(Transport::Grpc, &args, LoadOptions::DENSE, 8).await
            })
        }),
        Contestant::peer("NATS core, thin", D0, 700_000, CORE),
        Contestant::peer("JetStream, thin, atomic batches", D1, 80_000, ATOMIC),
        Contestant::peer("Kafka, librdkafka", D1, 250_000, KAFKA),
        Contestant::peer("Redis streams, thin", D2, 80_000, REDIS),
    ]
}

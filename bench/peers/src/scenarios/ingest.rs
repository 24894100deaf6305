//! Events in, acknowledged as what each class says.

use tidings_bench::{ingest, shapes};
use tidings_client::Transport;
use tidings_market::load::LoadOptions;

use super::{ATOMIC, KAFKA, PULSAR, REDIS, REDIS_SDK, SINGLE, STREAM_SDK};
use crate::contest::Contestant;
use crate::peer::Class::{D1, D2};

/// Blocks of Tidings.
pub(crate) const BLOCKS: &str = "Tidings, blocks over gRPC";
/// Text to Tidings.
pub(crate) const NDJSON: &str = "Tidings, NDJSON over HTTP";

pub(crate) fn contestants() -> Vec<Contestant> {
    vec![
        Contestant::tidings(BLOCKS, 4_000_000, |args| {
            Box::pin(async move {
                ingest::one_over(Transport::Grpc, &args, LoadOptions::DENSE, 0).await
            })
        }),
        Contestant::tidings(NDJSON, 1_000_000, |args| {
            Box::pin(async move { shapes::ndjson(&args).await })
        }),
        Contestant::peer("JetStream, thin, single in a window", D1, 300_000, SINGLE),
        Contestant::peer("JetStream, thin, atomic batches", D1, 400_000, ATOMIC),
        Contestant::peer("Redis streams, thin, pipelined", D1, 600_000, REDIS),
        Contestant::peer("JetStream, async-nats", D1, 200_000, STREAM_SDK),
        Contestant::peer("Kafka, librdkafka", D1, 1_500_000, KAFKA),
        Contestant::peer("JetStream, thin, single in a window", D2, 12_000, SINGLE),
        Contestant::peer("JetStream, thin, atomic batches", D2, 150_000, ATOMIC),
        Contestant::peer("Redis streams, thin, pipelined", D2, 300_000, REDIS),
        Contestant::peer("Redis streams, redis crate", D2, 200_000, REDIS_SDK),
        Contestant::peer("Kafka, librdkafka", D2, 600_000, KAFKA),
        Contestant::peer("Pulsar, thin, batches", D2, 1_200_000, PULSAR),
    ]
}

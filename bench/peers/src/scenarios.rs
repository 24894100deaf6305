//! The scenarios: who takes part, and what a round of a peer is.

pub(crate) mod ingest;
pub(crate) mod one_in_flight;
pub(crate) mod one_to_eight;
pub(crate) mod one_to_one;
pub(crate) mod open_loop;
pub(crate) mod replay;

use crate::clients::Protocol;
use crate::clients::jetstream::{JetStream, Mode};
use crate::clients::nats::Core;
use crate::clients::redis::Streams;
use crate::clients::{kafka, nats_sdk, pulsar, redis_sdk};
use crate::peer::System;

/// A peer and how it is spoken to.
type Spoken = (System, fn(u16) -> Box<dyn Protocol>);

const CORE: Spoken = (System::Nats, |port| Box::new(Core { port }));
const SINGLE: Spoken = (System::Nats, |port| Box::new(JetStream { port, mode: Mode::Single }));
const ATOMIC: Spoken = (System::Nats, |port| Box::new(JetStream { port, mode: Mode::Atomic }));
const REDIS: Spoken = (System::Redis, |port| Box::new(Streams { port }));
/// Batches are waited for.
const KAFKA: Spoken = (System::Kafka, |port| Box::new(kafka::Topics { port, linger: "5" }));
/// What is there leaves at once.
const KAFKA_SOON: Spoken = (System::Kafka, |port| Box::new(kafka::Topics { port, linger: "0" }));
const PULSAR: Spoken = (System::Pulsar, |port| Box::new(pulsar::Topics { port }));
const CORE_SDK: Spoken = (System::Nats, |port| Box::new(nats_sdk::Core { port }));
const STREAM_SDK: Spoken = (System::Nats, |port| Box::new(nats_sdk::Streams { port }));
const REDIS_SDK: Spoken = (System::Redis, |port| Box::new(redis_sdk::Streams { port }));

//! How a consumer attaches.

use std::time::Duration;

use tidings_wire::v1;

use super::millis;
use crate::Backoff;

/// Most answers without events that wait for a consumer, and most answers of any kind.
const OTHERS_MAX: usize = 1_024;
const ANSWERS_MAX: usize = 1 << 20;

/// How a consumer attaches.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// An existing subscription.
    pub subscription: String,
    /// Name of this consumer, for health and logs.
    pub consumer: String,
    /// Events that may be on their way to this consumer.
    pub credit_events: u64,
    /// Bytes that may be on their way to this consumer.
    pub credit_bytes: u64,
    /// How batches travel; without it, as the subscription says. They are unpacked here.
    pub compression: Option<Compression>,
    /// What is not settled in this time failed and is tried again, 1 s to 24 h; without it, what was
    /// delivered stays this consumer's as long as its connection.
    pub ack_deadline: Option<Duration>,
    /// How deliveries travel, for a consumer with a stream of its own.
    pub transport: Transport,
    /// Whether to attach again when the connection breaks.
    pub reconnect: bool,
    /// Between attempts.
    pub backoff: Backoff,
}

impl ConsumerOptions {
    /// A consumer that reconnects, with credit for 65,536 events and 16 MiB.
    #[must_use]
    pub fn new(subscription: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            subscription: subscription.into(),
            consumer: consumer.into(),
            credit_events: 65_536,
            credit_bytes: 16 << 20,
            compression: None,
            ack_deadline: None,
            transport: Transport::default(),
            reconnect: true,
            backoff: Backoff::default(),
        }
    }

    pub(super) fn open(&self) -> v1::ConsumeOpen {
        v1::ConsumeOpen {
            subscription: self.subscription.clone(),
            consumer: self.consumer.clone(),
            compression: self.compression.map(|wanted| wanted.name().to_owned()),
            ack_deadline_ms: self.ack_deadline.map(millis),
        }
    }

    /// Most answers that wait for the consumer: credit bounds those with events.
    pub(super) fn answers_max(&self) -> usize {
        let granted = usize::try_from(self.credit_events).unwrap_or(ANSWERS_MAX);
        granted.saturating_add(OTHERS_MAX).min(ANSWERS_MAX)
    }

    pub(super) fn credit(&self) -> v1::Credit {
        v1::Credit { events: self.credit_events, bytes: self.credit_bytes }
    }
}

/// How the deliveries of a consumer travel. It is given the same either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Over the gRPC connection of its client.
    #[default]
    Grpc,
    /// Over a WebSocket of its own, as they are stored: the checksum that their publisher gave whole
    /// blocks is checked here.
    Framed,
}

/// How batches travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are stored.
    None,
    /// Packed, where that makes them shorter.
    Lz4,
}

impl Compression {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        }
    }
}

//! What the stage is configured with, and why it may not open.

use std::time::Duration;

use crate::health::Thresholds;

/// What an event in flight takes, where each lies apart from the others.
pub const IN_FLIGHT_BYTES: u64 = 192;

/// Settings of the stage.
#[derive(Clone, Debug)]
pub struct DeliverSettings {
    /// Live bytes kept for one subscription before it has to read the log.
    pub live_bytes: usize,
    /// Most bytes of one read.
    pub read_bytes: usize,
    /// A partition is read ahead of its turn while there is so much of it to be read: who is just behind the live
    /// blocks gets more of those.
    pub read_ahead_events: u64,
    /// Most bytes in flight of one subscription.
    pub in_flight_bytes: u64,
    /// While more events are in flight, all subscriptions together, consumers that hold many and settle
    /// none get no more.
    pub in_flight_max: u64,
    /// Least time between two saves of cursors while acks keep coming.
    pub cursor_interval: Duration,
    /// Most last values kept.
    pub last_values_max: usize,
    /// Where the random part of back-off starts; the same seed, the same waits.
    pub seed: u64,
    /// From when on a subscription lags or is stalled.
    pub health: Thresholds,
    /// Time between two snapshots of last values.
    pub snapshot_interval: Duration,
    /// Most dead letters of a subscription.
    pub dead_letters_max: u64,
    /// Most bytes of the events among them.
    pub dead_letter_bytes_max: u64,
}

impl Default for DeliverSettings {
    fn default() -> Self {
        Self {
            live_bytes: 8 << 20,
            read_bytes: 256 << 10,
            read_ahead_events: 16_384,
            in_flight_bytes: 16 << 20,
            in_flight_max: u64::MAX,
            cursor_interval: Duration::from_millis(25),
            last_values_max: 1_000_000,
            seed: 0,
            health: Thresholds::default(),
            snapshot_interval: Duration::from_secs(30),
            dead_letters_max: 100_000,
            dead_letter_bytes_max: 1 << 30,
        }
    }
}

/// Why the stage could not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// A stored cursor cannot be read: written by a later version, or damaged.
    #[error("cursor of subscription {subscription} in {partition} cannot be read")]
    Cursor {
        /// The subscription's number.
        subscription: u64,
        /// The partition.
        partition: tidings_event::TopicPartition,
    },
    /// The record of a dead letter cannot be read: written by a later version, or damaged.
    #[error("the record of a dead letter cannot be read")]
    DeadLetter,
}

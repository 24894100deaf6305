//! Histories: what clients saw, one JSON record a line.

mod name;
mod read;
mod write;

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

pub use name::Name;
pub use read::{History, HistoryError, LINE_BYTES_MAX, Limits, Merged};
pub use write::HistoryWriter;

/// One thing a client saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Nanoseconds on a clock that all writers of a run share; records of one file keep the file's
    /// order where it says otherwise.
    pub at: u64,
    /// Which client process or task.
    pub process: Name,
    /// What.
    #[serde(flatten)]
    pub op: Op,
}

/// What a client saw.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Op {
    /// An event was sent, or sent again.
    Invoke(Invoke),
    /// A publish was acknowledged.
    Ok(Placed),
    /// A publish was refused: the event must never appear.
    Fail {
        /// Event id, 32 hexadecimal digits.
        event: Name,
        /// Error code.
        code: Name,
    },
    /// A publish's outcome is unknown: the event may appear.
    Info {
        /// Event id.
        event: Name,
        /// Error code or reason.
        code: Name,
    },
    /// A subscription exists from here on.
    Subscription(Subscription),
    /// A consumer received an event.
    Delivery(Delivery),
    /// A consumer's acks were confirmed durable.
    Ack(Range),
    /// A consumer gave events back.
    Nack(Range),
    /// The service is known to have taken back what a nack gave it: nothing new of these keys may
    /// come.
    Gate(Range),
    /// The service said that these offsets will not come.
    Gap(Range),
    /// Something happened to the system or a client.
    Mark(Mark),
    /// Which subscriptions select an event, as a naive evaluator says.
    Verdict(Verdict),
    /// An event lies among a subscription's dead letters.
    Dead(Dead),
    /// The service wrote down how deliveries ended.
    Settled(Settled),
    /// A producer was granted an epoch: what it sends in older ones is never stored again.
    Fence(Fence),
    /// Something was done to the system on purpose.
    Fault(Fault),
    /// Something that may not exceed a limit was measured.
    Sample(Sample),
    /// The service serves again after a crash.
    Recovered(Recovered),
    /// Which run this is.
    Run {
        /// What it can be run again by.
        seed: u64,
    },
}

/// What a naive evaluator says of an event, by the filters in force at its place. Subscriptions that
/// are not named select it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Event id.
    pub event: Name,
    /// Subscriptions that select it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selected_by: Vec<Name>,
    /// Subscriptions that do not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out_by: Vec<Name>,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dead {
    /// Subscription.
    pub subscription: Name,
    /// Topic.
    pub topic: Name,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
}

/// A settlement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settled {
    /// Which run, and whose.
    #[serde(flatten)]
    pub range: Range,
    /// How many offsets of it are meant.
    pub count: u64,
    /// `DELIVERED`, `EXPIRED`, `CONFLATED`, `DEAD_LETTERED`, `DISCARDED` or `SKIPPED`.
    pub outcome: Name,
}

/// An event sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Invoke {
    /// Event id.
    pub event: Name,
    /// Producer.
    pub producer: Name,
    /// Partition key.
    pub key: Name,
    /// Count of the producer's events on this key, from 0.
    pub seq: u64,
    /// Hash of the event's bytes.
    pub hash: Name,
    /// Topic it belongs to.
    pub topic: Name,
    /// Whether the producer promised order: sequenced, or one event at a time.
    #[serde(default = "yes")]
    pub ordered: bool,
    /// The producer's epoch, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producer_epoch: Option<u64>,
    /// Whose the producer is, where a run has several tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Name>,
}

fn yes() -> bool {
    true
}

/// Where an acknowledged event lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Event id.
    pub event: Name,
    /// Topic.
    pub topic: Name,
    /// Partition.
    pub partition: u32,
    /// Offset; absent for an old duplicate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Whether the service said that it had it already.
    #[serde(default)]
    pub duplicate: bool,
    /// Epoch of the log that the answer named, where it is written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
}

/// A subscription to everything in some topics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its name.
    pub subscription: Name,
    /// Topic patterns: `*` one segment, `**` the rest.
    pub topics: Vec<Name>,
    /// Where it starts in partitions that existed; others start at 0.
    #[serde(default)]
    pub start: Vec<Place>,
    /// Whether an event that fails holds back its key.
    #[serde(default = "yes")]
    pub ordered: bool,
    /// Whose it is, where a run has several tenants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Name>,
}

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Topic.
    pub topic: Name,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
}

/// An event received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// Subscription.
    pub subscription: Name,
    /// Consumer.
    pub consumer: Name,
    /// Topic.
    pub topic: Name,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
    /// Event id.
    pub event: Name,
    /// Hash of the bytes received.
    pub hash: Name,
    /// Partition key.
    pub key: Name,
    /// Attempt, from 1.
    pub attempt: u32,
    /// Whether the service said that it may have been delivered before.
    #[serde(default)]
    pub redelivered: bool,
    /// Tenant of the topic that it was said to come from, where a run has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Name>,
}

/// A run of offsets of one partition, for one subscription; both ends included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Subscription.
    pub subscription: Name,
    /// Topic.
    pub topic: Name,
    /// Partition.
    pub partition: u32,
    /// First offset.
    pub first: u64,
    /// Last offset.
    pub last: u64,
}

impl Range {
    /// Its offsets; the first one alone when it ends before it begins.
    #[must_use]
    pub fn offsets(&self) -> RangeInclusive<u64> {
        self.first..=self.last.max(self.first)
    }
}

/// An epoch granted to a producer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fence {
    /// Producer.
    pub producer: Name,
    /// Its epoch from here on.
    pub epoch: u64,
}

/// A fault of the disk, the network or the clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// Its name, e.g. `eio`.
    pub what: Name,
    /// What became of it.
    pub phase: Phase,
    /// Patterns of the topics whose log may acknowledge nothing from when it fires until a restart:
    /// those of an I/O error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silences: Vec<Name>,
}

/// What became of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits for its moment, which has to come.
    Armed,
    /// It happened.
    Fired,
    /// It is over: from here on everything has to advance.
    Healed,
}

/// A measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// What was measured, e.g. `rss_bytes`, `fds`.
    pub what: Name,
    /// How much of it there is.
    pub value: u64,
    /// The most there may be.
    pub limit: u64,
}

/// A recovery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Recovered {
    /// How long it took, in nanoseconds.
    pub took: u64,
    /// The longest that it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// Hash of what it recovered: a crash on the way may not change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Name>,
}

/// A fault, a restart, or the end of a phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// `crash`, `restart`, `reconnect`, `deadline`, `lost` (an answer with events), `quiesced`, `away` (nobody
    /// consumes), `back`, or a cause's own name.
    pub what: Name,
    /// The subscription it concerns; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Name>,
}

#[cfg(test)]
mod tests;

//! What leaves the stage: deliveries, confirmations, gap notices, and the end of a consumer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_catalog::Topic;
use tidings_event::{
    Epoch, Offset, PartitionId, Position, Refusal, Timestamp, TopicId, TopicPartition,
};

use crate::ack_id::AckId;
use crate::health::Health;
use crate::session::SessionId;

/// Offsets of one partition, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// The topic.
    pub topic: TopicId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The partition.
    pub partition: PartitionId,
    /// First offset.
    pub first: Offset,
    /// Last offset.
    pub last: Offset,
}

impl Run {
    /// Topic and partition.
    #[must_use]
    pub const fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic, partition: self.partition }
    }

    /// How many offsets it holds.
    #[must_use]
    pub const fn count(&self) -> u64 {
        (self.last.0 + 1).saturating_sub(self.first.0)
    }

    /// A run of one position.
    #[must_use]
    pub const fn of(position: Position) -> Self {
        Self {
            topic: position.topic,
            epoch: position.epoch,
            partition: position.partition,
            first: position.offset,
            last: position.offset,
        }
    }
}

/// What a stream consumer is sent.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// Events.
    Delivery(Delivery),
    /// The cursor that covers these acks is durable.
    Confirmed {
        /// What was settled.
        runs: Vec<Run>,
        /// What was not in flight on this stream.
        stale: Vec<Run>,
    },
    /// Whose deadlines were moved.
    Extended {
        /// These have so much more time.
        runs: Vec<Run>,
        /// What was not in flight on this stream.
        stale: Vec<Run>,
    },
    /// Offsets that will never come.
    Gap(GapNotice),
    /// The window is full and events wait; only for those who asked to hear it.
    Paused {
        /// Events sent and not settled.
        in_flight: u64,
    },
    /// There is room again after [`Self::Paused`].
    Resumed {
        /// Events sent and not settled.
        in_flight: u64,
    },
    /// The stream ends, and why.
    Closed(Refusal),
}

/// Events of one partition in offset order.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The topic.
    pub topic: Arc<Topic>,
    /// Its partition.
    pub partition: PartitionId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// Offsets of the events in the body, as runs of first and count.
    pub offsets: Vec<(Offset, u32)>,
    /// Attempts above 1, as runs of first, count and attempt; all others are first attempts.
    pub attempts: Vec<(Offset, u32, u32)>,
    /// Offsets that may have been delivered before, as runs of first and count.
    pub redelivered: Vec<(Offset, u32)>,
    /// Offsets that come as redriven dead letters, as runs of first and count.
    pub redriven: Vec<(Offset, u32)>,
    /// Events that were dead-lettered: earlier ones of a key of which this holds the next event.
    pub skipped_to_dead_letter: Vec<Offset>,
    /// Digests: the events they are told by, which are in the body, and what they tell. An ack of
    /// such an event settles all that its digest tells of.
    pub digests: Vec<(Offset, Arc<Digest>)>,
    /// When the service took the first block in.
    pub ingested_at: Timestamp,
    /// Of the blocks that follow in it: the first event, and when the service took the block in.
    pub later: Vec<(Offset, Timestamp)>,
    /// A serialised `EventBatch`, one event per offset; shares the log's bytes.
    pub body: Bytes,
    /// CRC-32C of the body as its publisher computed it, where the body is that of one stored block.
    pub checksum: Option<u32>,
    /// Events in the body.
    pub count: u32,
}

impl Delivery {
    /// When the service took in the event at an offset.
    #[must_use]
    pub fn ingested_at(&self, offset: u64) -> Timestamp {
        let later = self.later.iter().rev().find(|(first, _)| first.0 <= offset);
        later.map_or(self.ingested_at, |&(_, at)| at)
    }
}

/// Look-alike events told as one, by the newest of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Offsets `first..end`, ascending; the last one is the newest event.
    pub runs: Vec<(u64, u64)>,
    /// How many events it tells of, the newest included.
    pub count: u64,
    /// Ids of the first 1,000 of them.
    pub ids: Vec<[u8; 16]>,
    /// When the first was taken in.
    pub first_ingested_at: Timestamp,
    /// When the newest was.
    pub last_ingested_at: Timestamp,
}

/// Why offsets will never be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapReason {
    /// Retention removed them before they were delivered.
    Retention,
    /// The disk gave back damaged bytes.
    DataLoss,
    /// Their topic was deleted.
    TopicDeleted,
    /// They were too old to be of use when it was their turn.
    Expired,
    /// The subscription was told to go on above them: settled so, and told nobody, for it was asked for.
    Sought,
}

impl GapReason {
    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retention => "RETENTION",
            Self::DataLoss => "DATA_LOSS",
            Self::TopicDeleted => "TOPIC_DELETED",
            Self::Expired => "EXPIRED",
            Self::Sought => "SOUGHT",
        }
    }
}

impl fmt::Display for GapReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Offsets this subscription will never be given, and why.
#[derive(Clone, Debug)]
pub struct GapNotice {
    /// The topic.
    pub topic: Arc<Topic>,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The partition.
    pub partition: PartitionId,
    /// First offset of the gap.
    pub from: Offset,
    /// Last offset of the gap.
    pub to: Offset,
    /// How many of them had not been settled.
    pub count: u64,
    /// Why.
    pub reason: GapReason,
}

/// What a pull answers with.
#[derive(Clone, Debug)]
pub enum Pulled {
    /// One event.
    Event(PulledEvent),
    /// Offsets that will never come.
    Gap(GapNotice),
}

/// One event given to a pull consumer.
#[derive(Clone, Debug)]
pub struct PulledEvent {
    /// Settles it.
    pub ack_id: AckId,
    /// Where it is.
    pub position: Position,
    /// The topic.
    pub topic: Arc<Topic>,
    /// From 1.
    pub attempt: u32,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Whether it comes as a redriven dead letter.
    pub redriven: bool,
    /// Earlier events of its key that were dead-lettered, when this is the next delivery.
    pub skipped_to_dead_letter: Vec<Offset>,
    /// The look-alike events that it tells of, itself included; its ack settles all of them.
    pub digest: Option<Arc<Digest>>,
    /// When the service took it in.
    pub ingested_at: Timestamp,
    /// Its canonical bytes; shares the log's.
    pub event: Bytes,
}

/// Where a subscription is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionStatus {
    /// Durable events that are not settled.
    pub lag_events: u64,
    /// Events sent and not settled.
    pub in_flight: u64,
    /// Events of which a delivery failed and that are not settled.
    pub failing: u64,
    /// Events held back because an earlier one of their key fails.
    pub held: u64,
    /// Events that wait to be told by a digest.
    pub folded: u64,
    /// Events that wait for the member of the group that has their keys.
    pub waiting: u64,
    /// How old the oldest of them is, where that is known.
    pub lag: Option<Duration>,
    /// How its consumers get on, as of the last second.
    pub health: Health,
    /// Name of the consumer that came first.
    pub consumer: Option<String>,
    /// All consumers, in the order they came.
    pub members: Vec<MemberStatus>,
    /// What it is doing.
    pub state: SubscriptionState,
    /// Every position up to which all is settled: the first offset of each partition that is not.
    pub low_water: Vec<Position>,
}

/// A consumer of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its name.
    pub consumer: String,
    /// Its session.
    pub session: SessionId,
    /// Whether it is sent events; otherwise it waits for another one to end.
    pub is_active: bool,
    /// Events sent to it and not settled.
    pub in_flight: u64,
}

/// What a subscription is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionState {
    /// A consumer is attached.
    Active,
    /// No consumer is attached.
    Idle,
    /// A partition has too many settled runs above an unsettled offset and sends nothing new.
    Stalled,
    /// Nothing is sent before it is resumed.
    Paused,
    /// Its dead letters are full: nothing is sent before there is room.
    PausedByDeadLetters,
}

impl SubscriptionState {
    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Idle => "idle",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::PausedByDeadLetters => "paused_by_dead_letters",
        }
    }
}

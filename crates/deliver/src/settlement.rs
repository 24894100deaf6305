//! Settlements: how each delivery ended, written down before the cursor that covers it.

mod coalesce;
mod message;
mod settlements;

use std::sync::Arc;

use tidings_event::v1::settlement;
use tidings_event::{Timestamp, TopicPartition};

use crate::dead_letter::Reason;
use crate::outgoing::GapReason;

pub(crate) use settlements::{SettledOf, Settlements};

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A consumer acknowledged it.
    Delivered,
    /// It was too old to be of use.
    Expired,
    /// A digest told of it.
    Conflated,
    /// It lies among the dead letters.
    DeadLettered(Reason),
    /// It was removed from the dead letters.
    Discarded(Discard),
    /// It can never come.
    Skipped(GapReason),
}

/// What removed a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discard {
    /// Somebody asked for it.
    Requested,
    /// It was older than dead letters are kept.
    ExpiredRetention,
}

impl Outcome {
    pub(crate) const fn on_wire(self) -> settlement::Outcome {
        match self {
            Self::Delivered => settlement::Outcome::Delivered,
            Self::Expired => settlement::Outcome::Expired,
            Self::Conflated => settlement::Outcome::Conflated,
            Self::DeadLettered(_) => settlement::Outcome::DeadLettered,
            Self::Discarded(_) => settlement::Outcome::Discarded,
            Self::Skipped(_) => settlement::Outcome::Skipped,
        }
    }

    /// Why, where the outcome has reasons.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Delivered | Self::Expired | Self::Conflated => "",
            Self::DeadLettered(reason) => reason.as_str(),
            Self::Discarded(Discard::Requested) => "REQUESTED",
            Self::Discarded(Discard::ExpiredRetention) => "EXPIRED_RETENTION",
            Self::Skipped(reason) => reason.as_str(),
        }
    }
}

/// A run of offsets whose deliveries ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) partition: TopicPartition,
    pub(crate) first: u64,
    pub(crate) end: u64,
    /// How many offsets of it are meant: the filter may have left some out.
    pub(crate) count: u64,
    pub(crate) outcome: Outcome,
    /// When the first of them was sent for the first time; 0 when none was.
    pub(crate) first_sent: Timestamp,
    /// The attempt that ended it; 0 when none was made.
    pub(crate) attempts: u32,
    /// Who had it last.
    pub(crate) consumer: Arc<str>,
}

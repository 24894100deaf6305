//! What is buried, and what is shown of it.

use bytes::Bytes;
use tidings_event::{Offset, Position, Timestamp};

/// Why an event was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// It failed as often as the subscription tries.
    AttemptsExhausted,
    /// It kept failing for as long as the subscription tries.
    MaxAge,
    /// The consumer said that it will never take it.
    Rejected,
    /// Too many events waited behind failing ones.
    ParkFull,
    /// It was still failing when its topic was about to let go of it.
    Retention,
}

impl Reason {
    pub(super) const ALL: [Self; 5] =
        [Self::AttemptsExhausted, Self::MaxAge, Self::Rejected, Self::ParkFull, Self::Retention];

    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AttemptsExhausted => "ATTEMPTS_EXHAUSTED",
            Self::MaxAge => "MAX_AGE",
            Self::Rejected => "REJECTED",
            Self::ParkFull => "PARK_FULL",
            Self::Retention => "RETENTION",
        }
    }
}

/// How an attempt to deliver an event failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttemptOutcome {
    /// The consumer gave it back.
    Nacked,
    /// The consumer did not settle it in time.
    Deadline,
    /// The consumer's connection ended.
    ConnectionLost,
}

impl AttemptOutcome {
    pub(super) const ALL: [Self; 3] = [Self::Nacked, Self::Deadline, Self::ConnectionLost];

    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nacked => "NACKED",
            Self::Deadline => "DEADLINE",
            Self::ConnectionLost => "CONNECTION_LOST",
        }
    }
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it failed.
    pub at: Timestamp,
    /// Whose attempt it was.
    pub consumer: Box<str>,
    /// How it failed.
    pub outcome: AttemptOutcome,
    /// What the consumer said.
    pub detail: Box<str>,
}

/// An event to be buried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Buried {
    /// Where it was published.
    pub(crate) position: Position,
    /// Its bytes, as they were published.
    pub(crate) event: Bytes,
    pub(crate) reason: Reason,
    /// Oldest first.
    pub(crate) attempts: Vec<Attempt>,
    /// How often it was sent.
    pub(crate) sent: u32,
}

/// Why events were not buried. Some of them may have been; to bury those again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BuryError {
    /// The subscription's dead letters are full.
    #[error("the subscription has {letters} dead letters of {bytes} bytes, as many as it may")]
    Full {
        /// Letters there are.
        letters: u64,
        /// Bytes of their events.
        bytes: u64,
    },
    /// The log did not take them now; the same again may succeed.
    #[error("the log is full")]
    Later,
    /// The log will take nothing more until a restart.
    #[error("dead letters cannot be stored: {0}")]
    Refused(String),
}

/// What a letter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Somebody's decision.
    Dead,
    /// Being delivered and settled again.
    Redriving,
}

impl LetterState {
    /// Its name on every wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Redriving => "redriving",
        }
    }
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where the event was published.
    pub position: Position,
    /// Its bytes, as they were published; absent when the disk gives back damaged ones.
    pub event: Option<Bytes>,
    /// Why it was given up.
    pub reason: Reason,
    /// Since when it is here.
    pub dead_since: Timestamp,
    /// What it waits for.
    pub state: LetterState,
    /// What was tried, oldest first.
    pub attempts: Vec<Attempt>,
}

/// A letter on its way again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redriven {
    pub(crate) position: Position,
    pub(crate) event: Bytes,
    /// How often it was sent before.
    pub(crate) sent: u32,
}

/// How much lies in a subscription's dead letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeadLetterCounts {
    /// Letters, redriven ones included until they are settled.
    pub letters: u64,
    /// Bytes of their events.
    pub bytes: u64,
    /// Of the letters, how many are on their way again.
    pub redriving: u64,
}

/// What became of a request about letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// How many letters it was done to.
    pub letters: u64,
    /// Positions that were asked for and have no letter, or none that it can be done to.
    pub missing: Vec<Position>,
}

/// Which letters of a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Exactly these.
    Positions(Vec<Position>),
    /// Those of one partition from an offset to another, both included.
    Range {
        /// Where it begins.
        from: Position,
        /// Its last offset.
        to: Offset,
    },
    /// All.
    All,
}

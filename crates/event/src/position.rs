//! A place in a log, and its opaque text form.

use std::fmt;
use std::str::FromStr;

use crate::{Epoch, Offset, PartitionId, TopicId, TopicPartition};

/// Where one event is: topic, epoch, partition and offset. Outside the service it is opaque text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The topic.
    pub topic: TopicId,
    /// The log's epoch.
    pub epoch: Epoch,
    /// The partition.
    pub partition: PartitionId,
    /// The offset.
    pub offset: Offset,
}

impl Position {
    /// Topic and partition of this position.
    #[must_use]
    pub const fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic, partition: self.partition }
    }
}

/// Text that is not a position this service gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a position: use one that the service gave out, unchanged")]
pub struct PositionError;

impl fmt::Display for Position {
    /// `p1-topic-epoch-partition-offset` in hexadecimal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p1-{:x}-{:x}-{:x}-{:x}",
            self.topic.0, self.epoch.0, self.partition.0, self.offset.0
        )
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let mut parts = text.strip_prefix("p1-").ok_or(PositionError)?.split('-');
        let mut next = || {
            let part = parts.next().ok_or(PositionError)?;
            // Only the spelling that Display writes: one position, one text.
            let canonical = !part.is_empty()
                && (part == "0" || !part.starts_with('0'))
                && part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
            let number = if canonical { u64::from_str_radix(part, 16).ok() } else { None };
            number.ok_or(PositionError)
        };
        let small = |n: u64| u32::try_from(n).map_err(|_| PositionError);
        let position = Self {
            topic: TopicId(next()?),
            epoch: Epoch(small(next()?)?),
            partition: PartitionId(small(next()?)?),
            offset: Offset(next()?),
        };
        if parts.next().is_some() { Err(PositionError) } else { Ok(position) }
    }
}

#[cfg(test)]
mod tests;

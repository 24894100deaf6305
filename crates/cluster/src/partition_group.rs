//! Partition groups: partitions that have one owner, and how many groups of them there are.

use std::fmt;

use tidings_event::PartitionId;

/// Partitions that one node owns together: those whose number leaves this rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionGroup(pub u8);

impl fmt::Display for PartitionGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many partition groups a log has: fixed when it is founded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionGroups(u8);

/// A number of partition groups that no log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a log has 1, 2, 4, 8 or 16 partition groups, not {0}: it is decided when the log is founded"
)]
pub struct CountError(pub u32);

impl PartitionGroups {
    /// One, to which every partition belongs.
    pub const ONE: Self = Self(1);

    /// A number of them: one that divides 16, as the service's own topics have 16 partitions.
    ///
    /// # Errors
    /// It is another number.
    pub const fn new(count: u32) -> Result<Self, CountError> {
        match count {
            1 => Ok(Self(1)),
            2 => Ok(Self(2)),
            4 => Ok(Self(4)),
            8 => Ok(Self(8)),
            16 => Ok(Self(16)),
            other => Err(CountError(other)),
        }
    }

    /// How many.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0 as usize
    }

    /// All of them, in order.
    pub fn all(self) -> impl Iterator<Item = PartitionGroup> {
        (0..self.0).map(PartitionGroup)
    }

    /// Whether there is this one.
    #[must_use]
    pub const fn has(self, group: PartitionGroup) -> bool {
        group.0 < self.0
    }

    /// Where a partition belongs, whatever its topic.
    #[must_use]
    pub const fn of(self, partition: PartitionId) -> PartitionGroup {
        // Below 16, as the count is.
        PartitionGroup((partition.0 % self.0 as u32) as u8)
    }
}

#[cfg(test)]
mod tests {
    use tidings_event::PartitionId;

    use super::{CountError, PartitionGroup, PartitionGroups};

    #[test]
    fn a_partition_belongs_by_the_rest() {
        let four = PartitionGroups::new(4).unwrap();
        let of = |partition| four.of(PartitionId(partition)).0;
        assert_eq!([of(0), of(3), of(4), of(1023)], [0, 3, 0, 3]);
        assert_eq!(four.all().count(), 4);
        assert!(four.has(PartitionGroup(3)) && !four.has(PartitionGroup(4)));
    }

    #[test]
    fn the_hash_of_a_key_decides_where_a_topic_has_a_multiple_of_partitions() {
        let eight = PartitionGroups::new(8).unwrap();
        for hash in 0..1_000u32 {
            let group = |partitions: u32| eight.of(PartitionId(hash % partitions));
            assert_eq!([group(8), group(24), group(16)], [PartitionGroup((hash % 8) as u8); 3]);
        }
    }

    #[test]
    fn only_divisors_of_sixteen_are_taken() {
        let taken: Vec<u32> = (0..40).filter(|n| PartitionGroups::new(*n).is_ok()).collect();
        assert_eq!(taken, [1, 2, 4, 8, 16]);
        assert_eq!(PartitionGroups::new(12), Err(CountError(12)));
    }
}

//! The topics in which the service keeps what it did. Their numbers are fixed and above every number
//! that a tenant's topic gets; they are no part of a snapshot, so that no pattern selects them, no
//! list shows them, and no one publishes to them.

use std::time::Duration;

use tidings_event::topic_name::INTERNAL_TENANT;
use tidings_event::{PartitionId, TopicId, TopicPartition};
use tidings_log::{PartitionLog, Retention, TopicError, TopicSpec};

/// First number of the service's own topics.
const FIRST: u64 = 1 << 40;

/// A topic of the service itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InternalTopic {
    /// Its number.
    pub id: TopicId,
    /// Its path in tenant `_tidings`.
    pub path: &'static str,
    /// Fixed.
    pub partitions: u32,
    /// How long it keeps what is in it.
    pub age: Duration,
}

impl InternalTopic {
    /// How each delivery ended.
    pub const SETTLEMENTS: Self = Self::new(0, "settlements", 30);
    /// Events that could not be delivered, with their original bytes.
    pub const DEAD_LETTERS: Self = Self::new(1, "dead-letters", 14);
    /// All of them.
    pub const ALL: [Self; 2] = [Self::SETTLEMENTS, Self::DEAD_LETTERS];

    const fn new(number: u64, path: &'static str, days: u64) -> Self {
        let age = Duration::from_secs(days * 86_400);
        Self { id: TopicId(FIRST + number), path, partitions: 16, age }
    }

    /// Tenant and path.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{INTERNAL_TENANT}/{}", self.path)
    }

    /// Where it keeps what is about a partition of another topic.
    #[must_use]
    pub const fn about(&self, partition: PartitionId) -> TopicPartition {
        TopicPartition { topic: self.id, partition: PartitionId(partition.0 % self.partitions) }
    }

    /// What the log must know of it.
    #[must_use]
    pub const fn spec(&self) -> TopicSpec {
        let retention = Retention { age: self.age, bytes: None };
        TopicSpec { id: self.id, partitions: self.partitions, retention }
    }
}

/// Makes all of them exist.
pub(crate) async fn ensure(log: &dyn PartitionLog) -> Result<(), TopicError> {
    for topic in InternalTopic::ALL {
        log.ensure_topic(&topic.spec()).await?;
    }
    Ok(())
}

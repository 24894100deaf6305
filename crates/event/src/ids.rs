//! Newtypes for every id and offset, so that none is taken for another.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A topic's number: assigned at its birth, never reused.
    TopicId(u64)
);
id!(
    /// A partition of a topic, from 0.
    PartitionId(u32)
);
id!(
    /// An event's place in its partition: dense, from 0.
    Offset(u64)
);
id!(
    /// Identity of a log's life: changes only when old positions become void.
    Epoch(u32)
);
id!(
    /// Ownership token: grows at every takeover (every open, on the embedded engine).
    Term(u64)
);
id!(
    /// Number of a group in its journal, from 1.
    JournalSeq(u64)
);

impl Offset {
    /// The offset `count` events further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0 + count)
    }
}

/// One partition of one topic: the unit of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// Its partition.
    pub partition: PartitionId,
}

impl TopicPartition {
    /// A partition of a topic, from plain numbers.
    #[must_use]
    pub const fn new(topic: u64, partition: u32) -> Self {
        Self { topic: TopicId(topic), partition: PartitionId(partition) }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

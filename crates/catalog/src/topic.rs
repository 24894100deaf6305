//! A topic and what a caller may ask of one.

use tidings_event::{Timestamp, TopicId, TopicName};
use tidings_log::{Retention, TopicSpec};

/// When a publish to a topic may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Durability {
    /// From memory, when the publisher asks for it: a crash loses what was not yet on disk.
    Memory,
    /// Only when it is on disk.
    Durable,
}

impl Durability {
    /// As on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Durable => "durable",
        }
    }
}

/// A logical topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its number; never used again.
    pub id: TopicId,
    /// Tenant and path.
    pub name: TopicName,
    /// Fixed at birth.
    pub partitions: u32,
    /// How long events are kept.
    pub retention: Retention,
    /// The weakest acknowledgement a publisher may ask for.
    pub durability: Durability,
    /// Pattern of the template that places events here.
    pub template: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Topic {
    /// What the log must know of it.
    #[must_use]
    pub fn spec(&self) -> TopicSpec {
        TopicSpec { id: self.id, partitions: self.partitions, retention: self.retention }
    }
}

/// What a caller wants a topic to be. What is left out stays as it is, or takes the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicRequest {
    /// 1 to 1,024; cannot change.
    pub partitions: Option<u32>,
    /// At least a second; may change within its journal's class.
    pub retention: Option<Retention>,
    /// May change.
    pub durability: Option<Durability>,
}

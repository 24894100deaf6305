//! An assignment: the coordinator's word on who holds which partition group.

use std::fmt;

use tidings_event::Term;

use crate::node_id::NodeId;
use crate::partition_group::{PartitionGroup, PartitionGroups};

/// The term of a coordinator: each one's is above that of all before it. 0 is nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CoordinatorTerm(pub u64);

impl fmt::Display for CoordinatorTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who is to hold which partition group, by one coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The coordinator's term.
    pub by: CoordinatorTerm,
    /// Grows with every change under this term, from 1.
    pub version: u64,
    /// Lives that the coordinator takes for alive.
    pub members: Vec<NodeId>,
    /// Lives that lose what they hold because they are silent. The assignment counts only when none of them has said
    /// more by then.
    pub gone: Vec<Gone>,
    /// One for each partition group, in order.
    pub entries: Vec<Entry>,
}

/// A life that was last heard at a beat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Which.
    pub node: NodeId,
    /// The number of its last beat.
    pub number: u64,
}

/// What is decided of one partition group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Of the last grant; 0 before the first.
    pub term: Term,
    /// Whose that is; nobody's when it was given back or its holder is gone.
    pub holder: Option<Holder>,
}

/// Who holds a partition group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The node.
    pub node: NodeId,
    /// Whether it is to give it back.
    pub is_closing: bool,
}

impl Assignment {
    /// Of nobody, and nothing is held.
    #[must_use]
    pub fn empty(groups: PartitionGroups) -> Self {
        Self {
            by: CoordinatorTerm::default(),
            version: 0,
            members: Vec::new(),
            gone: Vec::new(),
            entries: vec![Entry::default(); groups.count()],
        }
    }

    /// What is decided of a partition group; `None` when the log has no such one.
    #[must_use]
    pub fn entry(&self, group: PartitionGroup) -> Option<&Entry> {
        self.entries.get(usize::from(group.0))
    }

    /// Every partition group with what is decided of it.
    pub fn by_group(&self) -> impl Iterator<Item = (PartitionGroup, &Entry)> {
        (0..=u8::MAX).map(PartitionGroup).zip(&self.entries)
    }

    /// Whether this says of everybody what another does.
    #[must_use]
    pub fn agrees(&self, other: &Self) -> bool {
        self.entries == other.entries && self.members == other.members
    }
}

impl Entry {
    /// The term by which a node is to hold it and go on.
    #[must_use]
    pub fn granted_to(&self, node: &NodeId) -> Option<Term> {
        let holder = self.holder.as_ref()?;
        (holder.node == *node && !holder.is_closing).then_some(self.term)
    }
}

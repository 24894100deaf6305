//! What a node is told, and what it says is to be done.

use tidings_event::Term;

use crate::node_id::{Address, CallKey, NodeId};
use crate::partition_group::PartitionGroup;
use crate::record::Beat;

/// Who a node is, and where.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Its name, and a life that no other one has.
    pub node: NodeId,
    /// Where others reach it.
    pub address: Address,
    /// What they are to sign calls with.
    pub call_key: CallKey,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Time has passed; due at [`Node::due`](super::Node::due) at the latest.
    Tick,
    /// The next record of the topic was read; all are told, in their order, own ones included.
    Read(Box<Beat>),
    /// The beat that was to be sent is stored.
    Stored,
    /// It may be, or not: there is no connection. The next one is tried after a pause.
    Unsent,
    /// What was to be opened is.
    Opened {
        /// The partition group.
        group: PartitionGroup,
        /// The grant's term.
        term: Term,
    },
    /// It could not be opened, and is not.
    Failed {
        /// The partition group.
        group: PartitionGroup,
        /// The grant's term.
        term: Term,
    },
    /// It was left alone: the log shows a term that is not below the grant's.
    Outdated {
        /// The partition group.
        group: PartitionGroup,
        /// The grant's term.
        term: Term,
        /// What the log shows.
        newest: Term,
    },
    /// What was open is closed, or was lost to another owner.
    Ended {
        /// The partition group.
        group: PartitionGroup,
        /// The grant's term.
        term: Term,
    },
    /// The process is to stop.
    Leave,
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Append a beat to the topic; [`Input::Stored`] or [`Input::Unsent`] answers it.
    Send(Box<Beat>),
    /// Open a partition group's log under a term, and the stages over it. [`Input::Opened`], [`Input::Failed`] or
    /// [`Input::Outdated`] answers it; when it is to be closed meanwhile, [`Input::Ended`] alone.
    Open {
        /// Which.
        group: PartitionGroup,
        /// Under which term.
        term: Term,
    },
    /// Close it; [`Input::Ended`] answers it.
    Close {
        /// Which.
        group: PartitionGroup,
        /// Under which term it was opened.
        term: Term,
        /// With what care.
        how: Closing,
    },
    /// Answer nothing for what is held: whether it is still held is not known.
    Suspend,
    /// Answer again.
    Resume,
    /// Where partitions are served may have changed.
    Rerouted,
    /// A later life of this node has begun, and everything is to be closed: end the process.
    Replaced,
    /// Nothing is held any more: the process may stop.
    Left,
}

/// How something is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// What was taken in is finished and saved: nobody else is at it before.
    InOrder,
    /// It is another's, or may be: nothing more is written.
    AtOnce,
}

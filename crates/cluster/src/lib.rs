//! Who owns which partitions of a log that several nodes share, and where to send what is for them.
//!
//! Nodes write [`Beat`]s to one ordered topic. What counts is decided by the order alone, so that every reader comes
//! to the same verdict: whose life goes on, who is the coordinator, which assignment is in force. [`Node`] is one
//! node's part in it: a state machine that is told what was read, what became of what it sent and what time it is, and
//! says what to send, open and close. [`Routes`] says where a partition is served.
//!
//! Nothing here waits, reads a clock or knows how a topic is written: `docs/adr/0002-several-owners.md` says what
//! stands around it. What keeps an owner of before from writing is the log's own order of holds, never what is decided
//! here.

mod assignment;
mod coordinator;
mod holdings;
mod node;
mod node_id;
mod pace;
mod partition_group;
mod record;
mod routes;
mod spread;
mod view;

pub use assignment::{Assignment, CoordinatorTerm, Entry, Gone, Holder};
pub use node::{Closing, Identity, Input, Node, Output};
pub use node_id::{Address, AddressError, CallKey, Life, NameError, NodeId, NodeName};
pub use pace::{Pace, PaceError};
pub use partition_group::{CountError, PartitionGroup, PartitionGroups};
pub use record::{Beat, Held, HeldState, RECORD_BYTES_MAX, RecordError};
pub use routes::{Route, Routes, Unrouted};
pub use view::{MEMBERS_MAX, Member, View};

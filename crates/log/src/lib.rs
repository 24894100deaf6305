//! The durable partitioned log.
//!
//! [`PartitionLog`] is the contract that every engine keeps; the conformance suite (feature
//! `test-util`) is the same list of cases for all of them. The embedded engine stores groups of
//! blocks in journals of segment files; `docs/spec/log-format.md` is its byte table.

#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
#[cfg(any(test, feature = "test-util"))]
pub mod corruption;
#[cfg(any(test, feature = "test-util"))]
pub mod crash_states;
pub mod disk;
mod embedded;
#[cfg(any(test, feature = "test-util"))]
pub mod fake_disk;
mod memory;
pub mod migration;
mod partition_log;

pub use disk::SystemDisk;
pub use embedded::parts;
pub use embedded::{
    CheckError, CheckReport, ClosedLog, DamagedRange, EmbeddedLog, EmbeddedOptions, Inspection,
    OpenError, Origin, Records, check, inspect,
};
#[cfg(any(test, feature = "test-util"))]
pub use embedded::{Noted, Sabotage, StillLog};
pub use memory::MemoryLog;
pub use partition_log::{
    AppendError, Bounds, Caps, CommitError, Journal, Lease, LeaseError, PartitionLog, Pending,
    PendingError, Pressure, ReadError, Retention, Table, TableChange, TopicError, TopicSpec,
};

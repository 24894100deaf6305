//! A service that is one node of several: it stands by until it is granted the log, and again when it lost it.
//!
//! What is decided is decided by `tidings_cluster::Node`; here is what stands around it: the clock, the members' topic,
//! the stages over the log, and the doors with and without them.

mod board;
mod driver;
mod holding;
mod members;

pub(crate) use driver::Driver;

//! The whole stage over the log in memory: publish, consume, ack, crash, again.

mod failing;
mod pulling;
mod resuming;
mod rig;
mod streaming;
mod values;

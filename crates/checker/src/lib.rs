//! Gives the verdict on the delivery promise from histories that clients wrote.
//!
//! A history ([`history`]) is what producers and consumers saw, one JSON record a line, written by
//! them and never by the service. [`invariants`] holds one file per invariant; [`verdict`] runs
//! them all and says valid, violated (with the smallest offending slice) or vacuous: a run in which
//! nothing happened proves nothing. [`streaming`] does so while the history is written, and forgets
//! what is finished.

pub mod history;
pub mod invariants;
pub mod model;
pub mod streaming;
pub mod verdict;

pub use history::{History, HistoryError, HistoryWriter, Op, Record};
pub use model::Model;
pub use streaming::Streaming;
pub use verdict::{Report, Thresholds, Verdict, Violation, judge};

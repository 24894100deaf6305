//! What the service finds out by reading its own log, and tells like any other producer.
//!
//! Interval completeness: which instruments have published for each venue, timeframe and interval,
//! marked by an event once all that are expected have, or at the deadline with the missing names.
//! What is decided is decided by a pure state machine (`tracker`); a thin shell (`follow`) reads
//! the log, keeps time and publishes. `docs/spec/intervals.md` states what is promised.
//!
//! Summaries: one event per instrument and bar that sums up its last values, where declared.
//!
//! Traces: what became of one event in every subscription that existed at its time, from the
//! settlements and the revisions that were in force.

mod glance;
mod intervals;
mod journals;
mod publish;
#[cfg(test)]
mod rig;
mod summaries;
mod trace;

pub use intervals::{
    Declared, ExpectedFrom, IntervalError, IntervalSettings, IntervalState, IntervalStatus,
    Intervals, IntervalsParts,
};
pub use publish::Publish;
pub use summaries::{Composed, Summaries, SummariesParts, SummarySettings, Values};
pub use trace::{Candidate, Fate, LookedFor, Traced, TracedEvent, Traces};

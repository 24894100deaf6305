//! Which subscriptions an event is for. Pure: no I/O, no clock, no async.
//!
//! A subscription names topics by a [`TopicPattern`] and may have a [`Filter`] on the events in
//! them; an [`Index`] finds for an event, or for all events of a block, whose filters it passes.

mod index;
mod pattern;
mod rule;

pub use index::{Index, Matches, Run};
pub use pattern::TopicPattern;
pub use rule::{Filter, Pin, Pinned};

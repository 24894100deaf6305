//! Which subscriptions an event is for. Pure: no I/O, no clock, no async.

mod pattern;

pub use pattern::TopicPattern;

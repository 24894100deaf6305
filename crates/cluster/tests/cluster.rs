//! Whole clusters in one thread: nodes, the topic they write to, and the logs they own, under simulated time.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "cluster/any.rs"]
mod any;
#[path = "cluster/story.rs"]
mod story;
#[path = "cluster/world.rs"]
mod world;

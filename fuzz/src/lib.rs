//! Every parser of outside bytes as a [`Target`]: a function of any bytes that panics when what
//! must hold does not.
//!
//! "It did not crash" is the least of it. A text that is accepted must be written the same again,
//! two readers of one form must agree, and a damaged log must never serve a byte that was not
//! stored. Each target runs three ways: its corpus and some thousand mutations of it with the
//! tests (`tests/corpora.rs`), for as long as one likes with `cargo xtask fuzz`, and guided by
//! coverage from `guided/`.
#![expect(clippy::expect_used, clippy::panic, reason = "a target fails by panicking")]

mod mutate;
mod target;
mod targets;

pub use mutate::Mutator;
pub use target::{Target, corpus, hunt};
pub use targets::TARGETS;

//! The one end-to-end test binary: the real executable, driven as users drive it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod bad_input;
mod command_line;
mod crash;
mod damage;
mod demo;
mod fixture;
mod guide;
mod order;
mod rest;
mod road;

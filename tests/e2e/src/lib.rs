//! The harness of the end-to-end tests: the real executable in a directory of its own, started,
//! killed, stopped, and awaited by what it says, never by time.
#![expect(clippy::expect_used, reason = "a harness fails its test by panicking")]

mod events;
mod executable;
mod server;

pub use events::{TestEvent, indicator};
pub use executable::{Finished, executable, run, run_with_input};
pub use server::Server;

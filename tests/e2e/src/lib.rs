//! The harness of the end-to-end tests: the real executable in a directory of its own, started,
//! killed, stopped, and awaited by what it says, never by time.
#![expect(clippy::expect_used, reason = "a harness fails its test by panicking")]

mod chronicle;
mod desk;
mod engine;
mod events;
mod executable;
mod http;
mod limit;
pub mod mixed;
mod pulsar;
mod server;
mod settlements;
mod shim;
mod stored;
mod tmpfs;
pub mod toolchain;
mod watching;
mod witness;

pub use chronicle::Chronicle;
pub use desk::{Desk, Pulled};
pub use engine::Engine;
pub use events::{TestEvent, heavy_indicator, indicator, indicator_json, without_source};
pub use executable::{Finished, example, executable, finish, run, run_with_input};
pub use http::{Answer, ask, send_raw, until, until_ready_is};
pub use limit::soon;
pub use pulsar::{OwnPulsar, Pulsar};
pub use server::{Ended, Server};
pub use settlements::settlements;
pub use shim::{Call, Fault, Shim, Wall};
pub use stored::{record_stored, trims};
pub use tidings_checker::Thresholds;
pub use tmpfs::Tmpfs;
pub use watching::{metric, resident};
pub use witness::{Witness, subscribe};

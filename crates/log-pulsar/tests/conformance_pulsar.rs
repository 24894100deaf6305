//! The log on Pulsar passes every case of the contract, and faults of its own, on a real broker.
//!
//! A standalone broker on its usual ports will do. Without one nothing is tested, and that is said aloud.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conformance_pulsar/copied.rs"]
mod copied;
#[path = "conformance_pulsar/faults.rs"]
mod faults;
#[path = "conformance_pulsar/gate.rs"]
mod gate;
#[path = "conformance_pulsar/granted.rs"]
mod granted;
#[path = "conformance_pulsar/members.rs"]
mod members;
#[path = "conformance_pulsar/outlets.rs"]
mod outlets;
#[path = "conformance_pulsar/rig.rs"]
mod rig;

mod cases {
    tidings_log::conformance!(
        crate::rig::OnPulsar::new().await,
        if crate::rig::is_there()
    );
}

//! Every kind of subscription at once, consumed and published to while the service may be killed:
//! what the kill test of this crate and the torture program share.

mod drain;
mod kinds;
mod load;
mod members;
mod pulling;

use std::time::Duration;

pub use drain::drain;
pub use kinds::{KINDS, Kind};
pub use load::{Load, Producer, foretell};
pub use members::attach;

/// What the subscriptions are to.
pub const TOPICS: &[&str] = &["analysis/**"];

/// After this long without anything new a consumer asks whether that was all.
const QUIET: Duration = Duration::from_millis(100);

/// A number that looks like none before it.
#[must_use]
pub fn random(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

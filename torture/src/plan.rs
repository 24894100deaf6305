//! What a part is told: how long, where, with which binary, and from which seed.

use std::path::PathBuf;
use std::time::Duration;

/// The order to a part.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// All that a part leaves to chance is drawn from it.
    pub(crate) seed: u64,
    /// How long to go on; a part ends the run that it is in.
    pub(crate) time: Duration,
    /// The service's binary.
    pub(crate) server: PathBuf,
    /// A directory of the part's own, which may hold what an earlier run left.
    pub(crate) dir: PathBuf,
}

/// What each of so many parts has of some minutes.
pub(crate) fn share(minutes: f64, parts: usize) -> Duration {
    let seconds = (minutes * 60.0).clamp(0.0, 7.0 * 86_400.0);
    Duration::from_secs_f64(seconds) / u32::try_from(parts.max(1)).unwrap_or(u32::MAX)
}

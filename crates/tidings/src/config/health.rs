//! From when on a subscription is not well, by the configuration.

use std::time::Duration;

use tidings_deliver::Thresholds;

use super::written::WrittenHealth;
use super::{ConfigError, at_least_one};

/// Checks the section.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn thresholds(written: &WrittenHealth) -> Result<Thresholds, ConfigError> {
    at_least_one("health.stalled_after_seconds", written.stalled_after_seconds)?;
    at_least_one("health.lagging_after_seconds", written.lagging_after_seconds)?;
    at_least_one("health.calm_after_seconds", written.calm_after_seconds)?;
    Ok(Thresholds {
        stalled_after: Duration::from_secs(written.stalled_after_seconds),
        lagging_after: Duration::from_secs(written.lagging_after_seconds),
        calm_after: Duration::from_secs(written.calm_after_seconds),
    })
}

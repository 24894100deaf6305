//! What the service sums up itself, by the configuration.

use std::time::Duration;

use tidings_event::topic_name::DEFAULT_TENANT;
use tidings_insight::{Composed, SummarySettings};

use super::ConfigError;
use super::intervals::{NOT_INSTRUMENTS, are_instruments, place};
use super::layers::invalid;
use super::written::{WrittenComposed, WrittenSummaries};

/// Longest wait for a bar's other indicators.
const DELAY_MS_MAX: u64 = 60_000;

/// Checks the section.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn settings(written: &WrittenSummaries) -> Result<SummarySettings, ConfigError> {
    if written.delay_ms > DELAY_MS_MAX {
        let (key, value) = ("summaries.delay_ms", written.delay_ms.to_string());
        return Err(ConfigError::Value { key, value, rule: "it must be 0 to 60000" });
    }
    super::at_least_one("summaries.anomaly_window_seconds", written.anomaly_window_seconds)?;
    let composed = written.composed.iter().enumerate().map(|(at, one)| read(at, one));
    Ok(SummarySettings {
        composed: composed.collect::<Result<_, _>>()?,
        delay: Duration::from_millis(written.delay_ms),
        anomaly_window: Duration::from_secs(written.anomaly_window_seconds),
        ..SummarySettings::default()
    })
}

fn read(at: usize, written: &WrittenComposed) -> Result<Composed, ConfigError> {
    let wrong = |problem: &str| invalid(format!("summaries.composed[{at}]"), problem);
    let venue = place(&written.venue, &written.timeframe).map_err(wrong)?;
    if !are_instruments(&written.instruments) {
        return Err(wrong(NOT_INSTRUMENTS));
    }
    if !are_instruments(&written.matrices) {
        return Err(wrong("a matrix id has 1 to 50 bytes"));
    }
    Ok(Composed {
        tenant: DEFAULT_TENANT.to_owned(),
        venue: venue.to_owned(),
        timeframe: written.timeframe.clone(),
        instruments: written.instruments.iter().cloned().collect(),
        matrices: written.matrices.clone(),
    })
}

//! What composing is configured with.

use std::collections::BTreeSet;
use std::time::Duration;

/// Settings of composing.
#[derive(Clone, Debug)]
pub struct SummarySettings {
    /// What is composed.
    pub composed: Vec<Composed>,
    /// From a bar's first finished indicators to its summary.
    pub delay: Duration,
    /// How far back anomalies count as open.
    pub anomaly_window: Duration,
    /// Most summaries due at a time; a bar above it gets none, and is counted.
    pub due_max: usize,
}

impl Default for SummarySettings {
    fn default() -> Self {
        Self {
            composed: Vec::new(),
            delay: Duration::from_millis(50),
            anomaly_window: Duration::from_secs(3_600),
            due_max: 100_000,
        }
    }
}

/// Whose summaries are composed: of one tenant, venue and timeframe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Composed {
    /// Whose events.
    pub tenant: String,
    /// Venue; `XXXX` for events without one.
    pub venue: String,
    /// Timeframe.
    pub timeframe: String,
    /// Which instruments; empty: all.
    pub instruments: BTreeSet<String>,
    /// Correlation matrices that an instrument's correlations are taken from.
    pub matrices: Vec<String>,
}

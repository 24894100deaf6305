//! What the catalog is configured with.

use std::time::Duration;

use tidings_log::Retention;

/// Settings of the catalog.
#[derive(Clone, Debug)]
pub struct CatalogSettings {
    /// Values of `{timeframe}` for which templates make topics.
    pub timeframes: Vec<String>,
    /// Partitions of a topic that nobody chose them for.
    pub partitions: u32,
    /// Retention of a topic that nobody chose it for.
    pub retention: Retention,
    /// Most topics of a tenant.
    pub topics_max: usize,
    /// Most subscriptions of a tenant.
    pub subscriptions_max: usize,
    /// Most indicator names of a tenant that have a registered definition.
    pub definitions_max: usize,
}

const TIMEFRAMES: [&str; 21] = [
    "1s", "5s", "10s", "15s", "30s", "1m", "2m", "3m", "5m", "10m", "15m", "30m", "1h", "2h", "4h",
    "6h", "8h", "12h", "1d", "1w", "1mo",
];

impl Default for CatalogSettings {
    fn default() -> Self {
        Self {
            timeframes: TIMEFRAMES.map(str::to_owned).to_vec(),
            partitions: 16,
            retention: Retention { age: Duration::from_secs(7 * 86_400), bytes: None },
            topics_max: 1_000,
            subscriptions_max: 10_000,
            definitions_max: 10_000,
        }
    }
}

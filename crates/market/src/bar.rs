//! Bars, and the series they belong to.

use tidings_event::Timestamp;

use crate::Timeframe;

/// One OHLCV bar. All numbers are finite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Inclusive start.
    pub start: Timestamp,
    /// Exclusive end.
    pub end: Timestamp,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded amount; may be fractional, 0 where the source has none.
    pub volume: f64,
}

/// Whose bars: one instrument at one venue in one timeframe.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Series {
    /// Instrument, 1..=50 bytes.
    pub instrument: String,
    /// ISO 10383 MIC; empty where unknown.
    pub venue: String,
    /// Length of a bar.
    pub timeframe: Timeframe,
}

//! What completeness is configured with.

use std::time::Duration;

use tidings_event::v1;

/// Settings of completeness.
#[derive(Clone, Debug)]
pub struct IntervalSettings {
    /// Lists of who is expected, by venue and timeframe.
    pub declared: Vec<Declared>,
    /// Of how many past intervals others' expectations are learned; 0 learns nothing, and then only
    /// declared venues and timeframes are followed.
    pub learn_from: usize,
    /// In how many of them an instrument must have published to be expected, at least 1.
    pub learn_least: usize,
    /// How long after its end, or after its first event where that is later, an interval is marked
    /// although instruments are missing.
    pub deadline: Duration,
    /// Most intervals kept, of all venues and timeframes; above it the oldest goes.
    pub intervals_max: usize,
    /// Most names of instruments kept, each counted once a venue and timeframe.
    pub instruments_max: usize,
    /// Time between two checkpoints.
    pub checkpoint_every: Duration,
}

impl Default for IntervalSettings {
    fn default() -> Self {
        Self {
            declared: Vec::new(),
            learn_from: 3,
            learn_least: 1,
            deadline: Duration::from_secs(30),
            intervals_max: 4_096,
            instruments_max: 500_000,
            checkpoint_every: Duration::from_secs(5),
        }
    }
}

/// Who is expected to publish each interval of one venue and timeframe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Whose events.
    pub tenant: String,
    /// Venue; empty means `XXXX`.
    pub venue: String,
    /// Timeframe.
    pub timeframe: String,
    /// Instruments.
    pub instruments: Vec<String>,
}

/// Where an expectation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedFrom {
    /// A list in the configuration.
    Declared,
    /// The last intervals.
    Learned,
}

impl ExpectedFrom {
    /// As on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Declared => "DECLARED",
            Self::Learned => "LEARNED",
        }
    }
}

impl From<ExpectedFrom> for v1::ExpectedFrom {
    fn from(from: ExpectedFrom) -> Self {
        match from {
            ExpectedFrom::Declared => Self::Declared,
            ExpectedFrom::Learned => Self::Learned,
        }
    }
}

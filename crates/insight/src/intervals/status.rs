//! What anyone may ask about the intervals that are kept.

use tidings_event::Timestamp;

use super::mark::IntervalKey;
use super::settings::ExpectedFrom;
use super::tracker::Tracker;

/// Most names of missing instruments shown.
const MISSING_SHOWN: usize = 100;

/// Where an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalState {
    /// Instruments are awaited.
    Open,
    /// All that are expected have published.
    Complete,
    /// The deadline passed, and instruments are still missing.
    Incomplete,
    /// It ended without anyone being expected: nothing was learned yet.
    Unknown,
}

impl IntervalState {
    /// As on every wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Complete => "complete",
            Self::Incomplete => "incomplete",
            Self::Unknown => "unknown",
        }
    }
}

/// One interval that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntervalStatus {
    /// Its venue.
    pub venue: String,
    /// Its timeframe.
    pub timeframe: String,
    /// Inclusive start.
    pub start: Timestamp,
    /// Exclusive end.
    pub end: Timestamp,
    /// Where it is.
    pub state: IntervalState,
    /// How many instruments are expected, as far as is known.
    pub expected: u32,
    /// How many of them have published.
    pub published: u32,
    /// The first of those that have not, by name.
    pub missing: Vec<String>,
    /// Where the expectation comes from.
    pub from: ExpectedFrom,
    /// When its first event was taken in.
    pub first_at: Timestamp,
    /// Revision of the last mark that is stored.
    pub revision: Option<u16>,
}

impl Tracker {
    /// Every interval of a tenant that is kept, sorted.
    pub(crate) fn keys(&self, tenant: &str) -> Vec<IntervalKey> {
        let series = self.series.iter().flatten().filter(|series| series.tenant == tenant);
        let keys = series.flat_map(|series| {
            series.intervals.keys().map(|&start| IntervalKey {
                tenant: tenant.to_owned(),
                venue: series.venue.clone(),
                timeframe: series.timeframe.clone(),
                start,
            })
        });
        let mut keys: Vec<IntervalKey> = keys.collect();
        keys.sort_unstable();
        keys
    }

    /// How an interval is doing; `None` when it is not kept.
    pub(crate) fn status(&mut self, key: &IntervalKey) -> Option<IntervalStatus> {
        let (at, start) = self.find(key)?;
        let series = self.series.get(at)?.as_ref()?;
        let interval = series.intervals.get(&start)?;
        let expected = match &interval.settled {
            Some(settled) => settled.clone(),
            None => series.expected(start, &self.settings),
        };
        let published = expected.shared(&interval.published);
        let state = match (&interval.settled, expected.len()) {
            (None, _) => IntervalState::Open,
            (Some(_), 0) => IntervalState::Unknown,
            (Some(_), all) if all == published => IntervalState::Complete,
            _ => IntervalState::Incomplete,
        };
        Some(IntervalStatus {
            venue: series.venue.clone(),
            timeframe: series.timeframe.clone(),
            start: Timestamp(start),
            end: Timestamp(interval.end),
            state,
            expected: expected.len(),
            published,
            missing: series.missing(&expected, &interval.published, MISSING_SHOWN),
            from: series.from(),
            first_at: interval.first,
            revision: interval.stored.map(|said| said.revision),
        })
    }
}

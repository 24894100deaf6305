//! Interval completeness.

use serde::Serialize;
use utoipa::ToSchema;

/// Who has published for one interval of a venue and timeframe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IntervalDocument {
    /// Venue; `XXXX` where events name none.
    pub venue: String,
    /// Timeframe.
    pub timeframe: String,
    /// Inclusive start.
    pub interval_start: String,
    /// Exclusive end.
    pub interval_end: String,
    /// `open`, `complete`, `incomplete` (the deadline passed) or `unknown` (nobody was expected).
    pub state: String,
    /// How many instruments are expected, as far as is known.
    pub expected: u32,
    /// How many of them have published.
    pub published: u32,
    /// Expected and not published: by name, the first 100.
    pub missing: Vec<String>,
    /// `DECLARED` or `LEARNED`.
    pub expected_from: String,
    /// When its first event was taken in.
    pub first_at: String,
    /// Revision of the last mark that is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u16>,
}

/// A part of the list of intervals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IntervalListDocument {
    /// Sorted by venue, timeframe and start.
    pub intervals: Vec<IntervalDocument>,
    /// Cursor of the next part, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

//! A mark: what the service says about an interval, and the event that says it.

use std::time::Duration;

use tidings_event::key::NO_VENUE;
use tidings_event::v1::{self, Kind, event::Payload};
use tidings_event::{Timestamp, encode, foreign_event_id};
use tidings_telemetry::{Counter, Latency, Recorder};

use super::settings::ExpectedFrom;
use crate::publish::{SOURCE, Saying};

/// Most names of missing instruments in a mark.
pub(crate) const MISSING_MAX: usize = 1_000;

/// Which interval.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct IntervalKey {
    pub(crate) tenant: String,
    pub(crate) venue: String,
    pub(crate) timeframe: String,
    pub(crate) start: u64,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) key: IntervalKey,
    pub(crate) end: u64,
    pub(crate) revision: u16,
    pub(crate) expected: u32,
    /// Of the expected ones.
    pub(crate) published: u32,
    /// Expected and not published, sorted, the first [`MISSING_MAX`].
    pub(crate) missing: Vec<String>,
    pub(crate) from: ExpectedFrom,
    /// When the newest event behind it was taken in.
    pub(crate) newest: Timestamp,
}

impl Saying for Mark {
    fn tenant(&self) -> &str {
        &self.key.tenant
    }

    fn event(&self, now: Timestamp) -> Vec<u8> {
        let id = mark_id(&self.key, self.revision);
        let venue = &*self.key.venue;
        encode(&v1::Event {
            id: id.to_vec().into(),
            source: SOURCE.to_owned(),
            kind: Kind::IntervalComplete.into(),
            venue: if venue == NO_VENUE { String::new() } else { venue.to_owned() },
            timeframe: self.key.timeframe.clone(),
            interval_start: self.key.start,
            interval_end: self.end,
            produced_at: now.0,
            revision: self.revision.into(),
            payload: Some(Payload::IntervalComplete(v1::IntervalComplete {
                expected: self.expected,
                published: self.published,
                missing: self.missing.clone(),
                expected_from: v1::ExpectedFrom::from(self.from).into(),
            })),
            ..v1::Event::default()
        })
    }

    fn stored(&self, recorder: &Recorder, now: Timestamp) {
        recorder.count(Counter::InsightMarks, 1);
        if self.expected == self.published {
            let took = now.0.saturating_sub(self.newest.0);
            recorder.time(Latency::InsightMark, Duration::from_nanos(took));
        }
    }

    fn subject(&self) -> String {
        format!("interval {}/{}/{}", self.key.venue, self.key.timeframe, self.key.start)
    }
}

/// The same for the same interval and revision, always: what is published again is a repeat.
pub(crate) fn mark_id(key: &IntervalKey, revision: u16) -> [u8; 16] {
    let IntervalKey { tenant, venue, timeframe, start } = key;
    foreign_event_id(SOURCE, &format!("interval/{tenant}/{venue}/{timeframe}/{start}/{revision}"))
}

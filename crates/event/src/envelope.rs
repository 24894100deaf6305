//! What the service reads out of an event to place it: borrowed from the event's own bytes.

use std::ops::Range;

use crate::key::KeyHash;
use crate::time::Timestamp;
use crate::v1::{CorrelationKind, Kind, Severity};

/// The envelope of one event, checked, borrowed from its canonical bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope<'a> {
    /// Event id.
    pub id: [u8; 16],
    /// Producing service.
    pub source: &'a str,
    /// What the event reports.
    pub kind: Kind,
    /// `major.minor`; empty means 1.0.
    pub schema_version: &'a str,
    /// Instrument; empty for correlations and interval marks.
    pub instrument: &'a str,
    /// Venue as written; empty means `XXXX`.
    pub venue: &'a str,
    /// Timeframe; empty where the kind needs none.
    pub timeframe: &'a str,
    /// Inclusive start of the bar; 0 where absent.
    pub interval_start: Timestamp,
    /// Exclusive end of the bar; 0 where absent.
    pub interval_end: Timestamp,
    /// The producer's clock.
    pub produced_at: Timestamp,
    /// Producer's own count per key.
    pub key_seq: Option<u64>,
    /// 0-9.
    pub priority: u8,
    /// 0..=1.
    pub confidence: Option<f64>,
    /// Of an anomaly.
    pub severity: Severity,
    /// False for an unfinished bar.
    pub is_final: bool,
    /// A higher one supersedes.
    pub revision: u16,
    /// Stale after this; 0 means never.
    pub expires_at: Timestamp,
    /// Origin region; may be empty.
    pub region: &'a str,
    /// W3C trace context; may be empty.
    pub traceparent: &'a str,
    /// Matrix or cluster id; empty but for correlations.
    pub matrix_id: &'a str,
    /// Of a correlation.
    pub correlation_kind: CorrelationKind,
    /// Whether an indicator in it carries the hash of its definition.
    pub has_definitions: bool,
    /// Where the payload message lies in the event's bytes.
    pub payload: Range<usize>,
}

impl Envelope<'_> {
    /// Nothing read yet.
    #[inline]
    pub(crate) fn empty() -> Self {
        Self {
            id: [0; 16],
            source: "",
            kind: Kind::Unspecified,
            schema_version: "",
            instrument: "",
            venue: "",
            timeframe: "",
            interval_start: Timestamp(0),
            interval_end: Timestamp(0),
            produced_at: Timestamp(0),
            key_seq: None,
            priority: 0,
            confidence: None,
            severity: Severity::Unspecified,
            is_final: true,
            revision: 0,
            expires_at: Timestamp(0),
            region: "",
            traceparent: "",
            matrix_id: "",
            correlation_kind: CorrelationKind::Unspecified,
            has_definitions: false,
            payload: 0..0,
        }
    }

    /// Hash of the partition key.
    #[must_use]
    pub fn key_hash(&self) -> KeyHash {
        if self.kind == Kind::Correlation {
            KeyHash::of_matrix(self.matrix_id)
        } else {
            KeyHash::of_instrument(self.venue, self.instrument)
        }
    }

    /// `high`, `medium`, `low` or `unrated`: the topic segment of the confidence.
    #[must_use]
    pub fn confidence_tier(&self) -> &'static str {
        match self.confidence {
            None => "unrated",
            Some(c) if c >= 0.80 => "high",
            Some(c) if c >= 0.60 => "medium",
            Some(_) => "low",
        }
    }

    /// The value of a topic template's placeholder, lower case; `None` for a placeholder that does
    /// not exist.
    #[must_use]
    pub fn template_value(&self, placeholder: &str) -> Option<&str> {
        Some(match placeholder {
            "timeframe" => self.timeframe,
            "confidence_tier" => self.confidence_tier(),
            "severity" => match self.severity {
                Severity::Unspecified => "unrated",
                Severity::Low => "low",
                Severity::Medium => "medium",
                Severity::High => "high",
                Severity::Critical => "critical",
            },
            "correlation_kind" => match self.correlation_kind {
                CorrelationKind::Unspecified => "unrated",
                CorrelationKind::Full => "full",
                CorrelationKind::Cluster => "cluster",
                CorrelationKind::Pairs => "pairs",
            },
            _ => return None,
        })
    }
}

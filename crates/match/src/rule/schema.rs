//! The names that a filter may use, what they are, and where in an event they lie.

use tidings_event::v1::Kind;

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Bool,
    Number,
    Text,
    Time,
    Duration,
    Id,
    /// One of a few names.
    Choice(&'static Choices),
    /// A list of texts.
    Texts,
}

impl PartialEq for Type {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Choice(mine), Self::Choice(theirs)) => mine.what == theirs.what,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Type {
    /// For people.
    pub(super) fn what(self) -> &'static str {
        match self {
            Self::Bool => "a condition",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::Time => "a time",
            Self::Duration => "a duration",
            Self::Id => "an event id",
            Self::Choice(choices) => choices.what,
            Self::Texts => "a list of texts",
        }
    }
}

/// The names of an enum: the first has number 1.
#[derive(Debug)]
pub(super) struct Choices {
    pub what: &'static str,
    pub names: &'static [&'static str],
    /// Whether `<` means something.
    pub is_ordered: bool,
}

impl Choices {
    pub(super) fn name(&self, number: u8) -> &'static str {
        self.names.get(usize::from(number).wrapping_sub(1)).copied().unwrap_or_default()
    }

    pub(super) fn number(&self, name: &str) -> Option<u8> {
        let index = self.names.iter().position(|known| *known == name)?;
        u8::try_from(index + 1).ok()
    }
}

static KINDS: Choices = Choices {
    what: "a kind",
    names: &["INDICATORS", "PATTERNS", "ANOMALY", "CORRELATION", "SUMMARY", "INTERVAL_COMPLETE"],
    is_ordered: false,
};
static SEVERITIES: Choices =
    Choices { what: "a severity", names: &["LOW", "MEDIUM", "HIGH", "CRITICAL"], is_ordered: true };
static TIERS: Choices = Choices {
    what: "a confidence tier",
    names: &["unrated", "low", "medium", "high"],
    is_ordered: true,
};
static CORRELATION_KINDS: Choices =
    Choices { what: "a correlation kind", names: &["FULL", "CLUSTER", "PAIRS"], is_ordered: false };
static VALUE_STATUSES: Choices = Choices {
    what: "a value's status",
    names: &["OK", "WARMING_UP", "NO_DATA", "STALE", "ERROR"],
    is_ordered: false,
};
static PATTERN_STATUSES: Choices = Choices {
    what: "a pattern's status",
    names: &["FORMING", "COMPLETED", "BROKEN"],
    is_ordered: false,
};
static EXPECTATIONS: Choices =
    Choices { what: "an expectation's origin", names: &["DECLARED", "LEARNED"], is_ordered: false };

/// A name of the language that stands by itself.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: &'static str,
    pub of: Type,
    pub place: Place,
}

/// Where in an event a value lies.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the envelope.
    Envelope(Field),
    /// `targets`: in the event beside the envelope.
    Targets,
    /// In the payload of this kind, through messages to a field.
    Payload(Kind, &'static [u32], Presence),
    /// In the pattern that is being judged.
    Pattern(u32, Presence),
}

/// When a field of a payload counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// When it is not written.
    Explicit,
    /// When its message is: a number or flag that is not written is 0 or false. Texts, enums and
    /// times that are not written are absent.
    Implicit,
}

/// A field of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Source,
    Kind,
    SchemaVersion,
    Instrument,
    Venue,
    Timeframe,
    IntervalStart,
    IntervalEnd,
    ProducedAt,
    KeySeq,
    Priority,
    Confidence,
    ConfidenceTier,
    Severity,
    IsFinal,
    Revision,
    ExpiresAt,
    Region,
    Traceparent,
    MatrixId,
    CorrelationKind,
}

/// A field of one entry of `values`.
#[derive(Debug)]
pub(super) struct Part {
    pub name: &'static str,
    pub of: Type,
    pub number: u32,
}

/// What an entry of `values` has; the number itself first, which needs no name.
pub(super) static PARTS: [Part; 4] = [
    Part { name: "value", of: Type::Number, number: 1 },
    Part { name: "status", of: Type::Choice(&VALUE_STATUSES), number: 2 },
    Part { name: "signal", of: Type::Text, number: 3 },
    Part { name: "confidence", of: Type::Number, number: 4 },
];

/// A map of numbers in a summary.
#[derive(Debug)]
pub(super) struct Figures {
    pub name: &'static str,
    pub number: u32,
}

/// The maps of a summary.
pub(super) static FIGURES: [Figures; 3] = [
    Figures { name: "indicators", number: 2 },
    Figures { name: "correlations", number: 3 },
    Figures { name: "risk", number: 4 },
];

const fn envelope(name: &'static str, of: Type, field: Field) -> Entry {
    Entry { name, of, place: Place::Envelope(field) }
}

const fn payload(name: &'static str, of: Type, kind: Kind, path: &'static [u32]) -> Entry {
    Entry { name, of, place: Place::Payload(kind, path, Presence::Implicit) }
}

const fn optional(name: &'static str, of: Type, kind: Kind, path: &'static [u32]) -> Entry {
    Entry { name, of, place: Place::Payload(kind, path, Presence::Explicit) }
}

const fn pattern(name: &'static str, of: Type, number: u32, presence: Presence) -> Entry {
    Entry { name, of, place: Place::Pattern(number, presence) }
}

use Kind::{Anomaly, Correlation, Indicators, IntervalComplete, Summary};
use Presence::{Explicit, Implicit};
use Type::{Bool, Id, Number, Text, Texts, Time};

/// Every name but `labels`, `values` and the maps of a summary.
pub(super) static ENTRIES: &[Entry] = &[
    envelope("id", Id, Field::Id),
    envelope("source", Text, Field::Source),
    envelope("kind", Type::Choice(&KINDS), Field::Kind),
    envelope("schema_version", Text, Field::SchemaVersion),
    envelope("instrument", Text, Field::Instrument),
    envelope("venue", Text, Field::Venue),
    envelope("timeframe", Text, Field::Timeframe),
    envelope("interval_start", Time, Field::IntervalStart),
    envelope("interval_end", Time, Field::IntervalEnd),
    envelope("produced_at", Time, Field::ProducedAt),
    envelope("key_seq", Number, Field::KeySeq),
    envelope("priority", Number, Field::Priority),
    envelope("confidence", Number, Field::Confidence),
    envelope("confidence_tier", Type::Choice(&TIERS), Field::ConfidenceTier),
    envelope("severity", Type::Choice(&SEVERITIES), Field::Severity),
    envelope("is_final", Bool, Field::IsFinal),
    envelope("revision", Number, Field::Revision),
    envelope("expires_at", Time, Field::ExpiresAt),
    envelope("region", Text, Field::Region),
    envelope("traceparent", Text, Field::Traceparent),
    envelope("matrix_id", Text, Field::MatrixId),
    envelope("correlation_kind", Type::Choice(&CORRELATION_KINDS), Field::CorrelationKind),
    Entry { name: "targets", of: Texts, place: Place::Targets },
    payload("indicators.bars_used", Number, Indicators, &[2]),
    optional("indicators.completeness", Number, Indicators, &[3]),
    optional("indicators.accuracy", Number, Indicators, &[4]),
    optional("indicators.computation_ms", Number, Indicators, &[5]),
    pattern("pattern.type", Text, 1, Implicit),
    pattern("pattern.status", Type::Choice(&PATTERN_STATUSES), 2, Implicit),
    pattern("pattern.confidence", Number, 3, Explicit),
    pattern("pattern.completion", Number, 4, Explicit),
    pattern("pattern.start", Time, 5, Implicit),
    pattern("pattern.end", Time, 6, Implicit),
    pattern("pattern.target", Number, 8, Explicit),
    pattern("pattern.stop", Number, 9, Explicit),
    pattern("pattern.volume_confirmation", Bool, 10, Explicit),
    pattern("pattern.similar_found", Number, 11, Explicit),
    pattern("pattern.success_rate", Number, 12, Explicit),
    payload("anomaly.type", Text, Anomaly, &[1]),
    payload("anomaly.method", Text, Anomaly, &[2]),
    optional("anomaly.value", Number, Anomaly, &[3]),
    optional("anomaly.expected_min", Number, Anomaly, &[4]),
    optional("anomaly.expected_max", Number, Anomaly, &[5]),
    optional("anomaly.z_score", Number, Anomaly, &[6]),
    optional("anomaly.confidence", Number, Anomaly, &[7]),
    payload("anomaly.description", Text, Anomaly, &[8]),
    payload("anomaly.related_instruments", Texts, Anomaly, &[9]),
    payload("anomaly.causes", Texts, Anomaly, &[10]),
    payload("anomaly.market_condition", Text, Anomaly, &[11]),
    payload("anomaly.impact", Text, Anomaly, &[12]),
    payload("anomaly.actions", Texts, Anomaly, &[13]),
    payload("anomaly.alert_required", Bool, Anomaly, &[14]),
    payload("correlation.method", Text, Correlation, &[3]),
    payload("correlation.window_days", Number, Correlation, &[4]),
    payload("correlation.instruments", Texts, Correlation, &[5]),
    payload("correlation.chunk", Number, Correlation, &[10]),
    payload("correlation.chunks", Number, Correlation, &[11]),
    optional("correlation.avg", Number, Correlation, &[9, 1]),
    optional("correlation.max", Number, Correlation, &[9, 2]),
    optional("correlation.min", Number, Correlation, &[9, 3]),
    payload("correlation.high_pairs", Number, Correlation, &[9, 4]),
    optional("summary.close", Number, Summary, &[1]),
    payload("summary.open_patterns", Number, Summary, &[5]),
    payload("summary.open_anomalies", Number, Summary, &[6]),
    optional("summary.trend_alignment", Number, Summary, &[7]),
    payload("interval_complete.expected", Number, IntervalComplete, &[1]),
    payload("interval_complete.published", Number, IntervalComplete, &[2]),
    payload("interval_complete.missing", Texts, IntervalComplete, &[3]),
    payload("interval_complete.expected_from", Type::Choice(&EXPECTATIONS), IntervalComplete, &[4]),
];

/// The entry of this name.
pub(super) fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

//! The tables, message by message, in the order of `event.proto`.

use super::Label::{Map, Optional, Plain, Repeated};
use super::Shape::{Bool, Bytes, Double, Float, Id, Message as Nested, Text, Time, Uint32, Uint64};
use super::{Enum, Field, Form, Label, Message, Range, Rule, Shape};

const fn field(number: u32, name: &'static str, label: Label, shape: Shape) -> Field {
    Field { number, name, label, shape, range: Range::Any }
}

/// An optional double within a range.
const fn ranged(number: u32, name: &'static str, range: Range) -> Field {
    Field { number, name, label: Optional, shape: Double, range }
}

static KIND: Enum = Enum {
    name: "Kind",
    names: &[
        (0, "KIND_UNSPECIFIED"),
        (1, "INDICATORS"),
        (2, "PATTERNS"),
        (3, "ANOMALY"),
        (4, "CORRELATION"),
        (5, "SUMMARY"),
        (6, "INTERVAL_COMPLETE"),
        (7, "CLUSTERS"),
        (8, "RISK"),
        (9, "TREND"),
        (10, "CUSTOM"),
    ],
};

static SEVERITY: Enum = Enum {
    name: "Severity",
    names: &[(0, "SEVERITY_UNSPECIFIED"), (1, "LOW"), (2, "MEDIUM"), (3, "HIGH"), (4, "CRITICAL")],
};

static VALUE_STATUS: Enum = Enum {
    name: "ValueStatus",
    names: &[
        (0, "VALUE_STATUS_UNSPECIFIED"),
        (1, "OK"),
        (2, "WARMING_UP"),
        (3, "NO_DATA"),
        (4, "STALE"),
        (5, "ERROR"),
    ],
};

static PATTERN_STATUS: Enum = Enum {
    name: "PatternStatus",
    names: &[(0, "PATTERN_STATUS_UNSPECIFIED"), (1, "FORMING"), (2, "COMPLETED"), (3, "BROKEN")],
};

static CORRELATION_KIND: Enum = Enum {
    name: "CorrelationKind",
    names: &[(0, "CORRELATION_KIND_UNSPECIFIED"), (1, "FULL"), (2, "CLUSTER"), (3, "PAIRS")],
};

static EXPECTED_FROM: Enum = Enum {
    name: "ExpectedFrom",
    names: &[(0, "EXPECTED_FROM_UNSPECIFIED"), (1, "DECLARED"), (2, "LEARNED")],
};

/// The event itself.
pub(crate) static EVENT: Message = Message {
    name: "Event",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "id", Plain, Id),
        field(2, "source", Plain, Text),
        field(3, "kind", Plain, Shape::Enum(&KIND)),
        field(4, "schema_version", Plain, Text),
        field(5, "instrument", Plain, Text),
        field(6, "venue", Plain, Text),
        field(7, "timeframe", Plain, Text),
        field(8, "interval_start", Plain, Time),
        field(9, "interval_end", Plain, Time),
        field(10, "produced_at", Plain, Time),
        field(11, "key_seq", Optional, Uint64),
        field(12, "priority", Plain, Uint32),
        ranged(13, "confidence", Range::Unit),
        field(14, "severity", Plain, Shape::Enum(&SEVERITY)),
        field(15, "is_final", Optional, Bool),
        field(16, "revision", Plain, Uint32),
        field(17, "region", Plain, Text),
        field(18, "traceparent", Plain, Text),
        field(19, "expires_at", Plain, Time),
        field(20, "targets", Repeated, Text),
        field(21, "labels", Map, Nested(&EVENT_LABELS)),
        field(22, "origin_id", Plain, Text),
        field(32, "indicators", Optional, Nested(&INDICATORS)),
        field(33, "patterns", Optional, Nested(&PATTERNS)),
        field(34, "anomaly", Optional, Nested(&ANOMALY)),
        field(35, "correlation", Optional, Nested(&CORRELATION)),
        field(36, "summary", Optional, Nested(&SUMMARY)),
        field(37, "interval_complete", Optional, Nested(&INTERVAL_COMPLETE)),
    ],
};

static EVENT_LABELS: Message = Message {
    name: "Event.LabelsEntry",
    form: Form::Entry,
    rule: Rule::Free,
    fields: &[field(1, "key", Plain, Text), field(2, "value", Plain, Text)],
};

static VALUE: Message = Message {
    name: "Value",
    form: Form::Bare,
    rule: Rule::Reasoned,
    fields: &[
        field(1, "value", Optional, Double),
        field(2, "status", Plain, Shape::Enum(&VALUE_STATUS)),
        field(3, "signal", Plain, Text),
        ranged(4, "confidence", Range::Unit),
        field(5, "definition", Plain, Shape::Bytes),
    ],
};

static INDICATORS: Message = Message {
    name: "Indicators",
    form: Form::Object,
    rule: Rule::Elements,
    fields: &[
        field(1, "values", Map, Nested(&INDICATORS_VALUES)),
        field(2, "bars_used", Plain, Uint32),
        ranged(3, "completeness", Range::Unit),
        ranged(4, "accuracy", Range::Unit),
        field(5, "computation_ms", Optional, Double),
    ],
};

static INDICATORS_VALUES: Message = Message {
    name: "Indicators.ValuesEntry",
    form: Form::Entry,
    rule: Rule::Named,
    fields: &[field(1, "key", Plain, Text), field(2, "value", Optional, Nested(&VALUE))],
};

static KEY_POINT: Message = Message {
    name: "KeyPoint",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "at", Plain, Time),
        field(2, "price", Plain, Double),
        field(3, "label", Plain, Text),
    ],
};

static PATTERN: Message = Message {
    name: "Pattern",
    form: Form::Object,
    rule: Rule::Typed,
    fields: &[
        field(1, "type", Plain, Text),
        field(2, "status", Plain, Shape::Enum(&PATTERN_STATUS)),
        ranged(3, "confidence", Range::Unit),
        ranged(4, "completion", Range::Unit),
        field(5, "start", Plain, Time),
        field(6, "end", Plain, Time),
        field(7, "key_points", Repeated, Nested(&KEY_POINT)),
        field(8, "target", Optional, Double),
        field(9, "stop", Optional, Double),
        field(10, "volume_confirmation", Optional, Bool),
        field(11, "similar_found", Optional, Uint32),
        ranged(12, "success_rate", Range::Unit),
    ],
};

static PATTERNS: Message = Message {
    name: "Patterns",
    form: Form::Only,
    rule: Rule::Elements,
    fields: &[field(1, "patterns", Repeated, Nested(&PATTERN))],
};

static ANOMALY: Message = Message {
    name: "Anomaly",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "type", Plain, Text),
        field(2, "method", Plain, Text),
        field(3, "value", Optional, Double),
        field(4, "expected_min", Optional, Double),
        field(5, "expected_max", Optional, Double),
        field(6, "z_score", Optional, Double),
        ranged(7, "confidence", Range::Unit),
        field(8, "description", Plain, Text),
        field(9, "related_instruments", Repeated, Text),
        field(10, "causes", Repeated, Text),
        field(11, "market_condition", Plain, Text),
        field(12, "impact", Plain, Text),
        field(13, "actions", Repeated, Text),
        field(14, "alert_required", Plain, Bool),
    ],
};

static CORRELATION_PAIR: Message = Message {
    name: "CorrelationPair",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "a", Plain, Text),
        field(2, "b", Plain, Text),
        field(3, "value", Plain, Double),
        field(4, "p_value", Optional, Double),
    ],
};

static CORRELATION_SUMMARY: Message = Message {
    name: "CorrelationSummary",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "avg", Optional, Double),
        field(2, "max", Optional, Double),
        field(3, "min", Optional, Double),
        field(4, "high_pairs", Plain, Uint32),
    ],
};

static CORRELATION: Message = Message {
    name: "Correlation",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "matrix_id", Plain, Text),
        field(2, "kind", Plain, Shape::Enum(&CORRELATION_KIND)),
        field(3, "method", Plain, Text),
        field(4, "window_days", Plain, Uint32),
        field(5, "instruments", Repeated, Text),
        field(6, "triangle", Repeated, Float),
        field(7, "pairs", Repeated, Nested(&CORRELATION_PAIR)),
        field(8, "p_values", Repeated, Float),
        field(9, "summary", Optional, Nested(&CORRELATION_SUMMARY)),
        field(10, "chunk", Plain, Uint32),
        field(11, "chunks", Plain, Uint32),
        field(12, "dataref", Plain, Text),
        field(13, "sha256", Plain, Bytes),
    ],
};

static SUMMARY: Message = Message {
    name: "Summary",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "close", Optional, Double),
        field(2, "indicators", Map, Nested(&SUMMARY_INDICATORS)),
        field(3, "correlations", Map, Nested(&SUMMARY_CORRELATIONS)),
        field(4, "risk", Map, Nested(&SUMMARY_RISK)),
        field(5, "open_patterns", Plain, Uint32),
        field(6, "open_anomalies", Plain, Uint32),
        ranged(7, "trend_alignment", Range::Signed),
        field(8, "as_of", Map, Nested(&SUMMARY_AS_OF)),
    ],
};

static SUMMARY_INDICATORS: Message = Message {
    name: "Summary.IndicatorsEntry",
    form: Form::Entry,
    rule: Rule::Free,
    fields: &[field(1, "key", Plain, Text), field(2, "value", Plain, Double)],
};

static SUMMARY_CORRELATIONS: Message = Message {
    name: "Summary.CorrelationsEntry",
    form: Form::Entry,
    rule: Rule::Free,
    fields: &[field(1, "key", Plain, Text), field(2, "value", Plain, Double)],
};

static SUMMARY_RISK: Message = Message {
    name: "Summary.RiskEntry",
    form: Form::Entry,
    rule: Rule::Free,
    fields: &[field(1, "key", Plain, Text), field(2, "value", Plain, Double)],
};

static SUMMARY_AS_OF: Message = Message {
    name: "Summary.AsOfEntry",
    form: Form::Entry,
    rule: Rule::Free,
    fields: &[field(1, "key", Plain, Text), field(2, "value", Plain, Time)],
};

static INTERVAL_COMPLETE: Message = Message {
    name: "IntervalComplete",
    form: Form::Object,
    rule: Rule::Free,
    fields: &[
        field(1, "expected", Plain, Uint32),
        field(2, "published", Plain, Uint32),
        field(3, "missing", Repeated, Text),
        field(4, "expected_from", Plain, Shape::Enum(&EXPECTED_FROM)),
    ],
};

//! Filters: any text, and any bytes to judge.

use std::sync::LazyLock;

use tidings_event::{Envelope, glance, scan};
use tidings_match::Filter;

use super::{fixtures, texts};

/// Texts that look at everything a filter can look at.
const FILTERS: &[&str] = &[
    r#"instrument in ["AAPL", "MSFT"] && timeframe == "5m" && confidence_tier >= "medium""#,
    r#"values.rsi_14 < 30 || values["macd_12_26_9.line"].signal == "bullish""#,
    r#"severity >= "HIGH" && anomaly.z_score > 3 && size(anomaly.causes) < 2"#,
    r#"pattern.type != "double_top" && (pattern.confidence > 0.5 || pattern.volume_confirmation)"#,
    r#"correlation.avg + 0.1 > correlation.min * 2 || "AAPL" in correlation.instruments"#,
    r#"summary.risk["var_95"] > 0.02 ? summary.open_anomalies > 0 : has(summary.close)"#,
    r#"labels.desk.lowerAscii().startsWith("fx") && "mobile" in targets && !has(region)"#,
    r#"produced_at - interval_end < duration("1.5s") && expires_at > timestamp("2026-01-01T00:00:00Z")"#,
    r#"id != "00000000-0000-0000-0000-000000000000" && is_final == false || key_seq / 2 == 1"#,
    r#"interval_complete.expected - interval_complete.published > 0 && !("x" in interval_complete.missing)"#,
];

/// A text is refused at a place in it, or it has one canonical form, which compiles to the same.
pub(super) fn compile(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Filter::compile(text) {
        Ok(filter) => {
            let again = Filter::compile(filter.canonical()).expect("the canonical form compiles");
            assert_eq!(again.canonical(), filter.canonical(), "{text:?}");
            assert_eq!((again.pins(), again.cost()), (filter.pins(), filter.cost()), "{text:?}");
            assert_eq!(filter.text(), text);
        }
        Err(refusal) => {
            let at = refusal.offset.expect("a refused filter says where");
            assert!(at <= text.len() as u64, "{text:?}: {at}");
        }
    }
}

pub(super) fn compile_seeds() -> Vec<Vec<u8>> {
    texts(FILTERS)
}

/// Judging ends, whatever the bytes are; of accepted ones a glance sees what the scanner sees, and
/// who passes is of what the filter pins.
pub(super) fn judge(input: &[u8]) {
    static COMPILED: LazyLock<Vec<Filter>> = LazyLock::new(|| {
        FILTERS.iter().map(|text| Filter::compile(text).expect("it is of the language")).collect()
    });
    let scanned = scan(input).ok().map(|scanned| Envelope { has_definitions: false, ..scanned });
    let glanced = glance(input);
    if scanned.is_some() {
        assert_eq!(glanced, scanned);
    }
    let Some(envelope) = glanced else { return };
    for filter in COMPILED.iter().filter(|filter| filter.matches(&envelope, input)) {
        for pin in filter.pins() {
            let has = pin.field.value(&envelope).expect("what is pinned is there");
            assert!(pin.values.iter().any(|value| **value == *has), "{filter}: {has}");
        }
    }
}

pub(super) fn judge_seeds() -> Vec<Vec<u8>> {
    fixtures("event", "bin")
}

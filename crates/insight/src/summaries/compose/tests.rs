//! What each field of a summary is made of.

use tidings_event::v1::{self, Kind, PatternStatus, event::Payload};
use tidings_event::{Timestamp, encode};

use super::{Parts, cell, compose};

fn event(kind: Kind, payload: Payload) -> bytes::Bytes {
    let event = v1::Event {
        kind: kind.into(),
        interval_end: 60,
        produced_at: 70,
        payload: Some(payload),
        ..v1::Event::default()
    };
    encode(&event).into()
}

fn values(all: &[(&str, Option<f64>, &str)]) -> bytes::Bytes {
    let value = |&(name, value, signal): &(&str, Option<f64>, &str)| {
        (name.to_owned(), v1::Value { value, signal: signal.to_owned(), ..v1::Value::default() })
    };
    let values = all.iter().map(value).collect();
    event(Kind::Indicators, Payload::Indicators(v1::Indicators { values, ..Default::default() }))
}

#[test]
fn values_become_indicators_close_and_trend() {
    let indicators = values(&[
        ("close", Some(101.5), ""),
        ("rsi_14", Some(32.0), "bullish"),
        ("sma_20", Some(100.0), "bearish"),
        ("ema_20", Some(99.0), "buy"),
        ("atr_14", None, "neutral"),
        ("macd_12_26_9.line", Some(-1.0), "crossing"),
    ]);
    let parts = Parts { indicators: Some(indicators), ..Parts::default() };
    let summary = compose("AAPL", &parts).unwrap();
    assert_eq!(summary.close, Some(101.5));
    assert_eq!(summary.indicators.len(), 5, "a missing value is left out");
    assert_eq!(summary.trend_alignment, Some(0.25), "two up, one down, one neutral");
    assert_eq!(summary.as_of["indicators"], 60);
}

#[test]
fn without_signals_there_is_no_trend() {
    let parts =
        Parts { indicators: Some(values(&[("rsi_14", Some(1.0), "")])), ..Parts::default() };
    assert_eq!(compose("AAPL", &parts).unwrap().trend_alignment, None);
}

#[test]
fn forming_patterns_and_anomalies_are_counted() {
    let pattern = |status: PatternStatus| v1::Pattern {
        r#type: "flag".to_owned(),
        status: status.into(),
        ..v1::Pattern::default()
    };
    let patterns =
        [PatternStatus::Forming, PatternStatus::Completed, PatternStatus::Forming].map(pattern);
    let patterns = Payload::Patterns(v1::Patterns { patterns: patterns.to_vec() });
    let parts = Parts {
        patterns: Some(event(Kind::Patterns, patterns)),
        open_anomalies: 3,
        last_anomaly: Some(Timestamp(55)),
        ..Parts::default()
    };
    let summary = compose("AAPL", &parts).unwrap();
    assert_eq!((summary.open_patterns, summary.open_anomalies), (2, 3));
    assert_eq!((summary.as_of["patterns"], summary.as_of["anomalies"]), (60, 55));
}

#[test]
fn cells_of_a_triangle_are_found_in_both_directions() {
    let names: Vec<String> = ["A", "B", "C", "D"].map(str::to_owned).to_vec();
    // AB AC AD BC BD CD
    let triangle = vec![0.5, 0.25, -0.75, 0.125, 1.0, -1.0];
    let matrix = v1::Correlation { instruments: names, triangle, ..v1::Correlation::default() };
    let matrix = event(Kind::Correlation, Payload::Correlation(matrix));
    let parts = Parts { matrices: vec![matrix], ..Parts::default() };
    let summary = compose("C", &parts).unwrap();
    let expected = [("A", 0.25), ("B", 0.125), ("D", -1.0)];
    assert_eq!(summary.correlations, expected.map(|(n, v)| (n.to_owned(), v)).into());
    assert_eq!(summary.as_of["correlations"], 70);
    assert!(compose("E", &parts).unwrap().correlations.is_empty());
}

#[test]
fn the_strongest_pairs_stay() {
    let pair = |n: u32| v1::CorrelationPair {
        a: if n.is_multiple_of(2) { "X".to_owned() } else { format!("I{n:02}") },
        b: if n.is_multiple_of(2) { format!("I{n:02}") } else { "X".to_owned() },
        value: f64::from(n) / 100.0 * if n.is_multiple_of(3) { -1.0 } else { 1.0 },
        ..v1::CorrelationPair::default()
    };
    let pairs = (0..30).map(pair).collect();
    let matrix = v1::Correlation { pairs, ..v1::Correlation::default() };
    let matrix = event(Kind::Correlation, Payload::Correlation(matrix));
    let summary = compose("X", &Parts { matrices: vec![matrix], ..Parts::default() }).unwrap();
    assert_eq!(summary.correlations.len(), 20);
    assert!(summary.correlations.contains_key("I10") && !summary.correlations.contains_key("I09"));
}

#[test]
fn every_cell_has_a_place_of_its_own() {
    for n in 2..12 {
        let cells: Vec<usize> =
            (0..n).flat_map(|row| (row + 1..n).map(move |column| cell(n, row, column))).collect();
        assert_eq!(cells, (0..n * (n - 1) / 2).collect::<Vec<_>>());
    }
}

#[test]
fn a_damaged_event_is_refused() {
    let parts = Parts { indicators: Some(vec![0xFF; 3].into()), ..Parts::default() };
    assert!(compose("AAPL", &parts).is_err());
}

//! What the platform's shapes are refused for, and what the request may say for them.

use serde_json::{Value, json};
use tidings_event::{Code, json, scan};

use crate::reading::tests::shaped;
use crate::{Dialect, Given};

fn a() -> Value {
    json!({
        "eventId": "e-1", "eventType": "TechnicalIndicatorComputedEvent",
        "timestamp": "2025-06-21T10:30:00Z", "instrument_id": "AAPL", "timeframe": "15m",
        "indicators": {"rsi": {"period": 14, "value": 65.4}},
    })
}

fn b() -> Value {
    json!({
        "event_type": "anomaly_detected", "event_id": "e-1", "timestamp": "2025-06-21T10:00:00Z",
        "anomaly_data": {"instrument_id": "AAPL", "anomaly_type": "X", "severity": "low"},
    })
}

/// An event with one member set, by its JSON pointer.
fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[key] = value;
    event
}

#[track_caller]
fn refused(event: &Value, code: Code, field: &str) {
    let read = shaped("a", event.to_string().as_bytes(), &Given::default());
    let refusal = read.and_then(|bytes| scan(&bytes).map(drop)).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (code, field), "{refusal}");
}

#[track_caller]
fn indicators(event: &Value, given: &Given<'_>) -> Value {
    let bytes = shaped("a", event.to_string().as_bytes(), given).unwrap();
    scan(&bytes).unwrap();
    serde_json::from_str(&json::to_json(&bytes).unwrap()).unwrap()
}

#[test]
fn a_misspelt_member_is_refused_with_its_path() {
    refused(&with(a(), "/timeStamp", json!("x")), Code::FieldUnknown, "timeStamp");
    refused(&with(a(), "/pattern", json!({})), Code::FieldUnknown, "pattern");
    refused(&with(b(), "/instrument_id", json!("AAPL")), Code::FieldUnknown, "instrument_id");
    refused(
        &with(b(), "/anomaly_data/severty", json!("x")),
        Code::FieldUnknown,
        "anomaly_data.severty",
    );
    let quality = with(a(), "/quality_metrics", json!({"accuracy": 1}));
    refused(&quality, Code::FieldUnknown, "quality_metrics.accuracy");
}

#[test]
fn a_wrong_value_is_refused_with_its_path() {
    let invalid = |event: Value, pointer, value, field| {
        refused(&with(event, pointer, value), Code::FieldInvalid, field);
    };
    invalid(a(), "/timestamp", json!("yesterday"), "timestamp");
    invalid(a(), "/timeframe", json!("1x"), "timeframe");
    invalid(a(), "/timeframe", json!("1M"), "timeframe");
    invalid(a(), "/eventId", json!(""), "eventId");
    invalid(a(), "/indicators/rsi", json!(7), "indicators.rsi");
    invalid(a(), "/indicators/rsi/value", json!("7"), "indicators.rsi.value");
    let uneven = json!({"periods": [20, 50], "values": [1.5]});
    invalid(a(), "/indicators/sma", uneven, "indicators.sma.values");
    let worded = json!({"periods": [20, "x"], "values": [1.5, 2.5]});
    invalid(a(), "/indicators/sma", worded, "indicators.sma.periods[1]");
    invalid(b(), "/anomaly_data/severity", json!("WORST"), "anomaly_data.severity");
    invalid(b(), "/anomaly_data/expected_range", json!([1, 2]), "anomaly_data.expected_range");
    refused(&with(a(), "/timestamp", json!(null)), Code::FieldMissing, "timestamp");
    refused(&with(a(), "/instrument_id", json!(null)), Code::FieldMissing, "instrument");
    refused(&with(a(), "/indicators", json!(null)), Code::FieldMissing, "indicators");
    refused(&with(b(), "/anomaly_data", json!(null)), Code::FieldMissing, "anomaly_data");
    let twice = json!({"rsi": {"period": 14, "value": 1}, "rsi_14": {"value": 2}});
    refused(&with(a(), "/indicators", twice), Code::FieldRepeated, "indicators.rsi_14");
    refused(&with(a(), "/event_id", json!("e-2")), Code::FieldRepeated, "event_id");
}

#[test]
fn percentages_become_parts() {
    let pattern = |completion: Value| {
        json!({
            "eventId": "e-1", "eventType": "PatternDetectedEvent",
            "timestamp": "2025-06-21T10:30:00Z", "instrument_id": "AAPL", "timeframe": "1h",
            "pattern": {"type": "FLAG", "completion_percentage": completion},
        })
    };
    let read = indicators(&pattern(json!(100)), &Given::default());
    assert_eq!(
        read["patterns"],
        json!([{"type": "flag", "status": "COMPLETED", "completion": 1.0}])
    );
    refused(&pattern(json!(101)), Code::FieldInvalid, "pattern.completion_percentage");
}

#[test]
fn types_without_a_kind_are_refused() {
    let typed = |name: &str| with(a(), "/eventType", json!(name));
    refused(&typed("InstrumentClusteredEvent"), Code::KindNotEnabled, "eventType");
    refused(&typed("TechnicalIndicatorEvent"), Code::KindUnknown, "eventType");
    refused(&typed("pattern_detected"), Code::KindUnknown, "eventType");
    refused(
        &with(b(), "/event_type", json!("risk_metrics_computed")),
        Code::KindNotEnabled,
        "event_type",
    );
}

#[test]
fn the_request_says_what_the_shape_cannot() {
    let given =
        Given { source: Some("ta-7"), venue: Some("XNAS"), dialect: Some(Dialect::Platform) };
    let read = indicators(&with(a(), "/timeframe", json!("M15")), &given);
    assert_eq!((&read["source"], &read["venue"]), (&json!("ta-7"), &json!("XNAS")));
    assert_eq!(read["timeframe"], "15m");
    assert_eq!(
        read["id"],
        json!(tidings_event::format_event_id(&tidings_event::foreign_event_id("ta-7", "e-1")))
    );
    assert_eq!(read["origin_id"], "e-1");
    let unnamed = indicators(&with(a(), "/eventId", json!(null)), &Given::default());
    assert_eq!(unnamed["source"], "technical_indicator_service");
    assert_eq!(unnamed["id"], json!(tidings_event::format_event_id(&[7; 16])));
}

#[test]
fn any_indicator_of_shape_a_gets_an_explicit_name() {
    let given = json!({
        "ema": {"periods": [12], "values": [1.5]},
        "obv": {"value": 12.5, "signal": "Bullish"},
        "atr": {"period": 14, "value": null},
        "ppo": {"fast_period": 12, "slow_period": 26, "signal_period": 9, "ppo": 1.5, "signal": 1.25, "histogram": 0.25},
    });
    let read = indicators(&with(a(), "/indicators", given), &Given::default());
    let want = json!({
        "ema_12": 1.5, "obv": {"value": 12.5, "signal": "bullish"}, "atr_14": {"status": "NO_DATA"},
        "ppo_12_26_9.line": 1.5, "ppo_12_26_9.signal": 1.25, "ppo_12_26_9.histogram": 0.25,
    });
    assert_eq!(read["indicators"]["values"], want);
}

//! Each kind's payload: what the scanner accepts, and what it refuses with which code and path.

use serde_json::{Value, json};

use crate::json::json_to_canonical;
use crate::{Code, Refusal, scan};

/// An event of a kind, its severity set, with this payload.
fn outcome(kind: &str, payload: &Value) -> Result<(), Refusal> {
    let event = json!({
        "id": "01900000-0000-7000-8000-000000000001",
        "source": "ta-1",
        "instrument": "AAPL",
        "timeframe": "5m",
        "interval_start": "2026-01-02T03:00:00Z",
        "interval_end": "2026-01-02T03:05:00Z",
        "produced_at": "2026-01-02T03:05:01Z",
        "severity": "HIGH",
        kind: payload,
    });
    scan(&json_to_canonical(event.to_string().as_bytes())?).map(drop)
}

#[track_caller]
fn accepted(kind: &str, payloads: &[Value]) {
    for payload in payloads {
        assert_eq!(outcome(kind, payload), Ok(()), "{payload}");
    }
}

/// Each payload is refused as invalid or missing, at a path below the kind's.
#[track_caller]
fn refused(kind: &str, payloads: &[(Value, Code, &str)]) {
    for (payload, code, path) in payloads {
        let refusal = outcome(kind, payload).unwrap_err();
        let got = (refusal.code, refusal.field);
        assert_eq!(got, (*code, format!("{kind}{path}")), "{payload}: {}", refusal.detail);
    }
}

const INVALID: Code = Code::FieldInvalid;
const MISSING: Code = Code::FieldMissing;

#[test]
fn indicators() {
    accepted(
        "indicators",
        &[
            json!({"values": {"macd_12_26_9.line": -1, "rsi_14": {"status": "WARMING_UP"}}}),
            json!({"values": {"rsi_14": {"status": 9}}}),
            json!({"values": {"x": 1}, "completeness": 1, "accuracy": 0, "computation_ms": -5}),
        ],
    );
    refused(
        "indicators",
        &[
            (json!({}), MISSING, ""),
            (json!({"values": {}}), MISSING, ""),
            (json!({"values": {"rsi_14": {}}}), MISSING, ".values.rsi_14.status"),
            (json!({"values": {"rsi_14": {"status": "OK"}}}), MISSING, ".values.rsi_14.status"),
            (json!({"values": {"rsi_14": {"signal": "up"}}}), MISSING, ".values.rsi_14.status"),
            (json!({"values": {"RSI": 1}}), INVALID, ".values.RSI"),
            (json!({"values": {"": 1}}), INVALID, ".values"),
            (json!({"values": {".a": 1}}), INVALID, ".values..a"),
            (
                json!({"values": {"a": {"value": 1, "confidence": -0.1}}}),
                INVALID,
                ".values.a.confidence",
            ),
            (json!({"values": {"a": 1}, "completeness": 1.1}), INVALID, ".completeness"),
            (json!({"values": {"a": 1}, "accuracy": -1}), INVALID, ".accuracy"),
        ],
    );
    let long = "a".repeat(65);
    refused("indicators", &[(json!({"values": {&long: 1}}), INVALID, &format!(".values.{long}"))]);
}

#[test]
fn patterns() {
    accepted(
        "patterns",
        &[
            json!([{"type": "flag"}]),
            json!([{"type": "unheard_of", "status": 99, "start": "2026-01-01T00:00:00Z"}]),
        ],
    );
    refused(
        "patterns",
        &[
            (json!([]), MISSING, ""),
            (json!([{}]), MISSING, "[0].type"),
            (json!([{"type": "flag"}, {"type": ""}]), MISSING, "[1].type"),
            (json!([{"type": "flag", "confidence": 1.5}]), INVALID, "[0].confidence"),
            (json!([{"type": "flag", "completion": -0.5}]), INVALID, "[0].completion"),
            (
                json!([{"type": "a"}, {"type": "flag", "success_rate": 2}]),
                INVALID,
                "[1].success_rate",
            ),
            (
                json!([{"type": "flag", "key_points": [{}, {"at": "noon"}]}]),
                INVALID,
                "[0].key_points[1].at",
            ),
        ],
    );
}

#[test]
fn anomaly() {
    accepted(
        "anomaly",
        &[json!({}), json!({"type": "NEW", "z_score": -40, "confidence": 1, "causes": [""]})],
    );
    refused(
        "anomaly",
        &[
            (json!({"confidence": 1.01}), INVALID, ".confidence"),
            (json!({"value": "Infinity"}), Code::NumberNotFinite, ".value"),
            (json!({"actions": [1]}), INVALID, ".actions[0]"),
        ],
    );
}

#[test]
fn correlation() {
    let names = ["A", "B", "C"];
    accepted(
        "correlation",
        &[
            json!({"matrix_id": "m", "kind": "PAIRS", "pairs": [{"a": "A", "b": "B", "value": 7}]}),
            json!({"matrix_id": "m", "kind": "FULL", "instruments": names}),
            json!({"matrix_id": "m", "kind": "FULL", "instruments": names, "triangle": [1, 0, -1]}),
            json!({"matrix_id": "m", "kind": "FULL", "chunks": 2, "triangle": [0.5]}),
        ],
    );
    refused(
        "correlation",
        &[
            (json!({}), MISSING, ".matrix_id"),
            (json!({"matrix_id": "m"}), MISSING, ".kind"),
            (json!({"matrix_id": "m", "kind": 9}), INVALID, ".kind"),
            (json!({"matrix_id": "m\n", "kind": "FULL"}), INVALID, ".matrix_id"),
            (json!({"matrix_id": "m".repeat(51), "kind": "FULL"}), INVALID, ".matrix_id"),
            (
                json!({"matrix_id": "m", "kind": "FULL", "instruments": names, "triangle": [1, 1]}),
                INVALID,
                ".triangle",
            ),
            (json!({"matrix_id": "m", "kind": "FULL", "triangle": [1]}), INVALID, ".triangle"),
            (json!({"matrix_id": "m", "kind": "FULL", "chunk": 1}), INVALID, ".chunk"),
            (json!({"matrix_id": "m", "kind": "FULL", "chunk": 2, "chunks": 2}), INVALID, ".chunk"),
            (json!({"matrix_id": "m", "kind": "FULL", "sha256": "00ff"}), INVALID, ".sha256"),
        ],
    );
}

#[test]
fn summary() {
    accepted("summary", &[json!({}), json!({"trend_alignment": -1, "risk": {"Any Name": 0}})]);
    refused(
        "summary",
        &[
            (json!({"trend_alignment": -1.5}), INVALID, ".trend_alignment"),
            (json!({"trend_alignment": 1.5}), INVALID, ".trend_alignment"),
            (json!({"as_of": {"risk": 1}}), INVALID, ".as_of.risk"),
            (json!({"open_patterns": -1}), INVALID, ".open_patterns"),
        ],
    );
}

#[test]
fn interval_complete() {
    accepted("interval_complete", &[json!({}), json!({"expected": 500, "published": 501})]);
    refused("interval_complete", &[(json!({"expected": 1u64 << 32}), INVALID, ".expected")]);
}

/// Bytes that no JSON makes: a repeated field, a wrong type, or a number that is not finite, deep
/// in the payload of an `INTERVAL_COMPLETE`, a `SUMMARY` or a `PATTERNS` event.
#[test]
fn deep_faults_carry_their_path() {
    let check = |bytes: &[u8], code: Code, field: &str| {
        let refusal = scan(bytes).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (code, field), "{refusal}");
    };
    check(&[0xAA, 2, 4, 8, 1, 8, 1], Code::FieldRepeated, "interval_complete.expected");
    check(&[0xAA, 2, 2, 10, 0], Code::EventMalformed, "interval_complete.expected");
    let nan = f64::NAN.to_le_bytes();
    let risk = [&[0xA2, 2, 14, 0x22, 12, 0x0A, 1, b'v', 0x11][..], &nan].concat();
    check(&risk, Code::NumberNotFinite, "summary.risk.v");
    let point = [&[0x8A, 2, 16, 0x0A, 14, 0x3A, 0, 0x3A, 10, 0x11][..], &nan, &[0x1A]].concat();
    check(&point, Code::NumberNotFinite, "patterns[0].key_points[1].price");
}

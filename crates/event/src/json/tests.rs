//! JSON reads into canonical bytes and back, and what it does not say is refused with its place.

mod golden;
mod property;
mod slow;

use serde_json::{Value, json};

use super::*;
use crate::v1::event::Payload;
use crate::{encode, foreign_event_id};

const ID: &str = "01900000-0000-7000-8000-000000000001";

fn sample() -> Value {
    json!({
        "id": ID,
        "source": "ta-1",
        "kind": "INDICATORS",
        "instrument": "AAPL",
        "timeframe": "5m",
        "interval_start": "2026-01-02T03:00:00Z",
        "interval_end": "2026-01-02T03:05:00Z",
        "produced_at": "2026-01-02T03:05:00.123456789Z",
        "indicators": {"values": {"rsi_14": 32.7}},
    })
}

/// The sample with one member set, by its JSON pointer.
fn with(pointer: &str, value: Value) -> Value {
    let mut event = sample();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    event.pointer_mut(parent).unwrap()[key] = value;
    event
}

/// An event of a kind with this payload.
fn of(payload: &str, value: Value) -> Value {
    let mut event = with(&format!("/{payload}"), value);
    let members = event.as_object_mut().unwrap();
    members.remove("indicators");
    members["kind"] = payload.to_ascii_uppercase().into();
    event
}

#[track_caller]
fn accepted(event: &Value) -> v1::Event {
    let bytes = json_to_canonical(event.to_string().as_bytes()).unwrap();
    let message = value_to_event(event).unwrap();
    assert_eq!(bytes, encode(&message), "canonical bytes are those of the encoder");
    message
}

/// Writes what was read, as a document.
#[track_caller]
fn written(event: &Value) -> Value {
    let text = to_json(&encode(&accepted(event))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[track_caller]
fn refused(event: &Value, code: Code, field: &str) -> Refusal {
    let refusal = value_to_event(event).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (code, field), "{refusal}");
    refusal
}

#[track_caller]
fn unparsed(text: &str, code: Code, offset: u64, field: &str) {
    let refusal = from_json(text.as_bytes()).unwrap_err();
    let got = (refusal.code, refusal.offset, refusal.field.as_str());
    assert_eq!(got, (code, Some(offset), field), "{text}: {refusal}");
}

#[test]
fn the_canonical_form_is_kept() {
    assert_eq!(written(&sample()), sample());
    let text = to_json(&encode(&accepted(&sample()))).unwrap();
    assert!(text.starts_with(&format!(r#"{{"id":"{ID}","source":"ta-1","kind":"INDICATORS""#)));
    assert!(text.ends_with(r#""indicators":{"values":{"rsi_14":32.7}}}"#), "{text}");
}

#[test]
fn input_may_be_looser_than_output() {
    let loose = [
        ("/key_seq", json!("9007199254740991"), json!(9_007_199_254_740_991u64)),
        ("/priority", json!("7"), json!(7)),
        ("/kind", json!(1), json!("INDICATORS")),
        ("/id", json!(ID.to_uppercase()), json!(ID)),
        ("/indicators/values/rsi_14", json!({"value": 1}), json!(1.0)),
        (
            "/indicators/values/rsi_14",
            json!({"value": null, "status": 2}),
            json!({"status": "WARMING_UP"}),
        ),
        (
            "/indicators/values/rsi_14",
            json!({"value": 0, "status": 77}),
            json!({"value": 0.0, "status": 77}),
        ),
        ("/indicators/values/rsi_14", json!({"status": -1}), json!({"status": -1})),
        ("/labels", json!({"b": "", "a": "\u{1}\"\\é"}), json!({"a": "\u{1}\"\\é", "b": ""})),
    ];
    for (pointer, given, want) in loose {
        assert_eq!(
            written(&with(pointer, given))[&pointer[1..]],
            with(pointer, want)[&pointer[1..]]
        );
    }
}

#[test]
fn the_uniform_form_has_one_type_a_field() {
    let rewritten = |event: &Value| -> Value {
        serde_json::from_str(&to_uniform_json(&encode(&accepted(event))).unwrap()).unwrap()
    };
    let value = &rewritten(&sample())["indicators"]["values"]["rsi_14"];
    assert_eq!(*value, json!({"value": 32.7}), "an object, also with one field");
    let odd = with("/indicators/values/rsi_14", json!({"value": 0, "status": 77}));
    let value = &rewritten(&odd)["indicators"]["values"]["rsi_14"];
    assert_eq!(*value, json!({"value": 0.0, "status": "77"}), "a text, also without a name");
}

#[test]
fn absence_stays_absence() {
    for zero in [json!(null), json!(0)] {
        let event = accepted(&with("/priority", zero));
        assert_eq!(encode(&event), encode(&accepted(&sample())));
    }
    assert_eq!(accepted(&sample()).is_final, None);
    assert_eq!(accepted(&with("/is_final", json!(false))).is_final, Some(false));
    assert_eq!(accepted(&with("/key_seq", json!(0))).key_seq, Some(0));
    let nothing = accepted(&with("/indicators/values/rsi_14", json!({})));
    assert!(!encode(&nothing).ends_with(&[0x12, 0]), "an entry leaves an empty value out");
    assert!(accepted(&with("/id", json!(null))).id.is_empty());
    assert_eq!(accepted(&with("/kind", json!(null))).kind, v1::Kind::Indicators as i32);
}

#[test]
fn a_foreign_id_becomes_a_uuid_of_its_source() {
    let event = accepted(&with("/id", json!("order-7")));
    assert_eq!(event.id.as_ref(), foreign_event_id("ta-1", "order-7"));
    assert_eq!(event.origin_id, "order-7");
    let again = to_json(&encode(&event)).unwrap();
    assert_eq!(from_json(again.as_bytes()).unwrap(), event);
    let mut sourceless = with("/id", json!("order-7"));
    sourceless.as_object_mut().unwrap().remove("source");
    refused(&sourceless, Code::FieldMissing, "source");
    let mut two = with("/id", json!("order-7"));
    two["origin_id"] = json!("order-8");
    refused(&two, Code::FieldInvalid, "origin_id");
}

#[test]
fn patterns_are_an_array() {
    let event = of("patterns", json!([{"type": "flag", "key_points": [{"price": 1.5}, {}]}]));
    assert_eq!(written(&event), event);
    let Some(Payload::Patterns(payload)) = accepted(&event).payload else { unreachable!() };
    assert_eq!(payload.patterns[0].key_points.len(), 2);
    let empty = of("patterns", json!([]));
    assert_eq!(written(&empty), empty);
}

#[test]
fn floats_and_bytes_are_kept() {
    let event = of(
        "correlation",
        json!({"matrix_id": "m", "triangle": [0.1, -1.0, 1e-7], "sha256": "00ff1a", "p_values": []}),
    );
    let back = written(&event);
    assert_eq!(back["correlation"]["triangle"], json!([0.1, -1.0, 1e-7]));
    assert_eq!(back["correlation"]["sha256"], json!("00ff1a"));
    assert_eq!(back["correlation"].get("p_values"), None);
}

#[test]
fn wrong_types_are_refused_with_their_path() {
    let cases = [
        ("/source", json!(7), "source"),
        ("/produced_at", json!("yesterday"), "produced_at"),
        ("/produced_at", json!(1), "produced_at"),
        ("/key_seq", json!(1u64 << 53), "key_seq"),
        ("/key_seq", json!("+1"), "key_seq"),
        ("/key_seq", json!(""), "key_seq"),
        ("/priority", json!(-1), "priority"),
        ("/priority", json!(1.5), "priority"),
        ("/revision", json!(1u64 << 32), "revision"),
        ("/is_final", json!("true"), "is_final"),
        ("/id", json!(""), "id"),
        ("/id", json!(7), "id"),
        ("/severity", json!("WORST"), "severity"),
        ("/targets", json!("all"), "targets"),
        ("/targets", json!(["a", null]), "targets[1]"),
        ("/labels", json!({"a": 1}), "labels.a"),
        ("/indicators", json!([]), "indicators"),
        ("/indicators/values", json!([]), "indicators.values"),
        ("/indicators/values/rsi_14", json!(null), "indicators.values.rsi_14"),
        ("/indicators/values/rsi_14", json!("1"), "indicators.values.rsi_14"),
        ("/indicators/values/rsi_14", json!({"value": "1"}), "indicators.values.rsi_14.value"),
    ];
    for (pointer, value, field) in cases {
        refused(&with(pointer, value), Code::FieldInvalid, field);
    }
    let at = "correlation.triangle[1]";
    let wide = of("correlation", json!({"triangle": [0.5, 1e39]}));
    refused(&wide, Code::FieldInvalid, at);
    let worded = of("correlation", json!({"triangle": [0.5, "NaN"]}));
    refused(&worded, Code::NumberNotFinite, at);
    let odd = of("correlation", json!({"sha256": "abc"}));
    refused(&odd, Code::FieldInvalid, "correlation.sha256");
    refused(&json!([]), Code::FieldInvalid, "");
}

#[test]
fn unknown_names_are_refused_with_a_hint() {
    let hint = |event: Value, code, field: &str| refused(&event, code, field).hint;
    let unknown = |pointer, field| hint(with(pointer, json!(1)), Code::FieldUnknown, field);
    assert_eq!(unknown("/isFinal", "isFinal"), "did you mean `is_final`?");
    assert_eq!(unknown("/color", "color"), "");
    let deep = unknown("/indicators/bar_used", "indicators.bar_used");
    assert_eq!(deep, "did you mean `bars_used`?");
    let kind = hint(with("/kind", json!("INDICATOR")), Code::KindUnknown, "kind");
    assert_eq!(kind, "did you mean `INDICATORS`?");
    let severity = hint(with("/severity", json!("high")), Code::FieldInvalid, "severity");
    assert_eq!(severity, "did you mean `HIGH`?");
}

#[test]
fn two_payloads_are_refused() {
    refused(&with("/summary", json!({})), Code::PayloadMismatch, "");
    accepted(&with("/summary", json!(null)));
}

#[test]
fn broken_text_is_refused_at_its_byte() {
    unparsed("", Code::JsonMalformed, 0, "");
    unparsed("{\"source\": \n \"a\" x}", Code::JsonMalformed, 17, "");
    unparsed("{} {}", Code::JsonMalformed, 3, "");
    unparsed("{\"a\": NaN}", Code::NumberNotFinite, 6, "");
    unparsed("{\"a\":{\"b\":[1,{\"c\":1,\"c\":2}]}}", Code::FieldRepeated, 22, "a.b[1].c");
    let refusal = from_json(b"{\"source\": \"\xff\"}").unwrap_err();
    assert_eq!(refusal.code, Code::JsonMalformed);
    assert_eq!(from_json(b"[1e999]").unwrap_err().code, Code::NumberNotFinite);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(parse(&nested(DEPTH_MAX + 1)).unwrap_err().code, Code::DepthExceeded);
    assert_eq!(parse(&nested(1_000_000)).unwrap_err().code, Code::DepthExceeded);
}

#[test]
fn bytes_that_are_no_event_have_no_json() {
    let code = |bytes: &[u8]| to_json(bytes).unwrap_err().code;
    assert_eq!(code(b"\xff\xff"), Code::EventMalformed);
    assert_eq!(code(&[0x10, 0x01]), Code::EventMalformed, "source as a varint");
    assert_eq!(code(&[0x12, 0x00, 0x12, 0x00]), Code::FieldRepeated);
    assert_eq!(code(&[0x0A, 0x01, 0x00]), Code::FieldInvalid, "an id of one byte");
}

#[test]
fn any_order_of_fields_has_the_same_json() {
    // targets "b", source "s", targets "a", labels {"k": absent}, labels {"k": "v"}, priority 0.
    let bytes = b"\xA2\x01\x01b\x12\x01s\xA2\x01\x01a\xAA\x01\x03\x0A\x01k\xAA\x01\x06\x12\x01v\x0A\x01k\x60\x00";
    assert_eq!(to_json(bytes).unwrap(), r#"{"source":"s","targets":["b","a"],"labels":{"k":"v"}}"#);
    // produced_at 0, and in a pattern's point: at 0, price -0.0.
    let mut event = vec![0x51, 0, 0, 0, 0, 0, 0, 0, 0, 0x8A, 0x02, 22, 0x0A, 20, 0x3A, 18, 0x09];
    event.extend(0u64.to_le_bytes());
    event.push(0x11);
    event.extend((-0.0f64).to_le_bytes());
    assert_eq!(to_json(&event).unwrap(), r#"{"patterns":[{"key_points":[{}]}]}"#);
    // A triangle with packed and single values.
    let mut event = vec![0x9A, 0x02, 11, 0x32, 4];
    event.extend(0.5f32.to_le_bytes());
    event.push(0x35);
    event.extend(0.25f32.to_le_bytes());
    assert_eq!(to_json(&event).unwrap(), r#"{"correlation":{"triangle":[0.5,0.25]}}"#);
    let nothing_packed = [0x9A, 0x02, 2, 0x32, 0];
    assert_eq!(to_json(&nothing_packed).unwrap(), r#"{"correlation":{}}"#);
}

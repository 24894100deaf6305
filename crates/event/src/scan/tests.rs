//! What the scanner accepts, what it refuses, and with which code and path.

mod payloads;
pub(crate) mod reference;

use super::*;
use crate::encode;
use crate::v1;

fn indicators() -> v1::Event {
    let value = v1::Value { value: Some(32.7), ..v1::Value::default() };
    v1::Event {
        id: vec![7; 16].into(),
        source: "ta-1".into(),
        kind: v1::Kind::Indicators as i32,
        instrument: "AAPL".into(),
        venue: "XNAS".into(),
        timeframe: "5m".into(),
        interval_start: 300,
        interval_end: 600,
        produced_at: 700,
        payload: Some(v1::event::Payload::Indicators(v1::Indicators {
            values: [("rsi_14".to_owned(), value)].into(),
            ..v1::Indicators::default()
        })),
        ..v1::Event::default()
    }
}

#[track_caller]
fn check(change: impl FnOnce(&mut v1::Event), code: Code, field: &str) {
    let mut event = indicators();
    change(&mut event);
    let refusal = scan(&encode(&event)).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (code, field), "{refusal}");
}

fn values(event: &mut v1::Event) -> &mut v1::Value {
    match &mut event.payload {
        Some(v1::event::Payload::Indicators(i)) => i.values.get_mut("rsi_14").unwrap(),
        _ => unreachable!("the sample has indicators"),
    }
}

#[test]
fn an_accepted_event_gives_its_envelope() {
    let mut event = indicators();
    values(&mut event).status = 77;
    event.confidence = Some(0.5);
    event.is_final = Some(false);
    let bytes = encode(&event);
    let envelope = scan(&bytes).unwrap();
    assert_eq!(envelope.id, [7; 16]);
    assert_eq!((envelope.instrument, envelope.venue), ("AAPL", "XNAS"));
    assert_eq!((envelope.interval_start, envelope.interval_end), (Timestamp(300), Timestamp(600)));
    assert!(!envelope.is_final);
    assert_eq!(envelope.template_value("timeframe"), Some("5m"));
    assert_eq!(envelope.template_value("confidence_tier"), Some("low"));
    assert_eq!(envelope.template_value("color"), None);
}

#[test]
fn a_bad_envelope_is_refused_by_name() {
    check(|e| e.id = vec![].into(), Code::EventIdMissing, "");
    check(|e| e.id = vec![1; 15].into(), Code::EventIdMissing, "id");
    check(|e| e.source = String::new(), Code::FieldMissing, "source");
    check(|e| e.source = "s".repeat(201), Code::FieldInvalid, "source");
    check(|e| e.kind = 0, Code::FieldMissing, "kind");
    check(|e| e.kind = 99, Code::KindUnknown, "kind");
    check(|e| e.kind = 7, Code::KindNotEnabled, "kind");
    check(|e| e.kind = 2, Code::PayloadMismatch, "");
    check(|e| e.payload = None, Code::PayloadMismatch, "");
    check(|e| e.instrument = "A\u{1}".into(), Code::FieldInvalid, "instrument");
    check(|e| e.venue = "nas".into(), Code::FieldInvalid, "venue");
    check(|e| e.schema_version = "2.0".into(), Code::FieldInvalid, "schema_version");
    check(|e| e.timeframe = "05m".into(), Code::FieldInvalid, "timeframe");
    check(|e| e.timeframe = String::new(), Code::FieldMissing, "timeframe");
    check(|e| e.interval_end = 300, Code::TimeOrder, "interval_end");
    check(|e| e.interval_start = 0, Code::FieldMissing, "interval_start");
    check(|e| e.produced_at = u64::MAX, Code::FieldInvalid, "produced_at");
    check(|e| e.key_seq = Some(1 << 53), Code::FieldInvalid, "key_seq");
    check(|e| e.priority = 10, Code::FieldInvalid, "priority");
    check(|e| e.revision = 65_536, Code::FieldInvalid, "revision");
    check(|e| e.severity = 9, Code::FieldInvalid, "severity");
    check(|e| e.confidence = Some(1.5), Code::FieldInvalid, "confidence");
    check(|e| e.targets = vec![String::new(); 17], Code::FieldInvalid, "targets");
}

#[test]
fn a_bad_payload_is_refused_with_its_path() {
    let at = "indicators.values.rsi_14";
    check(|e| values(e).value = Some(f64::NAN), Code::NumberNotFinite, &format!("{at}.value"));
    check(|e| values(e).confidence = Some(2.0), Code::FieldInvalid, &format!("{at}.confidence"));
    check(|e| values(e).value = None, Code::FieldMissing, &format!("{at}.status"));
}

#[test]
fn broken_bytes_are_refused_where_they_break() {
    let bytes = encode(&indicators());
    for end in 0..bytes.len() {
        assert!(scan(&bytes[..end]).is_err(), "cut at {end}");
    }
    let with = |tail: &[u8]| scan(&[&bytes, tail].concat()).map(|e| e.kind).map_err(|e| e.code);
    assert_eq!(with(&[0x98, 0x06, 0x01]), Ok(Kind::Indicators), "an unknown field passes");
    assert_eq!(with(&[0x9B, 0x06]), Err(Code::EventMalformed), "a group");
    assert_eq!(with(&[0x00, 0x00]), Err(Code::EventMalformed), "field 0");
    assert_eq!(with(&[0x12, 0x01, b'x']), Err(Code::FieldRepeated));
    assert_eq!(with(&[0x8A, 0x02, 0x00]), Err(Code::PayloadMismatch), "two payloads");
    assert_eq!(with(&[0x8A, 0x01, 0x01, 0xFF]), Err(Code::EventMalformed), "not UTF-8");
    assert_eq!(with(&[0x60, 0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), Err(Code::FieldInvalid), "33 bits");
    let wide = [0x60, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02];
    assert_eq!(with(&wide), Err(Code::EventMalformed), "more than 64 bits");
    assert_eq!(scan(&vec![0; EVENT_BYTES_MAX + 1]).unwrap_err().code, Code::EventTooLarge);
}

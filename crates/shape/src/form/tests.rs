//! Protobuf is the stored bytes themselves; JSON is their canonical text.

use bytes::Bytes;
use tidings_event::v1;

use super::{Form, encode};

fn event() -> Bytes {
    let event = v1::Event {
        id: vec![7; 16].into(),
        source: "indicator-1".into(),
        kind: v1::Kind::Summary as i32,
        instrument: "AAPL".into(),
        payload: Some(v1::event::Payload::Summary(v1::Summary::default())),
        ..v1::Event::default()
    };
    tidings_event::encode(&event).into()
}

#[test]
fn protobuf_shares_the_stored_bytes() {
    let stored = event();
    let given = encode(Form::Protobuf, &stored).unwrap();
    assert_eq!(given.as_ptr(), stored.as_ptr());
}

#[test]
fn json_is_canonical_text() {
    let text = encode(Form::Json, &event()).unwrap();
    let back = tidings_event::json::from_json(&text).unwrap();
    assert_eq!(back.instrument, "AAPL");
}

#[test]
fn damaged_bytes_have_no_json() {
    assert!(encode(Form::Json, &Bytes::from_static(b"\xff\xff")).is_err());
}

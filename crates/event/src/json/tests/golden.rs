//! The events of `tests/fixtures/v1/event` open for ever: each `.bin` is accepted and reads as the
//! `.json` beside it, and that writes the same bytes. The bytes were made by Google's Protobuf
//! library for Python, in key order.

use std::path::Path;

use crate::json::{from_json, json_to_canonical, to_json};
use crate::{encode, scan};

#[track_caller]
fn check(kind: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/v1/event");
    let bytes = std::fs::read(folder.join(kind).with_extension("bin")).unwrap();
    let text = std::fs::read_to_string(folder.join(kind).with_extension("json")).unwrap();
    let envelope = scan(&bytes).unwrap();
    assert_eq!(envelope.kind.as_str_name(), kind.to_ascii_uppercase());
    assert_eq!(to_json(&bytes).unwrap(), text.trim_end());
    assert_eq!(json_to_canonical(text.as_bytes()).unwrap(), bytes);
    assert_eq!(encode(&from_json(text.as_bytes()).unwrap()), bytes);
}

#[test]
fn an_event_of_each_kind_opens() {
    check("indicators");
    check("patterns");
    check("anomaly");
    check("correlation");
    check("summary");
    check("interval_complete");
}

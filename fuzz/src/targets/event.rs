//! Events: scanner, decoder and JSON may never disagree.

use prost::Message;
use tidings_event::{json, v1};

use super::fixtures;

/// What the scanner accepts, the decoder reads as the same event, and JSON carries there and back.
pub(super) fn scan(input: &[u8]) {
    let Ok(envelope) = tidings_event::scan(input) else { return };
    let event = v1::Event::decode(input).expect("what the scanner accepts decodes");
    assert_eq!(envelope.id[..], event.id[..]);
    assert_eq!(envelope.source, event.source);
    assert_eq!(envelope.instrument, event.instrument);
    assert_eq!(envelope.key_seq, event.key_seq);
    assert_eq!(envelope.kind as i32, event.kind);
    assert_eq!(envelope.interval_end.0, event.interval_end);
    let text = json::to_json(input).expect("an accepted event has a JSON form");
    let again = json::from_json(text.as_bytes()).expect("its JSON form is read");
    assert_eq!(again, event, "JSON: {text}");
}

pub(super) fn scan_seeds() -> Vec<Vec<u8>> {
    fixtures("event", "bin")
}

/// What is read as an event is written as JSON that reads as the same event, and nothing is read
/// that a plain JSON parser refuses.
pub(super) fn json(input: &[u8]) {
    let Ok(bytes) = json::json_to_canonical(input) else { return };
    let plain: serde_json::Value =
        serde_json::from_slice(input).expect("a plain parser reads what is accepted");
    assert!(plain.is_object());
    let event = v1::Event::decode(&bytes[..]).expect("canonical bytes decode");
    let text = json::to_json(&bytes).expect("canonical bytes have a JSON form");
    let again = json::from_json(text.as_bytes()).expect("its JSON form is read");
    assert_eq!(again, event, "JSON: {text}");
}

pub(super) fn json_seeds() -> Vec<Vec<u8>> {
    fixtures("event", "json")
}

//! The shapes of other systems: what is read is an event, and goes out and in again unchanged.

use prost::Message;
use tidings_event::json::tree::Tree;
use tidings_event::{json, scan, v1};
use tidings_shape::{Dialect, Given, cloud_event, read};
use tidings_wire::stream::StreamRequest;

use super::{fixtures, texts};

/// An object of the platform's shapes, or canonical.
pub(super) fn platform(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut tree = Tree::default();
    let Ok(document) = tree.parse(text) else { return };
    let mut bytes = Vec::new();
    if read(document.root(), &Given::default(), &mut || Some([7; 16]), &mut bytes).is_ok() {
        sound(&bytes);
    }
}

/// A CloudEvent in structured mode.
pub(super) fn structured(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut tree = Tree::default();
    let Ok(document) = tree.parse(text) else { return };
    if let Ok(event) = cloud_event::structured(document.root(), &Given::default()) {
        sound(&event.encode_to_vec());
    }
}

/// Canonical bytes decode; those that the scanner accepts come back out of JSON as they were.
fn sound(bytes: &[u8]) {
    let event = v1::Event::decode(bytes).expect("canonical bytes decode");
    if scan(bytes).is_ok() {
        let text = json::to_json(bytes).expect("an accepted event has a JSON form");
        assert_eq!(json::from_json(text.as_bytes()).as_ref(), Ok(&event), "{text}");
    }
}

pub(super) fn platform_seeds() -> Vec<Vec<u8>> {
    [fixtures("shapes/a", "json"), fixtures("shapes/b", "json")].concat()
}

pub(super) fn structured_seeds() -> Vec<Vec<u8>> {
    fixtures("shapes/structured", "json")
}

/// Dialect and timeframe, apart by a space: what is read is canonical.
pub(super) fn dialect(input: &[u8]) {
    let text = std::str::from_utf8(input).unwrap_or_default();
    let Some((dialect, timeframe)) = text.split_once(' ') else { return };
    let Ok(dialect) = dialect.parse::<Dialect>() else { return };
    let Ok(read) = dialect.canonical(timeframe) else { return };
    let unit = read.trim_start_matches(|c: char| c.is_ascii_digit());
    assert!(["s", "m", "h", "d", "w", "mo"].contains(&unit), "{timeframe} is {read}");
    assert!(unit.len() < read.len() && !read.starts_with('0'), "{timeframe} is {read}");
}

pub(super) fn dialect_seeds() -> Vec<Vec<u8>> {
    texts(&[
        "iso8601 PT5M",
        "binance 1M",
        "ccxt 1m",
        "tradingview 240",
        "pandas 5min",
        "databento ohlcv-1m",
        "platform MN1",
    ])
}

/// A frame of a WebSocket client is written as one that reads the same.
pub(super) fn frame(input: &[u8]) {
    let Ok(request) = StreamRequest::read(input) else { return };
    let text = serde_json::to_vec(&request).expect("a frame is written");
    assert_eq!(StreamRequest::read(&text), Ok(request));
}

pub(super) fn frame_seeds() -> Vec<Vec<u8>> {
    texts(&[
        r#"{"type":"open","subscription":"s","consumer":"c"}"#,
        r#"{"type":"credit","events":1,"bytes":2}"#,
        r#"{"type":"ack","up_to":["a"],"ack_ids":["b"]}"#,
        r#"{"type":"nack","ack_ids":["b"],"delay_ms":5}"#,
    ])
}

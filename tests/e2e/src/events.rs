//! Events to publish, told apart by instrument and number.

use tidings_event::v1::{Event, Indicators, Kind, Value, event::Payload};
use tidings_event::{encode, scan};

/// What a test event carries.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestEvent {
    /// The key.
    pub instrument: String,
    /// Counts per key and timeframe, from 0.
    pub number: u64,
}

impl TestEvent {
    /// Reads it back out of canonical bytes.
    ///
    /// # Panics
    /// When the bytes are not an event.
    #[must_use]
    pub fn read(event: &[u8]) -> Self {
        let envelope = scan(event).expect("a delivered event is valid");
        let number = envelope.key_seq.expect("test events are numbered");
        Self { instrument: envelope.instrument.to_owned(), number }
    }
}

/// Canonical bytes of an indicator event; the same arguments give the same event.
#[must_use]
pub fn indicator(instrument: &str, timeframe: &str, number: u64) -> Vec<u8> {
    encode(&event(instrument, timeframe, number))
}

/// As [`indicator`], with so many labels of 400 bytes, of which an event may have 16.
#[must_use]
pub fn heavy_indicator(instrument: &str, timeframe: &str, number: u64, labels: u8) -> Vec<u8> {
    let label = |n: u8| (format!("{n:0>200}"), format!("{number:0>200}"));
    let labels = (0..labels).map(label).collect();
    encode(&Event { labels, ..event(instrument, timeframe, number) })
}

fn event(instrument: &str, timeframe: &str, number: u64) -> Event {
    let id = tidings_event::foreign_event_id(timeframe, &format!("{instrument}-{number}"));
    let value = Value { value: Some(number as f64), ..Value::default() };
    let start = 1_700_000_000_000_000_000 + number * 60_000_000_000;
    Event {
        id: id.to_vec().into(),
        source: "e2e".into(),
        kind: Kind::Indicators.into(),
        instrument: instrument.into(),
        venue: "XNAS".into(),
        timeframe: timeframe.into(),
        interval_start: start,
        interval_end: start + 60_000_000_000,
        produced_at: start + 60_000_000_000,
        key_seq: Some(number),
        payload: Some(Payload::Indicators(Indicators {
            values: [("rsi_14".to_owned(), value)].into(),
            ..Indicators::default()
        })),
        ..Event::default()
    }
}

/// The same event without its source, which the service must refuse.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn without_source(event: &[u8]) -> Vec<u8> {
    // Tag and length of field 2, then its text.
    let source = b"\x12\x03e2e";
    let at = event.windows(source.len()).position(|bytes| bytes == source);
    let at = at.expect("a test event has a source");
    [&event[..at], &event[at + source.len()..]].concat()
}

/// An indicator event as JSON, without an id.
#[must_use]
pub fn indicator_json(instrument: &str, minute: u64, value: f64) -> String {
    let at = |minute: u64| format!("2026-01-02T{:02}:{:02}:00Z", minute / 60, minute % 60);
    format!(
        r#"{{"source":"e2e","kind":"INDICATORS","instrument":"{instrument}","venue":"XNAS","timeframe":"5m","interval_start":"{}","interval_end":"{}","produced_at":"{}","indicators":{{"values":{{"rsi_14":{value:?}}}}}}}"#,
        at(minute),
        at(minute + 5),
        at(minute + 5)
    )
}

//! What the examples share: the service's address, and an event to publish.

use tidings_event::foreign_event_id;
use tidings_event::v1::{Event, Indicators, Kind, Value, event::Payload};

/// The first bar of the examples: 2026-01-02 at 00:00 UTC, in nanoseconds.
const FIRST_BAR: u64 = 1_767_312_000_000_000_000;
const FIVE_MINUTES: u64 = 300_000_000_000;

/// The address given as first argument, or the service's default.
#[must_use]
pub fn url() -> String {
    std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:8080".to_owned())
}

/// The RSI of one five-minute bar. Its id is made of what it is about, so that publishing it again
/// is recognised as a repeat.
#[must_use]
pub fn indicator(source: &str, instrument: &str, bar: u32, rsi: f64) -> Event {
    let interval_start = FIRST_BAR + u64::from(bar) * FIVE_MINUTES;
    let value = Value { value: Some(rsi), ..Value::default() };
    let payload = Indicators { values: [("rsi_14".to_owned(), value)].into(), ..<_>::default() };
    Event {
        id: foreign_event_id(source, &format!("{instrument}/5m/{bar}")).to_vec().into(),
        source: source.to_owned(),
        kind: Kind::Indicators.into(),
        instrument: instrument.to_owned(),
        venue: "XNAS".to_owned(),
        timeframe: "5m".to_owned(),
        interval_start,
        interval_end: interval_start + FIVE_MINUTES,
        produced_at: interval_start + FIVE_MINUTES,
        payload: Some(Payload::Indicators(payload)),
        ..Event::default()
    }
}

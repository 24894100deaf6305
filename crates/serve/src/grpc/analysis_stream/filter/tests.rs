//! What passes a stream's filter.

use tidings_event::v1::Kind;
use tidings_event::{Code, encode, json};
use tidings_wire::v1;

use super::Filter;

fn event(instrument: &str, timeframe: &str) -> Vec<u8> {
    let text = format!(
        r#"{{"id":"019b7c00-0000-7000-8000-000000000001","source":"ta-1","kind":"INDICATORS",
            "instrument":"{instrument}","venue":"XNAS","timeframe":"{timeframe}",
            "interval_start":"2026-01-02T00:05:00Z","interval_end":"2026-01-02T00:10:00Z",
            "produced_at":"2026-01-02T15:00:00Z","indicators":{{"values":{{"rsi_14":32.7}}}}}}"#
    );
    encode(&json::from_json(text.as_bytes()).unwrap())
}

fn check(symbols: &[&str], kinds: &[Kind], timeframes: &[&str], expected: [bool; 3]) {
    let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let asked = v1::StreamRequest {
        symbols: texts(symbols),
        data_types: kinds.iter().map(|&kind| kind.into()).collect(),
        timeframes: texts(timeframes),
        ..v1::StreamRequest::default()
    };
    let filter = Filter::new(&asked).unwrap();
    let events = [event("AAPL", "5m"), event("MSFT", "5m"), event("AAPL", "1h")];
    assert_eq!(events.map(|event| filter.takes(&event)), expected, "{asked:?}");
}

#[test]
fn what_passes() {
    check(&[], &[], &[], [true, true, true]);
    check(&["AAPL"], &[], &[], [true, false, true]);
    check(&["AAPL", "MSFT"], &[], &["5m"], [true, true, false]);
    check(&[], &[Kind::Indicators], &[], [true, true, true]);
    check(&[], &[Kind::Anomaly], &[], [false, false, false]);
    check(&["AAPL"], &[Kind::Indicators, Kind::Patterns], &["1h"], [false, false, true]);
    check(&["aapl"], &[], &[], [false, false, false]);
}

#[test]
fn what_is_refused() {
    let long = "x".repeat(201);
    let refused = |asked: v1::StreamRequest| {
        let refusal = Filter::new(&asked).unwrap_err();
        (refusal.code, refusal.field)
    };
    let symbols = |symbols| v1::StreamRequest { symbols, ..v1::StreamRequest::default() };
    let field = |text: &str| text.to_owned();
    assert_eq!(
        refused(symbols(vec!["A".to_owned(), String::new()])),
        (Code::FieldInvalid, field("symbols[1]"))
    );
    assert_eq!(refused(symbols(vec![long])), (Code::FieldInvalid, field("symbols[0]")));
    assert_eq!(
        refused(symbols(vec!["A".to_owned(); 1_001])),
        (Code::FieldInvalid, field("symbols"))
    );
    for number in [0, 99] {
        let asked = v1::StreamRequest { data_types: vec![number], ..v1::StreamRequest::default() };
        assert_eq!(refused(asked), (Code::KindUnknown, field("data_types[0]")));
    }
}

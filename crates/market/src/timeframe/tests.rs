//! Timeframes: the grammar, and the ends of bars.

use tidings_event::Timestamp;

use super::Timeframe;

#[track_caller]
fn check(timeframe: &str, start: &str, end: &str) {
    let frame: Timeframe = timeframe.parse().unwrap();
    let (start, end): (Timestamp, Timestamp) = (start.parse().unwrap(), end.parse().unwrap());
    assert_eq!(frame.to_string(), timeframe);
    assert_eq!(frame.end_of(start), Some(end));
    assert_eq!(frame.start_of(end), Some(start));
}

#[test]
fn bars_start_and_end_where_the_calendar_says() {
    check("1s", "2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z");
    check("5m", "2024-01-01T23:55:00Z", "2024-01-02T00:00:00Z");
    check("4h", "2024-01-01T20:00:00Z", "2024-01-02T00:00:00Z");
    check("1d", "2024-02-28T00:00:00Z", "2024-02-29T00:00:00Z");
    check("1w", "2023-12-31T00:00:00Z", "2024-01-07T00:00:00Z");
    check("1mo", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z");
    check("3mo", "2023-11-01T00:00:00Z", "2024-02-01T00:00:00Z");
}

#[test]
fn a_day_the_month_lacks_becomes_its_last() {
    let month: Timeframe = "1mo".parse().unwrap();
    let end = month.end_of("2024-01-31T00:00:00Z".parse().unwrap());
    assert_eq!(end.map(|e| e.to_string()).as_deref(), Some("2024-02-29T00:00:00Z"));
}

#[test]
fn other_notations_are_refused() {
    for text in ["", "m", "1", "1M", "1D", "1H", "01x", "1min", "0m", "-1m", "100001m", " 1m"] {
        assert!(text.parse::<Timeframe>().is_err(), "{text}");
    }
}

#[test]
fn what_does_not_fit_in_time_is_none() {
    let weeks: Timeframe = "100000w".parse().unwrap();
    let months: Timeframe = "100000mo".parse().unwrap();
    assert_eq!(weeks.end_of(Timestamp(1)), None);
    assert_eq!(months.end_of(Timestamp(1)), None);
    assert_eq!(months.start_of(Timestamp(1)), None);
}

//! Intervals end at or before the time, on the boundaries of their unit.

use super::ended_at;

#[track_caller]
fn check(timeframe: &str, time: &str, want: Option<(&str, &str)>) {
    let got = ended_at(timeframe, time.parse().unwrap());
    let parse = |text: &str| text.parse::<tidings_event::Timestamp>().unwrap().0;
    assert_eq!(got, want.map(|(start, end)| (parse(start), parse(end))), "{timeframe} {time}");
}

#[test]
fn an_interval_is_the_last_one_that_has_ended() {
    let day = |day: &str| format!("{day}T00:00:00Z");
    let time = "2025-06-21T10:30:00Z";
    check("15m", time, Some(("2025-06-21T10:15:00Z", time)));
    check("15m", "2025-06-21T10:44:59.999Z", Some(("2025-06-21T10:15:00Z", time)));
    check("1h", time, Some(("2025-06-21T09:00:00Z", "2025-06-21T10:00:00Z")));
    check("1d", time, Some((&day("2025-06-20"), &day("2025-06-21"))));
    // The 21st is a Saturday.
    check("1w", time, Some((&day("2025-06-09"), &day("2025-06-16"))));
    check("1mo", time, Some((&day("2025-05-01"), &day("2025-06-01"))));
    check("3mo", time, Some((&day("2025-01-01"), &day("2025-04-01"))));
    check("30s", "1970-01-01T00:00:30Z", Some(("1970-01-01T00:00:00Z", "1970-01-01T00:00:30Z")));
}

#[test]
fn what_has_no_interval_has_none() {
    let time = "2025-06-21T10:30:00Z";
    for timeframe in
        ["", "m", "0m", "1x", "1M", "99999999999999999999s", "9999999999999d", "1 m", "-1m"]
    {
        check(timeframe, time, None);
    }
    check("1d", "1970-01-01T10:00:00Z", None);
    check("1mo", "1970-01-20T10:00:00Z", None);
    check("1w", "1970-01-02T00:00:00Z", None);
}

//! Durations: what is read, what is refused, and that writing undoes reading.

use std::time::Duration;

use super::*;

fn check(text: &str, millis: Option<u64>) {
    let got = parse_duration(text).ok();
    assert_eq!(got, millis.map(Duration::from_millis), "{text}");
    if let Some(duration) = got {
        assert_eq!(parse_duration(&format_duration(duration)).ok(), Some(duration), "{text}");
    }
}

#[test]
fn durations() {
    check("250ms", Some(250));
    check("30s", Some(30_000));
    check("15m", Some(900_000));
    check("6h", Some(21_600_000));
    check("7d", Some(604_800_000));
    check("2w", Some(1_209_600_000));
    check("0s", Some(0));
    for bad in [
        "",
        "7",
        "d",
        "7 d",
        "-7d",
        "7D",
        "1.5h",
        "99999999999999999999d",
        "18446744073709551615w",
        "7d7",
    ] {
        check(bad, None);
    }
    assert_eq!(format_duration(Duration::from_secs(604_800 * 13)), "13w");
    assert_eq!(format_duration(Duration::from_secs(90)), "90s");
}

#[test]
fn times() {
    assert_eq!(parse_time("1970-01-01T00:00:01Z").ok(), Some(Timestamp(1_000_000_000)));
    assert_eq!(parse_time("yesterday").unwrap_err().code, Code::FieldInvalid);
}

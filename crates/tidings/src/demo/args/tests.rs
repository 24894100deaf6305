//! Times on the command line.

use std::time::Duration;

use super::duration;

#[track_caller]
fn check(text: &str, seconds: Option<u64>) {
    assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text}");
}

#[test]
fn times_have_a_unit_or_are_seconds() {
    check("20", Some(20));
    check("20s", Some(20));
    check("2m", Some(120));
    check("1h", Some(3600));
    check("0s", None);
    check("25h", None);
    check("1d", None);
    check("s", None);
    check("", None);
    check("-1s", None);
}

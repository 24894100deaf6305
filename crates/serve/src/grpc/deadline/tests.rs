//! Reading `grpc-timeout`.

use std::time::Duration;

use http::HeaderValue;
use proptest::prelude::*;

use super::parse;

fn check(text: &str, expected: Option<Duration>) {
    assert_eq!(parse(&HeaderValue::from_str(text).unwrap()), expected, "{text:?}");
}

#[test]
fn timeouts() {
    check("1H", Some(Duration::from_secs(3_600)));
    check("2M", Some(Duration::from_secs(120)));
    check("30S", Some(Duration::from_secs(30)));
    check("500m", Some(Duration::from_millis(500)));
    check("7u", Some(Duration::from_micros(7)));
    check("0n", Some(Duration::ZERO));
    check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
    for wrong in ["", "S", "1", "1s", "1.5S", "-1S", "+1S", "123456789S", " 1S", "1 S", "1SS"] {
        check(wrong, None);
    }
}

/// As the specification words it, without regard to speed.
fn naive(text: &str) -> Option<u128> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let is_number = (1..=8).contains(&digits.len()) && digits.chars().all(|c| c.is_ascii_digit());
    let nanos: u128 = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    is_number.then(|| digits.parse::<u128>().unwrap() * nanos)
}

proptest! {
    #[test]
    fn any_text_reads_as_the_specification_says(text in "[0-9HMSmun ]{0,10}|[ -~]{0,12}") {
        let value = HeaderValue::from_str(&text).unwrap();
        prop_assert_eq!(parse(&value).map(|d| d.as_nanos()), naive(&text));
    }
}

//! How durations and times are written in documents, flags and query strings.

use std::time::Duration;

use tidings_event::{Code, Refusal, Timestamp};

const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// Reads `250ms`, `30s`, `15m`, `6h`, `7d`, `2w`.
///
/// # Errors
/// `FIELD_INVALID` for anything else, and for what does not fit in 64 bits of milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    let value = number.parse::<u64>().ok().zip(millis).and_then(|(n, m)| n.checked_mul(m));
    value.map(Duration::from_millis).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        Refusal::new(Code::FieldInvalid, format!("`{shown}` is not a duration"))
            .with_hint("write a whole number and ms, s, m, h, d or w, e.g. 7d")
    })
}

/// Writes a duration in the largest unit that keeps it whole; less than a millisecond is dropped.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = UNITS.iter().rev().find(|(_, unit)| millis % unit == 0 && millis > 0);
    whole.map_or_else(|| "0s".to_owned(), |(name, unit)| format!("{}{name}", millis / unit))
}

/// Reads an RFC 3339 UTC time.
///
/// # Errors
/// `FIELD_INVALID` for anything else.
pub fn parse_time(text: &str) -> Result<Timestamp, Refusal> {
    text.parse().map_err(|error| {
        let shown: String = text.chars().take(40).collect();
        Refusal::new(Code::FieldInvalid, format!("`{shown}` is {error}"))
    })
}

#[cfg(test)]
mod tests;

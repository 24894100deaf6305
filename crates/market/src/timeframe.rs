//! Timeframes: `1m` is a minute, `1mo` a month; and where a bar of one starts and ends.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};
use tidings_event::Timestamp;

/// Largest count a timeframe may have: keeps every interval far inside what a time can hold.
const COUNT_MAX: u32 = 100_000;

/// Length of a bar: a count of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timeframe {
    unit: Unit,
    count: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Unit {
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
}

/// Text that is not a timeframe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a timeframe: a number from 1 to 100000 and one of s, m, h, d, w, mo \
     (case matters: 1m is a minute, 1mo a month)"
)]
pub struct TimeframeError {
    /// The text, shortened.
    pub text: String,
}

impl Timeframe {
    /// A timeframe of whole minutes.
    #[must_use]
    pub const fn minutes(count: u32) -> Self {
        Self { unit: Unit::Minute, count }
    }

    /// Length in nanoseconds; `None` for months, whose length varies.
    #[must_use]
    pub const fn nanos(self) -> Option<u64> {
        let seconds = match self.unit {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 604_800,
            Unit::Month => return None,
        };
        // 1e5 weeks are 6e19 ns, above what 64 bits hold: saturates, and the addition below fails.
        Some((seconds * self.count as u64).saturating_mul(1_000_000_000))
    }

    /// Exclusive end of the bar that starts at `start`; `None` after the year 2553.
    #[must_use]
    pub fn end_of(self, start: Timestamp) -> Option<Timestamp> {
        match self.nanos() {
            Some(nanos) => start.0.checked_add(nanos).map(Timestamp),
            None => shift_months(start, i64::from(self.count).months()),
        }
    }

    /// Start of the bar that ends at `end`; `None` before 1970.
    #[must_use]
    pub fn start_of(self, end: Timestamp) -> Option<Timestamp> {
        match self.nanos() {
            Some(nanos) => end.0.checked_sub(nanos).map(Timestamp),
            None => shift_months(end, -i64::from(self.count).months()),
        }
    }
}

/// A calendar shift; a day that the month does not have becomes its last.
fn shift_months(at: Timestamp, by: Span) -> Option<Timestamp> {
    let nanos = i128::from(at.0);
    let civil = TimeZone::UTC.to_datetime(jiff::Timestamp::from_nanosecond(nanos).ok()?);
    let shifted = TimeZone::UTC.to_timestamp(civil.checked_add(by).ok()?).ok()?;
    u64::try_from(shifted.as_nanosecond()).ok().map(Timestamp)
}

impl FromStr for Timeframe {
    type Err = TimeframeError;

    fn from_str(text: &str) -> Result<Self, TimeframeError> {
        let error = || TimeframeError { text: text.chars().take(40).collect() };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let unit = match unit {
            "s" => Unit::Second,
            "m" => Unit::Minute,
            "h" => Unit::Hour,
            "d" => Unit::Day,
            "w" => Unit::Week,
            "mo" => Unit::Month,
            _ => return Err(error()),
        };
        let count = count.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count));
        Ok(Self { unit, count: count.ok_or_else(error)? })
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Unit::Second => "s",
            Unit::Minute => "m",
            Unit::Hour => "h",
            Unit::Day => "d",
            Unit::Week => "w",
            Unit::Month => "mo",
        };
        write!(f, "{}{unit}", self.count)
    }
}

#[cfg(test)]
mod tests;

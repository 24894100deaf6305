//! Nanosecond UTC times and their RFC 3339 form.
//!
//! The calendar arithmetic is the days-from-civil algorithm of Howard Hinnant
//! (<https://howardhinnant.github.io/date_algorithms.html>), exact for every u64 of nanoseconds.

use std::fmt;
use std::str::FromStr;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
const SECONDS_PER_DAY: u64 = 86_400;

/// Nanoseconds since 1970-01-01T00:00:00Z. Reaches to the year 2554.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// The latest time an event may carry: the last nanosecond of the year 2553, so that every time
/// has a text form that reads back.
pub const TIME_MAX: Timestamp = Timestamp(18_429_292_799_999_999_999);

impl Timestamp {
    /// From whole milliseconds.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    /// Whole milliseconds, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// The time `duration` before this one, not before 1970.
    #[must_use]
    pub fn minus(self, duration: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Midnight UTC of a proleptic Gregorian date plus seconds of the day; `None` before 1970,
    /// after 2553, or where the date does not exist.
    #[must_use]
    pub fn from_civil(year: i64, month: u32, day: u32, second_of_day: u32) -> Option<Self> {
        if !(1970..=2553).contains(&year)
            || !(1..=12).contains(&month)
            || day == 0
            || day > days_in_month(year, month)
            || u64::from(second_of_day) >= SECONDS_PER_DAY
        {
            return None;
        }
        let days = u64::try_from(days_from_civil(year, month, day)).ok()?;
        Some(Self((days * SECONDS_PER_DAY + u64::from(second_of_day)) * NANOS_PER_SECOND))
    }
}

/// Text that is not an RFC 3339 UTC time this service can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 UTC time such as 2026-01-02T03:04:05.123456789Z")]
pub struct TimeError;

impl fmt::Display for Timestamp {
    /// RFC 3339, `Z`, and as many of nine fraction digits as the value needs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / NANOS_PER_SECOND;
        let nanos = self.0 % NANOS_PER_SECOND;
        let (year, month, day) = civil_from_days(seconds / SECONDS_PER_DAY);
        let of_day = seconds % SECONDS_PER_DAY;
        let (h, m, s) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}")?;
        if nanos != 0 {
            let digits = format!("{nanos:09}");
            write!(f, ".{}", digits.trim_end_matches('0'))?;
        }
        f.write_str("Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    /// Accepts `YYYY-MM-DDThh:mm:ss[.1-9 digits](Z|+00:00|-00:00)`; other zones are refused.
    fn from_str(text: &str) -> Result<Self, TimeError> {
        let bytes = text.as_bytes();
        if bytes.len() < 20 || bytes.len() > 35 || !bytes.is_ascii() {
            return Err(TimeError);
        }
        let number = |range: std::ops::Range<usize>| -> Result<u32, TimeError> {
            bytes.get(range).ok_or(TimeError)?.iter().try_fold(0u32, |acc, b| {
                b.is_ascii_digit().then(|| acc * 10 + u32::from(b - b'0')).ok_or(TimeError)
            })
        };
        let separators = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
        if separators.iter().any(|&(at, want)| bytes.get(at) != Some(&want))
            || !matches!(bytes.get(10), Some(b'T' | b't'))
        {
            return Err(TimeError);
        }
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TimeError);
        }
        let seconds = hour * 3600 + minute * 60 + second;
        let date =
            Self::from_civil(i64::from(number(0..4)?), number(5..7)?, number(8..10)?, seconds)
                .ok_or(TimeError)?;
        let (nanos, zone) = fraction(bytes.get(19..).unwrap_or_default())?;
        match zone {
            b"Z" | b"z" | b"+00:00" | b"-00:00" => Ok(Self(date.0 + nanos)),
            _ => Err(TimeError),
        }
    }
}

/// Splits `[.digits]zone` into nanoseconds and the zone.
fn fraction(rest: &[u8]) -> Result<(u64, &[u8]), TimeError> {
    let Some(after) = rest.strip_prefix(b".") else { return Ok((0, rest)) };
    let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 || digits > 9 {
        return Err(TimeError);
    }
    let (number, zone) = after.split_at(digits);
    let value = number.iter().fold(0u64, |acc, b| acc * 10 + u64::from(b - b'0'));
    let scale = 9 - u32::try_from(digits).unwrap_or(9);
    Ok((value * 10u64.pow(scale), zone))
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let doe = z % 146_097;
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;

//! The interval of a bar that names its timeframe and a time, but neither start nor end.

use tidings_event::Timestamp;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

/// Monday, 1970-01-05: weeks are counted from here.
const FIRST_MONDAY: u64 = 4 * DAY;

/// The last whole interval of a canonical timeframe that has ended at a time: start and end. Weeks
/// begin on Mondays, months on their first day, everything else counts from 1970, all in UTC.
/// `None` for what is no timeframe, and where the interval would begin before 1970.
pub(crate) fn ended_at(timeframe: &str, time: Timestamp) -> Option<(u64, u64)> {
    if !is_timeframe(timeframe) {
        return None;
    }
    let unit = timeframe.trim_start_matches(|c: char| c.is_ascii_digit());
    let count: u64 = timeframe.strip_suffix(unit)?.parse().ok()?;
    let (length, origin) = match unit {
        "s" => (SECOND, 0),
        "m" => (60 * SECOND, 0),
        "h" => (3_600 * SECOND, 0),
        "d" => (DAY, 0),
        "w" => (7 * DAY, FIRST_MONDAY),
        "mo" => return months(count, time),
        _ => return None,
    };
    let length = length.checked_mul(count)?;
    let end = time.0.checked_sub(origin)? / length * length + origin;
    Some((end.checked_sub(length)?, end))
}

/// Whether a text is a canonical timeframe.
pub(crate) fn is_timeframe(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - unit.len();
    digits > 0
        && text.len() <= 8
        && !text.starts_with('0')
        && matches!(unit, "s" | "m" | "h" | "d" | "w" | "mo")
}

/// The same of months, in groups of `count` from January 1970 on.
fn months(count: u64, time: Timestamp) -> Option<(u64, u64)> {
    let text = time.to_string();
    let year: u64 = text.get(..4)?.parse().ok()?;
    let month: u64 = text.get(5..7)?.parse().ok()?;
    let end = ((year.checked_sub(1970)?) * 12 + month - 1) / count * count;
    Some((month_start(end.checked_sub(count)?)?, month_start(end)?))
}

/// The start of a month, counted from January 1970.
fn month_start(month: u64) -> Option<u64> {
    let year = i64::try_from(1970 + month / 12).ok()?;
    let month = u32::try_from(month % 12 + 1).ok()?;
    Timestamp::from_civil(year, month, 1, 0).map(|start| start.0)
}

#[cfg(test)]
mod tests;

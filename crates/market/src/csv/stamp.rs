//! A row's time, and the interval it stands for.

use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use tidings_event::Timestamp;

use crate::Timeframe;

/// What the time of a row means. Vendors disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stamp {
    /// The bar's inclusive start.
    #[default]
    Open,
    /// The bar's exclusive end.
    Close,
}

impl FromStr for Stamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "open" => Ok(Self::Open),
            "close" => Ok(Self::Close),
            _ => Err(format!("`{text}` is neither open nor close")),
        }
    }
}

/// Start and end of the bar whose row says `text`.
pub(super) fn interval(
    text: &str,
    stamp: Stamp,
    timeframe: Timeframe,
) -> Result<(Timestamp, Timestamp), String> {
    let shown = || text.chars().take(40).collect::<String>();
    let at = read(text).ok_or_else(|| {
        format!("`{}` is not a time such as 2024-01-31 or 2024-01-31 09:30:00", shown())
    })?;
    let bounds = match stamp {
        Stamp::Open => timeframe.end_of(at).map(|end| (at, end)),
        Stamp::Close => timeframe.start_of(at).map(|start| (start, at)),
    };
    bounds.ok_or_else(|| format!("a bar of {timeframe} at `{}` is outside 1970-2553", shown()))
}

/// A time with a zone, or without one: then UTC.
fn read(text: &str) -> Option<Timestamp> {
    let at = match text.parse::<jiff::Timestamp>() {
        Ok(at) => at,
        Err(_) => TimeZone::UTC.to_timestamp(text.parse::<DateTime>().ok()?).ok()?,
    };
    u64::try_from(at.as_nanosecond()).ok().map(Timestamp)
}

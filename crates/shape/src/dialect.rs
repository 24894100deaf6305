//! Timeframes as others write them. A dialect is named, never guessed: `1M` is a month to some and
//! a minute to others.

use std::str::FromStr;

use tidings_event::{Code, Refusal};

/// Whose notation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `PT1M`, `PT4H`, `P1D`, `P1W`, `P1M`.
    Iso8601,
    /// `1s`, `1m`, `4h`, `1d`, `1w`, `1M`.
    Binance,
    /// As Binance.
    Ccxt,
    /// `1`, `240` (minutes), `30S`, `1D` or `D`, `1W` or `W`, `1M` or `M`.
    Tradingview,
    /// `1s`, `1min` or `1T`, `4h`, `1D`, `1W`, `1ME` or `1M`.
    Pandas,
    /// `ohlcv-1m`, or its end.
    Databento,
    /// The platform's: `1m`, `1mo`, and its enums `M1`, `H4`, `D1`, `W1`, `MN1`, `MINUTE_1`, `MONTH_1`.
    Platform,
}

/// Name and dialect.
const NAMES: [(&str, Dialect); 7] = [
    ("iso8601", Dialect::Iso8601),
    ("binance", Dialect::Binance),
    ("ccxt", Dialect::Ccxt),
    ("tradingview", Dialect::Tradingview),
    ("pandas", Dialect::Pandas),
    ("databento", Dialect::Databento),
    ("platform", Dialect::Platform),
];

impl FromStr for Dialect {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        NAMES.iter().find(|(name, _)| *name == text).map(|(_, dialect)| *dialect).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
            Refusal::new(Code::FieldInvalid, format!("`{shown}` is not a dialect"))
                .at_field("dialect")
                .with_hint(known.join(", "))
        })
    }
}

impl Dialect {
    /// The canonical form of a timeframe. 60 minutes are an hour; hours are not made days, nor days
    /// weeks, since a trading day need not have 24 hours.
    ///
    /// # Errors
    /// `FIELD_INVALID` at `timeframe` for what the dialect does not have.
    pub fn canonical(self, text: &str) -> Result<String, Refusal> {
        let read = match self {
            Self::Iso8601 => iso8601(text),
            Self::Binance | Self::Ccxt => counted(
                text,
                &[("M", "mo"), ("s", "s"), ("m", "m"), ("h", "h"), ("d", "d"), ("w", "w")],
            ),
            Self::Tradingview => tradingview(text),
            Self::Pandas => counted_or_one(text, PANDAS),
            Self::Databento => {
                let units = [("s", "s"), ("m", "m"), ("h", "h"), ("d", "d")];
                counted(text.strip_prefix("ohlcv-").unwrap_or(text), &units)
            }
            Self::Platform => platform(text),
        };
        read.map(normal).ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            let name = NAMES.iter().find(|(_, dialect)| *dialect == self).map_or("", |(n, _)| n);
            Refusal::new(Code::FieldInvalid, format!("`{shown}` is not a timeframe of {name}"))
                .at_field("timeframe")
        })
    }
}

/// How many of which canonical unit.
type Length = (u32, &'static str);

const PANDAS: &[(&str, &str)] = &[
    ("min", "m"),
    ("T", "m"),
    ("s", "s"),
    ("S", "s"),
    ("h", "h"),
    ("H", "h"),
    ("D", "d"),
    ("W", "w"),
    ("ME", "mo"),
    ("MS", "mo"),
    ("M", "mo"),
];

fn normal((count, unit): Length) -> String {
    match unit {
        "m" if count % 60 == 0 => format!("{}h", count / 60),
        unit => format!("{count}{unit}"),
    }
}

/// Digits without a leading zero.
fn count(digits: &str) -> Option<u32> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
    if plain && digits.len() <= 6 { digits.parse().ok() } else { None }
}

/// A count and a unit.
fn counted(text: &str, units: &[(&str, &'static str)]) -> Option<Length> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let (_, canonical) = units.iter().find(|(name, _)| *name == unit)?;
    Some((count(text.strip_suffix(unit)?)?, canonical))
}

/// The same, and a unit alone is one of it.
fn counted_or_one(text: &str, units: &[(&str, &'static str)]) -> Option<Length> {
    match units.iter().find(|(name, _)| *name == text) {
        Some((_, canonical)) => Some((1, canonical)),
        None => counted(text, units),
    }
}

fn iso8601(text: &str) -> Option<Length> {
    match text.strip_prefix("PT") {
        Some(time) => counted(time, &[("S", "s"), ("M", "m"), ("H", "h")]),
        None => counted(text.strip_prefix('P')?, &[("D", "d"), ("W", "w"), ("M", "mo")]),
    }
}

fn tradingview(text: &str) -> Option<Length> {
    match count(text) {
        Some(minutes) => Some((minutes, "m")),
        None => counted_or_one(text, &[("S", "s"), ("D", "d"), ("W", "w"), ("M", "mo")]),
    }
}

fn platform(text: &str) -> Option<Length> {
    let canonical = [("s", "s"), ("m", "m"), ("h", "h"), ("d", "d"), ("w", "w"), ("mo", "mo")];
    let enums = [
        ("SECOND_", "s"),
        ("MINUTE_", "m"),
        ("HOUR_", "h"),
        ("DAY_", "d"),
        ("WEEK_", "w"),
        ("MONTH_", "mo"),
        ("MN", "mo"),
        ("S", "s"),
        ("M", "m"),
        ("H", "h"),
        ("D", "d"),
        ("W", "w"),
    ];
    let named =
        |(prefix, unit): &(&str, &'static str)| Some((count(text.strip_prefix(prefix)?)?, *unit));
    counted(text, &canonical).or_else(|| enums.iter().find_map(named))
}

#[cfg(test)]
mod tests;

//! The demo's indicators, bar by bar, with the values TA-Lib gives.
//!
//! The arithmetic is `kand`'s. Seeds are TA-Lib's: an EMA starts as the mean of its first period;
//! in MACD the fast EMA starts late, so that both averages have their first value on the same bar.
//! SMA and Bollinger bands are computed from the last 20 closes each time, so they do not drift.
//! References: <https://github.com/TA-Lib/ta-lib>, `ta_MACD.c`, `ta_RSI.c`, `ta_ATR.c`.

mod smooth;
mod window;

use crate::Bar;
use smooth::{Atr, Ema, Macd, Rsi};
use window::Window;

/// The values of one bar, in this order.
pub const NAMES: [&str; 10] = [
    "sma_20",
    "ema_20",
    "rsi_14",
    "atr_14",
    "macd_12_26_9.line",
    "macd_12_26_9.signal",
    "macd_12_26_9.histogram",
    "bbands_20_2.upper",
    "bbands_20_2.middle",
    "bbands_20_2.lower",
];

/// One indicator on one bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading {
    /// A finite value.
    Ready(f64),
    /// Not enough bars yet.
    WarmingUp,
    /// The arithmetic left the finite numbers.
    NotFinite,
}

impl Reading {
    fn of(value: Option<f64>) -> Self {
        match value {
            Some(value) if value.is_finite() => Self::Ready(value),
            Some(_) => Self::NotFinite,
            None => Self::WarmingUp,
        }
    }

    /// The value, where there is one.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        match self {
            Self::Ready(value) => Some(value),
            Self::WarmingUp | Self::NotFinite => None,
        }
    }
}

/// All indicators of one series, fed one bar at a time. Cloning forks it: the way to try an
/// unfinished bar.
#[derive(Clone, Debug, Default)]
pub struct Indicators {
    bars: u32,
    closes: Window,
    ema: Ema<20>,
    rsi: Rsi,
    atr: Atr,
    macd: Macd,
}

/// The values after one bar, in the order of [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Readings {
    /// One per name.
    pub values: [Reading; NAMES.len()],
    /// Bars seen so far.
    pub bars: u32,
}

impl Readings {
    /// The reading of a name; `None` for a name that is not in [`NAMES`].
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Reading> {
        NAMES.iter().position(|&n| n == name).map(|at| self.values[at])
    }

    /// Share of values that are there, 0..=1.
    #[must_use]
    pub fn completeness(&self) -> f64 {
        let ready = self.values.iter().filter(|v| v.value().is_some()).count();
        ready as f64 / NAMES.len() as f64
    }
}

impl Indicators {
    /// Takes the next bar in.
    pub fn push(&mut self, bar: &Bar) -> Readings {
        self.bars = self.bars.saturating_add(1);
        self.closes.push(bar.close);
        let macd = self.macd.push(bar.close);
        let bands = self.closes.bands();
        let values = [
            self.closes.mean(),
            self.ema.push(bar.close),
            self.rsi.push(bar.close),
            self.atr.push(bar),
            macd.map(|m| m.line),
            macd.map(|m| m.signal),
            macd.map(|m| m.line - m.signal),
            bands.map(|b| b.upper),
            bands.map(|b| b.middle),
            bands.map(|b| b.lower),
        ];
        Readings { values: values.map(Reading::of), bars: self.bars }
    }
}

#[cfg(test)]
mod tests;

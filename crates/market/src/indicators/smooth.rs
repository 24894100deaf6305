//! The recursive indicators: EMA, MACD, RSI, ATR.

use kand::ohlcv::{atr, ema, rsi, trange};

use crate::Bar;

/// Exponential mean, seeded by the mean of its first `PERIOD` inputs.
#[derive(Clone, Debug, Default)]
pub(super) struct Ema<const PERIOD: usize> {
    seen: usize,
    sum: f64,
    value: f64,
}

impl<const PERIOD: usize> Ema<PERIOD> {
    pub(super) fn push(&mut self, input: f64) -> Option<f64> {
        if self.seen >= PERIOD {
            self.value = ema::ema_inc(input, self.value, PERIOD, None).ok()?;
            return Some(self.value);
        }
        self.seen += 1;
        self.sum += input;
        self.value = self.sum / PERIOD as f64;
        (self.seen == PERIOD).then_some(self.value)
    }
}

/// Line and signal of MACD 12/26/9.
#[derive(Clone, Copy, Debug)]
pub(super) struct MacdValue {
    pub(super) line: f64,
    pub(super) signal: f64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Macd {
    seen: usize,
    fast: Ema<12>,
    slow: Ema<26>,
    signal: Ema<9>,
}

/// Bars the fast mean waits, so that both means are first there on bar 26.
const FAST_WAITS: usize = 26 - 12;

impl Macd {
    pub(super) fn push(&mut self, close: f64) -> Option<MacdValue> {
        let slow = self.slow.push(close);
        let waited = self.seen >= FAST_WAITS;
        self.seen = self.seen.saturating_add(1);
        let fast = if waited { self.fast.push(close) } else { None };
        let line = fast? - slow?;
        self.signal.push(line).map(|signal| MacdValue { line, signal })
    }
}

const PERIOD: usize = 14;

/// TA-Lib's zero: below it a mean counts as none.
const ZERO: f64 = 1e-14;

/// Relative strength with Wilder's smoothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Rsi {
    changes: usize,
    previous: Option<f64>,
    gain: f64,
    loss: f64,
}

impl Rsi {
    pub(super) fn push(&mut self, close: f64) -> Option<f64> {
        let previous = self.previous.replace(close)?;
        if self.changes >= PERIOD {
            let (value, gain, loss) =
                rsi::rsi_inc(close, previous, self.gain, self.loss, PERIOD).ok()?;
            (self.gain, self.loss) = (gain, loss);
            return Some(self.unless_flat(value));
        }
        // kand has no step for the seed: the plain means of the first 14 changes.
        let change = close - previous;
        self.changes += 1;
        self.gain += change.max(0.0) / PERIOD as f64;
        self.loss += (-change).max(0.0) / PERIOD as f64;
        let value = 100.0 * self.gain / (self.gain + self.loss);
        (self.changes == PERIOD).then(|| self.unless_flat(value))
    }

    /// Where nothing moved TA-Lib says 0; the quotient would be nothing.
    fn unless_flat(&self, value: f64) -> f64 {
        if (self.gain + self.loss).abs() < ZERO { 0.0 } else { value }
    }
}

/// Average true range with Wilder's smoothing; the first bar has no true range.
#[derive(Clone, Debug, Default)]
pub(super) struct Atr {
    ranges: usize,
    previous: Option<f64>,
    value: f64,
}

impl Atr {
    pub(super) fn push(&mut self, bar: &Bar) -> Option<f64> {
        let previous = self.previous.replace(bar.close)?;
        if self.ranges >= PERIOD {
            self.value = atr::atr_inc(bar.high, bar.low, previous, self.value, PERIOD).ok()?;
            return Some(self.value);
        }
        let range = trange::trange_inc(bar.high, bar.low, previous).ok()?;
        self.ranges += 1;
        self.value += range / PERIOD as f64;
        (self.ranges == PERIOD).then_some(self.value)
    }
}

//! The last 20 closes: simple mean and Bollinger bands.

use kand::ohlcv::sma;
use kand::stats::var;

const PERIOD: usize = 20;
const DEVIATIONS: f64 = 2.0;

/// TA-Lib's zero.
const ZERO: f64 = 1e-14;

/// The last closes, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    closes: [f64; PERIOD],
    filled: usize,
}

/// Bollinger bands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bands {
    pub(super) upper: f64,
    pub(super) middle: f64,
    pub(super) lower: f64,
}

impl Window {
    pub(super) fn push(&mut self, close: f64) {
        if self.filled < PERIOD {
            self.closes[self.filled] = close;
            self.filled += 1;
        } else {
            self.closes.rotate_left(1);
            self.closes[PERIOD - 1] = close;
        }
    }

    /// Mean of the last 20; `None` before there are as many.
    pub(super) fn mean(&self) -> Option<f64> {
        let mut means = [0.0; PERIOD];
        self.full()?;
        sma::sma(&self.closes, PERIOD, &mut means).ok()?;
        means.last().copied()
    }

    pub(super) fn bands(&self) -> Option<Bands> {
        let middle = self.mean()?;
        let (mut variances, mut sums, mut squares) = ([0.0; PERIOD], [0.0; PERIOD], [0.0; PERIOD]);
        var::var(&self.closes, PERIOD, &mut variances, &mut sums, &mut squares).ok()?;
        // Rounding leaves equal prices a trace of variance, of either sign; TA-Lib reads it as 0.
        // NaN stays NaN: `max` would hide it.
        let variance = variances[PERIOD - 1];
        let deviation = if variance < ZERO { 0.0 } else { variance.sqrt() };
        Some(Bands {
            upper: middle + DEVIATIONS * deviation,
            middle,
            lower: middle - DEVIATIONS * deviation,
        })
    }

    fn full(&self) -> Option<()> {
        (self.filled == PERIOD).then_some(())
    }
}

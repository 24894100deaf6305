//! Trades to bars.

use tidings_event::Timestamp;

use super::Tick;
use crate::Bar;

/// Builds the bars of one series of fixed length.
#[derive(Clone, Debug)]
pub struct BarBuilder {
    nanos: u64,
    forming: Option<Bar>,
}

impl BarBuilder {
    /// For bars of this many nanoseconds, at least 1, aligned to multiples of it since 1970.
    #[must_use]
    pub fn new(nanos: u64) -> Self {
        Self { nanos: nanos.max(1), forming: None }
    }

    /// Takes a trade in. Trades come in time order; the bar before must have been closed.
    pub fn push(&mut self, tick: Tick) {
        let start = Timestamp(tick.at.0 / self.nanos * self.nanos);
        let end = Timestamp(start.0.saturating_add(self.nanos));
        let bar = self.forming.get_or_insert_with(|| empty(tick.price, start, end));
        bar.high = bar.high.max(tick.price);
        bar.low = bar.low.min(tick.price);
        bar.close = tick.price;
        bar.volume += tick.volume;
    }

    /// The bar as it stands.
    #[must_use]
    pub fn forming(&self) -> Option<&Bar> {
        self.forming.as_ref()
    }

    /// The bar that is finished by `now`, if one is.
    pub fn close(&mut self, now: Timestamp) -> Option<Bar> {
        self.forming.take_if(|bar| bar.end <= now)
    }
}

fn empty(price: f64, start: Timestamp, end: Timestamp) -> Bar {
    Bar { start, end, open: price, high: price, low: price, close: price, volume: 0.0 }
}

//! A seeded market, minute by minute: the same seed trades the same day.
//!
//! Activity over the day is U-shaped, popularity among instruments follows Zipf's law, prices walk
//! with a common factor, and now and then a shock moves everything at once.

mod build;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Poisson, StandardNormal};
use tidings_event::Timestamp;

pub use build::BarBuilder;

/// Minutes of one trading day.
pub const DAY_MINUTES: u32 = 390;

/// 2026-01-05 14:30 UTC: the first day opens.
const FIRST_OPEN: Timestamp = Timestamp(1_767_623_400_000_000_000);

const MINUTE_NANOS: u64 = 60_000_000_000;
const DAY_NANOS: u64 = 86_400_000_000_000;

/// Zipf's exponent of how often instruments trade.
const POPULARITY: f64 = 0.8;

/// What to generate.
#[derive(Clone, Debug)]
pub struct MarketOptions {
    /// Same seed, same market.
    pub seed: u64,
    /// How many instruments, at least 1.
    pub instruments: usize,
    /// Trades of an average instrument in an average minute.
    pub trades: f64,
}

impl Default for MarketOptions {
    fn default() -> Self {
        Self { seed: 42, instruments: 500, trades: 4.0 }
    }
}

/// One trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tick {
    /// When, in market time.
    pub at: Timestamp,
    /// Price, above 0.
    pub price: f64,
    /// Amount.
    pub volume: f64,
}

#[derive(Clone, Debug)]
struct Listing {
    symbol: String,
    price: f64,
    /// Share of the market's trades times the number of instruments: 1 is average.
    popularity: f64,
    /// How much of the common move it follows.
    beta: f64,
}

/// The market: call [`Market::minute`] again and again.
#[derive(Debug)]
pub struct Market {
    random: StdRng,
    listings: Vec<Listing>,
    trades: f64,
    day: u64,
    minute: u32,
    next_shock: u32,
}

impl Market {
    /// A market before its first minute.
    #[must_use]
    pub fn new(options: &MarketOptions) -> Self {
        let mut random = StdRng::seed_from_u64(options.seed);
        let count = options.instruments.max(1);
        let total: f64 = (1..=count).map(|rank| (rank as f64).powf(-POPULARITY)).sum();
        let listings = (0..count)
            .map(|index| Listing {
                symbol: format!("SIM{index:05}"),
                price: random.random_range(5.0..500.0),
                popularity: ((index + 1) as f64).powf(-POPULARITY) / total * count as f64,
                beta: random.random_range(0.3..1.5),
            })
            .collect();
        Self { random, listings, trades: options.trades, day: 0, minute: 0, next_shock: 45 }
    }

    /// Symbols, the most popular first.
    pub fn symbols(&self) -> impl Iterator<Item = &str> {
        self.listings.iter().map(|l| l.symbol.as_str())
    }

    /// Start of the minute that comes next, and its place in the day.
    #[must_use]
    pub fn next_minute(&self) -> (Timestamp, u32) {
        let open = FIRST_OPEN.0 + self.day * DAY_NANOS;
        (Timestamp(open + u64::from(self.minute) * MINUTE_NANOS), self.minute)
    }

    /// Trades the next minute: `tick` is called with instrument and trade, in time order for each
    /// instrument. An instrument may not trade at all.
    pub fn minute(&mut self, mut tick: impl FnMut(usize, Tick)) {
        let (start, minute) = self.next_minute();
        let shock = self.shock();
        let common: f64 = self.normal() * 0.000_3 + shock;
        let activity = activity(minute) * if shock == 0.0 { 1.0 } else { 4.0 };
        for index in 0..self.listings.len() {
            let expected = self.trades * activity * self.listings[index].popularity;
            let trades = self.poisson(expected);
            let step = MINUTE_NANOS / u64::from(trades + 1);
            for trade in 0..trades {
                let own = self.normal() * 0.000_8 / f64::from(trades).sqrt();
                let listing = &mut self.listings[index];
                let moved = own + common * listing.beta / f64::from(trades);
                listing.price = (listing.price * (1.0 + moved)).clamp(0.01, 1e6);
                let price = (listing.price * 100.0).round() / 100.0;
                let volume = f64::from(self.random.random_range(1..50_u32)) * 100.0;
                let at = Timestamp(start.0 + step * u64::from(trade + 1));
                tick(index, Tick { at, price, volume });
            }
        }
        self.minute += 1;
        if self.minute == DAY_MINUTES {
            (self.minute, self.day) = (0, self.day + 1);
        }
    }

    /// The move of a shock in this minute; mostly none.
    fn shock(&mut self) -> f64 {
        if self.next_shock > 0 {
            self.next_shock -= 1;
            return 0.0;
        }
        self.next_shock = self.random.random_range(60..180);
        let size = self.random.random_range(0.01..0.04);
        if self.random.random_bool(0.5) { size } else { -size }
    }

    fn normal(&mut self) -> f64 {
        StandardNormal.sample(&mut self.random)
    }

    /// Trades in a minute, at most 60.
    fn poisson(&mut self, expected: f64) -> u32 {
        let drawn = Poisson::new(expected).map_or(0.0, |p| p.sample(&mut self.random));
        drawn.min(60.0) as u32
    }
}

/// Activity relative to the day's mean: high at the open, higher still near the close, low at noon.
#[must_use]
pub fn activity(minute: u32) -> f64 {
    let x = f64::from(minute) / f64::from(DAY_MINUTES - 1);
    0.5 + 1.5 * (2.0 * x - 1.0).powi(2)
}

#[cfg(test)]
mod tests;

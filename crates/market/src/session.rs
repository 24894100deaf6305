//! A market day as events: trades to bars, bars to everything there is to report.

use tidings_event::{Timestamp, v1};

use crate::correlate::Correlator;
use crate::generate::{BarBuilder, Market, MarketOptions};
use crate::{Analyst, Author, Bar, Readings, Series, Timeframe};

/// Venue of the generated market.
pub const VENUE: &str = "XSIM";

/// Timeframes reported, in minutes.
const TIMEFRAMES: [u32; 3] = [1, 5, 15];

/// Instruments in the correlation matrix.
const CORRELATED: usize = 10;

/// Instruments that get a summary every quarter of an hour.
const SUMMARIES: usize = 100;

/// The most popular, whose forming bars are reported too.
const HOT: usize = 20;

/// What to generate and under whose name.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The market.
    pub market: MarketOptions,
    /// Source of the events.
    pub source: String,
}

/// Runs a [`Market`] and reports on it.
#[derive(Debug)]
pub struct Session {
    market: Market,
    author: Author,
    desks: Vec<Desk>,
    correlator: Correlator,
}

/// One instrument: a bar builder and an analyst for each timeframe.
#[derive(Debug)]
struct Desk {
    frames: Vec<(BarBuilder, Analyst)>,
    latest: Option<(Bar, Readings)>,
    last_close: Option<f64>,
    minute_return: f64,
}

impl Session {
    /// A session before its first minute.
    #[must_use]
    pub fn new(options: &SessionOptions) -> Self {
        let market = Market::new(&options.market);
        let desks = market.symbols().map(Desk::new).collect();
        let popular = market.symbols().take(CORRELATED).map(str::to_owned).collect();
        Self {
            author: Author::new(&options.source, options.market.seed),
            desks,
            correlator: Correlator::new("popular", popular, 60),
            market,
        }
    }

    /// Trades one minute and appends its events, stamped `now`.
    pub fn minute(&mut self, now: Timestamp, out: &mut Vec<v1::Event>) {
        let (start, _) = self.market.next_minute();
        let desks = &mut self.desks;
        self.market.minute(|index, tick| {
            desks[index].frames.iter_mut().for_each(|(builder, _)| builder.push(tick));
        });
        let end = Timestamp(start.0 + 60_000_000_000);
        for (rank, desk) in desks.iter_mut().enumerate() {
            desk.report(rank < HOT, end, &mut self.author, now, out);
        }
        let moves = self.desks.iter_mut().take(CORRELATED);
        self.correlator.push(moves.map(|desk| std::mem::take(&mut desk.minute_return)));
        self.marks(end, now, out);
        if end.0.is_multiple_of(15 * 60_000_000_000) {
            self.quarter(now, out);
        }
    }

    /// Says of every timeframe that ends here that it is complete.
    fn marks(&mut self, end: Timestamp, now: Timestamp, out: &mut Vec<v1::Event>) {
        let expected = u32::try_from(self.desks.len()).unwrap_or(u32::MAX);
        for minutes in TIMEFRAMES {
            let timeframe = Timeframe::minutes(minutes);
            let nanos = u64::from(minutes) * 60_000_000_000;
            if !end.0.is_multiple_of(nanos) {
                continue;
            }
            let counts =
                v1::IntervalComplete { expected, published: expected, ..Default::default() };
            let interval = (Timestamp(end.0 - nanos), end);
            out.push(self.author.interval_complete(VENUE, timeframe, interval, counts, now));
        }
    }

    /// The correlation matrix and the summaries of every quarter of an hour.
    fn quarter(&mut self, now: Timestamp, out: &mut Vec<v1::Event>) {
        if let Some(matrix) = self.correlator.pairs() {
            out.push(self.author.correlation(matrix, now));
        }
        for desk in self.desks.iter().take(SUMMARIES) {
            if let (Some((bar, readings)), Some((_, analyst))) = (&desk.latest, desk.frames.first())
            {
                out.push(self.author.summary(analyst.series(), bar, readings, now));
            }
        }
    }
}

impl Desk {
    fn new(symbol: &str) -> Self {
        let frames = TIMEFRAMES.iter().map(|&minutes| {
            let series = Series {
                instrument: symbol.to_owned(),
                venue: VENUE.to_owned(),
                timeframe: Timeframe::minutes(minutes),
            };
            (BarBuilder::new(u64::from(minutes) * 60_000_000_000), Analyst::new(series))
        });
        Self { frames: frames.collect(), latest: None, last_close: None, minute_return: 0.0 }
    }

    /// Finished bars of every timeframe; of a hot instrument the forming ones as well.
    fn report(
        &mut self,
        hot: bool,
        end: Timestamp,
        author: &mut Author,
        now: Timestamp,
        out: &mut Vec<v1::Event>,
    ) {
        for (place, (builder, analyst)) in self.frames.iter_mut().enumerate() {
            let Some(bar) = builder.close(end) else {
                if let Some(bar) = builder.forming().filter(|_| hot) {
                    out.push(analyst.forming(bar, author, now));
                }
                continue;
            };
            let readings = analyst.finished(&bar, author, now, out);
            if place == 0 {
                let before = self.last_close.replace(bar.close).unwrap_or(bar.close);
                self.minute_return = (bar.close / before).ln();
                self.latest = Some((bar, readings));
            }
        }
    }
}

#[cfg(test)]
mod tests;

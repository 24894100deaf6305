//! Indicators: equal to a naive computation over all bars, to known values, and to TA-Lib's.

use std::path::PathBuf;

use super::{Indicators, NAMES, Reading, Readings};
use crate::generate::{BarBuilder, Market, MarketOptions};
use crate::{Bar, BarReader, CsvOptions};

fn bars(count: usize) -> Vec<Bar> {
    let mut market = Market::new(&MarketOptions { seed: 7, instruments: 1, trades: 9.0 });
    let mut builder = BarBuilder::new(60_000_000_000);
    let mut bars = Vec::new();
    while bars.len() < count {
        market.minute(|_, tick| builder.push(tick));
        bars.extend(builder.close(market.next_minute().0));
    }
    bars
}

fn run(bars: &[Bar]) -> Vec<Readings> {
    let mut indicators = Indicators::default();
    bars.iter().map(|bar| indicators.push(bar)).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The recursion from its definition: seed = mean of the first `period`, then `step(last, next)`.
fn recursive(inputs: &[f64], period: usize, step: impl Fn(f64, f64) -> f64) -> Option<f64> {
    let seed = mean(inputs.get(..period)?);
    Some(inputs[period..].iter().fold(seed, |last, &next| step(last, next)))
}

fn ema(inputs: &[f64], period: usize) -> Option<f64> {
    let k = 2.0 / (period as f64 + 1.0);
    recursive(inputs, period, |last, next| last * (1.0 - k) + next * k)
}

fn wilder(inputs: &[f64]) -> Option<f64> {
    recursive(inputs, 14, |last, next| (last * 13.0 + next) / 14.0)
}

/// What [`NAMES`] are after the last of `bars`, each from all bars.
fn naive(bars: &[Bar]) -> [Option<f64>; NAMES.len()] {
    let closes: Vec<f64> = bars.iter().map(|b| b.close).collect();
    let changes: Vec<f64> = closes.windows(2).map(|w| w[1] - w[0]).collect();
    let up = wilder(&changes.iter().map(|c| c.max(0.0)).collect::<Vec<_>>());
    let down = wilder(&changes.iter().map(|c| (-c).max(0.0)).collect::<Vec<_>>());
    let rsi = up.zip(down).map(|(u, d)| if u + d == 0.0 { 0.0 } else { 100.0 * u / (u + d) });
    let ranges: Vec<f64> =
        bars.windows(2).map(|w| w[1].high.max(w[0].close) - w[1].low.min(w[0].close)).collect();
    let line = |n: usize| Some(ema(closes[..n].get(14..)?, 12)? - ema(&closes[..n], 26)?);
    let lines: Vec<f64> = (26..=closes.len()).filter_map(line).collect();
    let signal = ema(&lines, 9);
    let line = lines.last().copied().filter(|_| signal.is_some());
    let last = closes.len().checked_sub(20).map(|from| &closes[from..]);
    let middle = last.map(mean);
    let width = last.zip(middle).map(|(last, m)| {
        2.0 * mean(&last.iter().map(|c| (c - m).powi(2)).collect::<Vec<_>>()).sqrt()
    });
    let band = |sign: f64| Some(middle? + sign * width?);
    let histogram = line.zip(signal).map(|(l, s)| l - s);
    [
        middle,
        ema(&closes, 20),
        rsi,
        wilder(&ranges),
        line,
        signal,
        histogram,
        band(1.0),
        middle,
        band(-1.0),
    ]
}

fn close_to(got: Option<f64>, want: Option<f64>, tolerance: f64) -> bool {
    match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() <= tolerance * want.abs().max(1.0),
        (got, want) => got.is_none() && want.is_none(),
    }
}

#[test]
fn streaming_equals_the_naive_computation_on_every_bar() {
    let bars = bars(300);
    for (at, readings) in run(&bars).iter().enumerate() {
        let want = naive(&bars[..=at]);
        for ((name, got), want) in NAMES.iter().zip(readings.values).zip(want) {
            assert!(close_to(got.value(), want, 1e-7), "{name} on bar {at}: {got:?} {want:?}");
        }
    }
}

#[test]
fn warm_up_ends_where_ta_lib_s_does() {
    let readings = run(&bars(40));
    let first = |name: &str| {
        readings.iter().position(|r| r.get(name).unwrap() != Reading::WarmingUp).unwrap()
    };
    let firsts = NAMES.map(first);
    assert_eq!(firsts, [19, 19, 14, 14, 33, 33, 33, 19, 19, 19]);
}

#[test]
fn flat_and_overflowing_prices_give_no_nonsense() {
    let flat = |price: f64| {
        let mut bar = bars(1)[0];
        (bar.open, bar.high, bar.low, bar.close) = (price, price, price, price);
        bar
    };
    let still = run(&vec![flat(0.1); 60])[59];
    assert_eq!(still.get("rsi_14").unwrap(), Reading::Ready(0.0));
    assert!(close_to(still.get("bbands_20_2.upper").unwrap().value(), Some(0.1), 1e-9));
    let huge = run(&vec![flat(f64::MAX); 60])[59];
    assert_eq!(huge.get("sma_20").unwrap(), Reading::NotFinite);
}

/// Symbol, then SMA20, EMA20, RSI14, MACD line, MACD signal, ATR14.
const GOLDEN: [(&str, [f64; 6]); 3] = [
    ("AAPL", [455.492000, 455.687444, 32.777855, -12.713926, -12.263390, 11.828960]),
    ("MSFT", [27.716500, 27.690928, 55.978916, 0.085398, 0.100791, 0.418217]),
    ("IBM", [200.844500, 200.375980, 57.187236, 0.638523, 0.680156, 2.563234]),
];

#[test]
fn the_last_row_of_real_files_equals_ta_lib() {
    let fallback = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("TIDINGS_DATA").map_or(fallback, PathBuf::from);
    if !folder.is_dir() {
        eprintln!("SKIPPED: no market data at {} (set TIDINGS_DATA)", folder.display());
        return;
    }
    let names = ["sma_20", "ema_20", "rsi_14", NAMES[4], NAMES[5], "atr_14"];
    for (symbol, golden) in GOLDEN {
        let path = folder.join(format!("{symbol}-1d.csv"));
        let bars: Result<Vec<Bar>, _> =
            BarReader::open(&path, &CsvOptions::default()).unwrap().collect();
        let last = *run(&bars.unwrap()).last().unwrap();
        for (name, want) in names.into_iter().zip(golden) {
            let got = last.get(name).unwrap().value();
            // The table has six decimals.
            assert!(got.is_some_and(|got| (got - want).abs() <= 1e-6), "{symbol} {name} {got:?}");
        }
    }
}

//! The market: seeded, U-shaped, skewed, shocked.

use super::{BarBuilder, DAY_MINUTES, Market, MarketOptions, Tick, activity};
use tidings_event::Timestamp;

fn day(seed: u64) -> Vec<Vec<(usize, Tick)>> {
    let mut market = Market::new(&MarketOptions { seed, instruments: 50, trades: 3.0 });
    let minute = |_| {
        let mut ticks = Vec::new();
        market.minute(|index, tick| ticks.push((index, tick)));
        ticks
    };
    (0..DAY_MINUTES).map(minute).collect()
}

#[test]
fn the_same_seed_trades_the_same_day() {
    assert!(day(3) == day(3));
    assert!(day(3) != day(4));
}

#[test]
fn the_day_is_u_shaped_and_popular_instruments_trade_more() {
    let minutes = day(1);
    let trades = |range: std::ops::Range<usize>| minutes[range].iter().map(Vec::len).sum::<usize>();
    assert!(trades(0..30) > 2 * trades(180..210));
    assert!(trades(360..390) > 2 * trades(180..210));
    let of = |index| minutes.iter().flatten().filter(|(i, _)| *i == index).count();
    assert!(of(0) > 4 * of(40));
    let mean = (0..DAY_MINUTES).map(activity).sum::<f64>() / f64::from(DAY_MINUTES);
    assert!((mean - 1.0).abs() < 0.01);
}

#[test]
fn days_follow_each_other_and_ticks_stay_in_their_minute() {
    let mut market = Market::new(&MarketOptions { seed: 1, instruments: 5, trades: 3.0 });
    let (open, _) = market.next_minute();
    for minute in 0..DAY_MINUTES + 2 {
        let (start, place) = market.next_minute();
        assert_eq!(place, minute % DAY_MINUTES);
        market.minute(|_, t| assert!(start < t.at && t.at.0 < start.0 + 60_000_000_000));
    }
    assert_eq!(market.next_minute().0.0, open.0 + 86_400_000_000_000 + 120_000_000_000);
}

#[test]
fn ticks_make_bars() {
    let mut builder = BarBuilder::new(60);
    for (at, price) in [(61, 5.0), (70, 9.0), (80, 4.0), (119, 6.0)] {
        builder.push(Tick { at: Timestamp(at), price, volume: 2.0 });
    }
    assert_eq!(builder.close(Timestamp(119)), None);
    let bar = builder.close(Timestamp(120)).unwrap();
    assert_eq!((bar.start, bar.end), (Timestamp(60), Timestamp(120)));
    assert_eq!((bar.open, bar.high, bar.low, bar.close, bar.volume), (5.0, 9.0, 4.0, 6.0, 8.0));
    assert_eq!(builder.close(Timestamp(180)), None);
}

//! Patterns and anomalies on bars made for them.

use tidings_event::{Timestamp, v1::Severity};

use super::{Anomalies, Patterns};
use crate::Bar;

fn bar(open: f64, high: f64, low: f64, close: f64) -> Bar {
    Bar { start: Timestamp(1), end: Timestamp(2), open, high, low, close, volume: 1.0 }
}

#[track_caller]
fn check_pattern(bars: [Bar; 2], want: Option<&str>) {
    let mut patterns = Patterns::default();
    assert_eq!(patterns.push(&bars[0]), None);
    let found = patterns.push(&bars[1]);
    assert_eq!(found.as_ref().map(|p| p.r#type.as_str()), want);
}

#[test]
fn candles_are_told() {
    let (up, down) = (bar(10.0, 11.0, 9.0, 10.5), bar(10.5, 11.0, 9.0, 10.0));
    check_pattern([down, bar(9.9, 11.0, 9.0, 10.9)], Some("bullish_engulfing"));
    check_pattern([up, bar(10.6, 11.0, 9.0, 9.8)], Some("bearish_engulfing"));
    check_pattern([up, bar(10.0, 11.0, 9.0, 10.01)], Some("doji"));
    check_pattern([up, bar(10.0, 10.0, 10.0, 10.0)], None);
    check_pattern([down, up], None);
}

/// Severity of a return that is `z` deviations out after 60 returns of +-1 %.
#[track_caller]
fn check_anomaly(z: f64, want: Option<Severity>) {
    let mut anomalies = Anomalies::default();
    let mut price = 100.0;
    for turn in 0..=60 {
        price *= (if turn % 2 == 0 { 0.01_f64 } else { -0.01 }).exp();
        assert_eq!(anomalies.push(&bar(price, price, price, price)), None);
    }
    let next = price * (0.01 * z).exp();
    let found = anomalies.push(&bar(next, next, next, next));
    assert_eq!(found.as_ref().map(|f| f.0), want);
    if let Some((_, anomaly)) = found {
        assert!((anomaly.z_score.unwrap() - z).abs() < 0.1);
    }
}

#[test]
fn returns_far_out_are_anomalies_by_their_z_score() {
    check_anomaly(3.9, None);
    check_anomaly(4.5, Some(Severity::Low));
    check_anomaly(-6.0, Some(Severity::Medium));
    check_anomaly(8.0, Some(Severity::High));
    check_anomaly(-12.0, Some(Severity::Critical));
}

#[test]
fn prices_that_never_move_or_are_not_prices_give_none() {
    let mut anomalies = Anomalies::default();
    for price in [vec![5.0; 50], vec![0.0, -1.0, 5.0, 6.0]].concat() {
        let found = anomalies.push(&bar(price, price, price, price));
        assert!(found.is_none());
    }
}

//! Each dialect reads its own notation and nothing else.

use super::Dialect;

#[track_caller]
fn check(dialect: &str, written: &[(&str, &str)], refused: &[&str]) {
    let dialect: Dialect = dialect.parse().unwrap();
    for (text, want) in written {
        assert_eq!(dialect.canonical(text).as_deref(), Ok(*want), "{dialect:?} {text}");
    }
    for text in refused.iter().chain(&["", "1x", "0m", "x", "m1m", "1000000000m", "é", "-1m"]) {
        let refusal = dialect.canonical(text).unwrap_err();
        assert_eq!(refusal.field, "timeframe", "{dialect:?} {text}");
    }
}

#[test]
fn a_timeframe_is_read_in_the_dialect_that_is_named() {
    let iso = [
        ("PT1M", "1m"),
        ("PT60M", "1h"),
        ("PT4H", "4h"),
        ("P1D", "1d"),
        ("P1W", "1w"),
        ("P1M", "1mo"),
    ];
    check("iso8601", &iso, &["1m", "P1H", "PT1D", "PT1H30M"]);
    let exchange =
        [("1s", "1s"), ("1m", "1m"), ("4h", "4h"), ("1d", "1d"), ("1w", "1w"), ("1M", "1mo")];
    check("binance", &exchange, &["1mo", "1D", "1H", "M"]);
    check("ccxt", &exchange, &["1y"]);
    let chart = [
        ("1", "1m"),
        ("60", "1h"),
        ("240", "4h"),
        ("90", "90m"),
        ("30S", "30s"),
        ("D", "1d"),
        ("1D", "1d"),
        ("W", "1w"),
        ("1M", "1mo"),
        ("M", "1mo"),
    ];
    check("tradingview", &chart, &["1m", "1h", "0"]);
    let frames = [
        ("min", "1m"),
        ("5min", "5m"),
        ("15T", "15m"),
        ("h", "1h"),
        ("D", "1d"),
        ("W", "1w"),
        ("ME", "1mo"),
        ("1M", "1mo"),
    ];
    check("pandas", &frames, &["1m", "1mo"]);
    check(
        "databento",
        &[("ohlcv-1m", "1m"), ("1h", "1h"), ("ohlcv-1d", "1d")],
        &["ohlcv-1M", "1w"],
    );
    let platform = [
        ("1m", "1m"),
        ("1mo", "1mo"),
        ("M1", "1m"),
        ("MINUTE_1", "1m"),
        ("H4", "4h"),
        ("DAY_1", "1d"),
        ("WEEK_1", "1w"),
        ("MONTH_1", "1mo"),
        ("MN1", "1mo"),
        ("M60", "1h"),
    ];
    check("platform", &platform, &["1M", "MONTH_", "H"]);
}

#[test]
fn a_dialect_that_does_not_exist_is_refused_with_those_that_do() {
    let refusal = "klingon".parse::<Dialect>().unwrap_err();
    assert!(refusal.hint.contains("tradingview"), "{refusal}");
}

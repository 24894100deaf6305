//! The demo does the main job on bars of our own, and says so in numbers.

use std::fmt::Write;

use serde_json::Value;
use tidings_e2e::run;

/// Daily bars of a price that swings around a slow climb, newest last.
fn bars(rows: usize) -> String {
    let mut text = String::from("Date,Open,High,Low,Close,Volume,Adj Close\n");
    for row in 0..rows {
        let (year, month, day) = (2020 + row / 336, 1 + row / 28 % 12, 1 + row % 28);
        let close = 100.0 + row as f64 * 0.05 + (row as f64 * 0.37).sin() * 3.0;
        let (open, high, low) = (close - 0.4, close + 1.1, close - 1.3);
        writeln!(
            text,
            "{year}-{month:02}-{day:02},{open},{high},{low},{close},{},{close}",
            1000 + row
        )
        .unwrap();
    }
    text
}

/// Mean of the last `n` closes, from the text itself.
fn mean_of_last(text: &str, n: usize) -> f64 {
    let closes: Vec<f64> =
        text.lines().skip(1).map(|l| l.split(',').nth(4).unwrap().parse().unwrap()).collect();
    closes[closes.len() - n..].iter().sum::<f64>() / n as f64
}

#[test]
fn bars_from_a_file_reach_every_consumer_and_the_last_value() {
    let dir = tempfile::tempdir().unwrap();
    let text = bars(600);
    std::fs::write(dir.path().join("OURS-1d.csv"), &text).unwrap();
    let ended = run(dir.path(), &["demo", "--csv", "OURS-1d.csv", "--venue", "XTST", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let summary: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    let published = summary["published"].as_u64().unwrap();
    assert!(published >= 600, "{summary}");
    for consumer in summary["consumers"].as_array().unwrap() {
        assert_eq!(consumer["events_out"], consumer["events_in"], "{consumer}");
        assert_eq!(consumer["order_violations"], 0, "{consumer}");
    }
    let row = &summary["rows"][0];
    let (delivered, want) = (row["delivered"]["sma_20"].as_f64().unwrap(), mean_of_last(&text, 20));
    assert!((delivered - want).abs() < 1e-9, "{delivered} is not {want}");
    assert_eq!(row["delivered"], row["last_value"], "{row}");
}

#[test]
fn a_generated_market_passes_or_names_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = ["demo", "--for", "8s", "--instruments", "200", "--data-dir", "kept", "--json"];
    let ended = run(dir.path(), &arguments);
    let summary: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    let failures = summary["failures"].as_array().unwrap();
    // A slow machine may not reach the least number of events; nothing else may be wrong.
    let few = |failure: &Value| failure.as_str().unwrap().contains("at least 100000 needed");
    assert!(failures.iter().all(few), "{summary}");
    assert_eq!(ended.code, Some(if failures.is_empty() { 0 } else { 1 }));
    assert!(dir.path().join("kept/log.meta").exists());
}

#[test]
fn a_bad_row_ends_it_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("BAD-1d.csv"),
        "Date,Open,High,Low,Close,Volume\n2020-01-01,1,2,x,1,1\n",
    )
    .unwrap();
    let ended = run(dir.path(), &["demo", "--csv", "BAD-1d.csv"]);
    assert_eq!(ended.code, Some(1));
    let place = "BAD-1d.csv, line 2, column `Low`";
    assert!(ended.stderr.contains(place), "{}", ended.stderr);
}

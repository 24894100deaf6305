//! The table and the document say what was measured.

use std::time::Duration;

use super::super::check::Verdict;
use super::super::meter::{Cost, Told};
use super::super::publish::histogram;
use super::*;

fn round(events: u64, millis: u64, latencies: &[u64]) -> Round {
    let (mut acks, mut receipts) = (histogram(), histogram());
    latencies.iter().for_each(|micros| acks.record(*micros).unwrap());
    latencies.iter().for_each(|micros| receipts.record(2 * micros).unwrap());
    let told = Told {
        stored: events as f64,
        written_bytes: events as f64 * 250.0,
        syncs: 20.0,
        sync_p99: Some(Duration::from_millis(2)),
        publish_p99: None,
        memory_bytes: f64::from(64 << 20),
    };
    Round {
        events,
        took: Duration::from_millis(millis),
        kept_up: 1.0,
        acks,
        receipts,
        cost: Cost {
            client_cpu: Some(Duration::from_millis(millis / 2)),
            server_cpu: None,
            told: Some(told),
        },
        verdicts: vec![Verdict::default()],
    }
}

/// Three rounds of two scenarios.
pub(in super::super) fn report() -> Report {
    let head = Head {
        server: "http://127.0.0.1:8080".to_owned(),
        server_version: "0.1.0".to_owned(),
        rounds: 3,
        seed: 1,
        instruments: 100,
        timeframes: 10,
        event_bytes: 214,
    };
    let row = |scenario, rate| Row { scenario, consumers: 1, rate, rounds: Vec::new() };
    let rows = vec![row(Scenario::Ingest, None), row(Scenario::Latency, Some(1_000))];
    let mut report = Report { head, rows, failures: Vec::new() };
    for (number, millis) in [(1, 100), (2, 50), (3, 200)] {
        report.add(0, number, &round(10_000, millis, &[]));
        report.add(1, number, &round(1_000, 1_000, &[1_000, 2_000, 3_000 * number as u64]));
    }
    report
}

#[test]
fn the_table_shows_medians_and_ranges() {
    let text = report().text();
    let line = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start));
        line.unwrap_or_else(|| panic!("no `{start}` in {text}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("ingest"), "ingest 1 100000 50000-200000 5000 - 250 200 2.00 64");
    assert_eq!(line("latency  "), "latency 1 1000 1000-1000 500000 - 250 20 2.00 64");
    assert_eq!(
        line(&format!("{:<9}{:>10}", "latency", "ack")),
        "latency ack 2.00 6.00 6.00 6.00 3.00-9.01"
    );
    assert_eq!(
        line(&format!("{:<9}{:>10}", "latency", "receipt")),
        "latency receipt 4.00 12.01 12.01 12.01 6.00-18.02"
    );
    assert!(text.ends_with("\nPASSED"), "{text}");
}

#[test]
fn a_bad_output_fails_and_says_whose() {
    let mut report = report();
    let lost = Verdict { lost: 2, ..Verdict::default() };
    let bad = Round { verdicts: vec![Verdict::default(), lost], ..round(10, 1, &[]) };
    report.add(0, 4, &bad);
    assert_eq!(report.failures, ["ingest, round 4, consumer 2: 2 lost"]);
    assert!(report.text().ends_with("\nFAILED\n  ingest, round 4, consumer 2: 2 lost"));
    assert_eq!(report.document()["failures"][0], report.failures[0]);
}

#[test]
fn who_did_not_keep_up_is_named() {
    let mut report = report();
    report.add(1, 4, &Round { kept_up: 0.5, ..round(1_000, 2_000, &[1]) });
    let text = report.text();
    assert!(text.contains("latency: 1 rounds did not keep up with 1000 events/s"), "{text}");
}

#[test]
fn the_document_has_every_round() {
    let document = report().document();
    let [ingest, latency] = [0, 1].map(|at| document["scenarios"][at].clone());
    assert_eq!((&ingest["scenario"], &latency["scenario"]), (&json!("ingest"), &json!("latency")));
    assert_eq!(ingest["rounds"].as_array().unwrap().len(), 3);
    assert_eq!(ingest["events_per_second"]["median"], 100_000.0);
    assert_eq!(ingest["rounds"][0]["ack_ms"], Value::Null);
    assert_eq!(latency["rounds"][0]["ack_ms"]["p99.9"], 3.001, "three digits are told apart");
    assert_eq!(latency["asked_events_per_second"], 1_000);
}

#[test]
fn of_an_even_number_the_median_lies_between_the_middle_two() {
    let of = |numbers: &[f64]| Spread::of(numbers.iter().copied());
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[4.0, 1.0]), Some(Spread { low: 1.0, median: 2.5, high: 4.0 }));
    assert_eq!(of(&[3.0]), Some(Spread { low: 3.0, median: 3.0, high: 3.0 }));
}

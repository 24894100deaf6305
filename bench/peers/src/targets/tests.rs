//! Rows compare medians with the rival that is hardest to beat, and judge as asked.

use std::time::Duration;

use tidings_bench::report::{Report, Round};

use super::table;
use crate::contest::Scenario;
use crate::peer::Class;

fn add(report: &mut Report, scenario: Scenario, (class, who): (Class, &str), round: Round) {
    let all = scenario.contestants();
    let found = all.iter().find(|c| c.class == class && c.who.starts_with(who)).unwrap();
    report.add(&found.title(scenario), round);
}

fn rated(events: u64) -> Round {
    Round { events, took: Duration::from_secs(1), ..Round::default() }
}

fn late(events: u64, millis: u64) -> Round {
    Round { latencies: vec![(0.99, Duration::from_millis(millis))], ..rated(events) }
}

#[test]
fn the_best_rival_of_the_class_counts() {
    let mut report = Report::new("test");
    for events in [900, 1_000, 5_000] {
        add(&mut report, Scenario::Ingest, (Class::D2, "Tidings, blocks"), rated(events * 10));
    }
    add(&mut report, Scenario::Ingest, (Class::D2, "Redis"), rated(500));
    add(&mut report, Scenario::Ingest, (Class::D2, "JetStream, thin, atomic"), rated(400));
    add(&mut report, Scenario::Ingest, (Class::D1, "Redis"), rated(4_000));
    let text = table(&report, 100);
    let rows: Vec<&str> = text.lines().skip(2).collect();
    assert!(rows[0].contains("Redis") && rows[0].contains("| 20.00 | >= 15 | yes |"), "{text}");
    assert!(rows[1].contains("(D1)") && rows[1].contains("| 2.50 | >= 5 | no |"), "{text}");
}

#[test]
fn who_does_not_hold_the_rate_has_no_latency() {
    let mut report = Report::new("test");
    add(&mut report, Scenario::OpenLoop, (Class::D2, "Tidings"), late(100, 2));
    add(&mut report, Scenario::OpenLoop, (Class::D0, "NATS"), late(100, 20));
    add(&mut report, Scenario::OpenLoop, (Class::D2, "Redis"), late(90, 1));
    let text = table(&report, 100);
    assert!(text.contains("NATS core") && text.contains("| 0.10 | <= 0.2 | yes |"), "{text}");
}

#[test]
fn what_was_not_run_has_no_row() {
    assert_eq!(
        table(&Report::new("test"), 100).lines().filter(|l| l.contains("Tidings")).count(),
        0
    );
}

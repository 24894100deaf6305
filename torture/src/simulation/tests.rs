//! What the simulator prints becomes a row.

use super::judged;
use crate::report::{Row, Verdict};

#[track_caller]
fn check(code: Option<i32>, told: &str, runs: u64, verdict: &Verdict) -> Row {
    let row = judged(Row::new("simulation", 1), code, told, "== seed 5\nI-9 skip");
    assert_eq!((row.runs, &row.verdict), (runs, verdict));
    row
}

#[test]
fn what_was_counted_is_told() {
    let told = "12 seeds, 0 failed, 1 vacuous\n        76 clean stops\n        27 gaps\n";
    let row = check(Some(0), told, 12, &Verdict::Valid);
    assert_eq!(row.counts, [("gaps", 27)]);
}

#[test]
fn a_seed_that_failed_is_named() {
    let told = "12 seeds, 1 failed, 0 vacuous\nFAILED: tidings-sim --seed 5\n";
    let how = "FAILED: tidings-sim --seed 5\n== seed 5\nI-9 skip";
    check(Some(1), told, 12, &Verdict::Violated(how.to_owned()));
}

#[test]
fn too_little_proves_nothing() {
    let told = "300 seeds, 0 failed, 0 vacuous\nVACUOUS: no gaps\n";
    check(Some(2), told, 300, &Verdict::Vacuous("VACUOUS: no gaps".to_owned()));
    check(Some(0), "0 seeds, 0 failed, 0 vacuous\n", 0, &Verdict::Vacuous("no seed".to_owned()));
}

#[test]
fn one_that_dies_is_no_proof() {
    check(None, "", 0, &Verdict::Violated("\n== seed 5\nI-9 skip".to_owned()));
}

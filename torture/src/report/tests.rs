//! The table and the exit code.

use super::{Report, Row, Verdict};

fn row(verdict: Verdict) -> Row {
    Row { part: "kill", seed: 7, runs: 3, verdict, counts: vec![("acked", 5), ("torn", 0)] }
}

#[test]
fn the_exit_code_is_the_worst_row() {
    let check = |verdicts: &[Verdict], code: u8| {
        let mut report = Report::default();
        verdicts.iter().for_each(|verdict| report.add(row(verdict.clone())));
        assert_eq!(report.exit_code(), code, "{verdicts:?}");
    };
    let violated = Verdict::Violated("lost".into());
    let vacuous = Verdict::Vacuous("nothing".into());
    let skipped = Verdict::Skipped("no root".into());
    check(&[Verdict::Valid], 0);
    check(&[Verdict::Valid, skipped.clone()], 0);
    check(&[Verdict::Valid, vacuous.clone()], 2);
    check(&[vacuous, violated, Verdict::Valid], 1);
    check(&[skipped], 2);
    check(&[], 2);
}

#[test]
fn what_must_happen_and_did_not_makes_a_row_vacuous() {
    let check = |needed: &[&'static str], verdict: Verdict| {
        assert_eq!(row(Verdict::Valid).unless_vacuous(needed).verdict, verdict);
    };
    check(&["acked"], Verdict::Valid);
    check(&["acked", "torn"], Verdict::Vacuous("no torn".into()));
    check(&["rolls", "torn"], Verdict::Vacuous("no rolls, no torn".into()));
    let violated = row(Verdict::Violated("lost".into())).unless_vacuous(&["torn"]);
    assert_eq!(violated.verdict, Verdict::Violated("lost".into()));
}

#[test]
fn a_row_says_how_to_run_it_again() {
    let text = row(Verdict::Violated("I-1: lost\nsee x".into())).to_string();
    assert!(text.contains("VIOLATED") && text.contains("--seed 7"), "{text}");
    assert!(text.ends_with("\n    I-1: lost\n    see x"), "{text}");
}

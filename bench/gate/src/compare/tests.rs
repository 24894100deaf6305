//! What is let pass, what is not, and what is said of it.

use super::{Finding, What, Why, compare};
use crate::baseline::{Baseline, tests::of};

fn was() -> Baseline {
    of("narrow", 2.0, Some(1_000.0), 5.0)
}

fn found(measured: &Baseline) -> Vec<Finding> {
    compare(&was(), measured, true)
}

#[test]
fn what_costs_as_much_as_before_passes() {
    assert_eq!(found(&was()), []);
    assert_eq!(found(&of("narrow", 2.18, Some(1_090.0), 5.4)), []);
    assert_eq!(found(&of("narrow", 1.82, Some(910.0), 4.6)), []);
}

#[test]
fn a_rise_by_15_percent_fails_and_names_the_case() {
    let rises = [
        (of("narrow", 2.3, Some(1_000.0), 5.0), What::Allocations, "allocations an event 2.3000"),
        (of("narrow", 2.0, Some(1_150.0), 5.0), What::Instructions, "instructions an event 1150.0"),
        (of("narrow", 2.0, Some(1_000.0), 5.75), What::Processor, "processor time an event"),
    ];
    for (measured, rose, says) in rises {
        let findings = found(&measured);
        let [finding @ Finding::Above { case, what, .. }] = &findings[..] else {
            panic!("{findings:?}");
        };
        assert_eq!((case.as_str(), *what), ("narrow", rose));
        assert!(finding.fails());
        let text = finding.to_string();
        let parts = ["narrow: ", says, "+15 %", "cargo xtask gate --renew"];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn a_fall_passes_and_asks_for_a_new_baseline() {
    let findings = found(&of("narrow", 1.6, Some(1_000.0), 5.0));
    let [finding @ Finding::Below { what: What::Allocations, .. }] = &findings[..] else {
        panic!("{findings:?}");
    };
    assert!(!finding.fails());
    let text = finding.to_string();
    assert!(text.contains("-20 %") && text.contains("renew the baseline"), "{text}");
}

#[test]
fn times_are_judged_only_where_they_can_be() {
    let mut unsteady = of("narrow", 2.0, Some(1_000.0), 9.0);
    unsteady.cases.get_mut("narrow").unwrap().measured.ratio_spread = 0.06;
    let mut elsewhere = of("narrow", 2.0, Some(1_000.0), 9.0);
    elsewhere.processor = "Two 8000".into();
    for (measured, why, says) in
        [(unsteady, Why::Unsteady, "differ"), (elsewhere, Why::OtherProcessor, "another")]
    {
        let findings = found(&measured);
        let (case, what) = ("narrow".to_owned(), What::Processor);
        assert_eq!(findings, [Finding::Recorded { case, what, why }]);
        assert!(!findings[0].fails() && findings[0].to_string().contains(says));
    }
}

#[test]
fn what_hangs_on_the_rest_of_the_machine_is_not_judged() {
    let (was, is) = (of("replay", 1.0, Some(800.0), 5.0), of("replay", 1.4, Some(800.0), 7.0));
    let (case, why) = ("replay".to_owned(), Why::Unrepeated);
    let recorded = |what| Finding::Recorded { case: case.clone(), what, why };
    let all = [What::Allocations, What::Processor].map(recorded);
    assert_eq!(compare(&was, &is, true), all);
    let is = of("replay", 1.0, Some(1_000.0), 5.0);
    assert!(compare(&was, &is, true).iter().any(Finding::fails));
}

#[test]
fn instructions_that_were_not_counted_are_said_and_not_judged() {
    let findings = found(&of("narrow", 2.0, None, 5.0));
    let (case, what, why) = ("narrow".to_owned(), What::Instructions, Why::NotCounted);
    assert_eq!(findings, [Finding::Recorded { case, what, why }]);
    assert!(findings[0].to_string().contains("not counted"));
}

#[test]
fn a_case_without_a_baseline_and_a_baseline_without_a_case_fail() {
    let findings = found(&of("broad", 2.0, Some(1_000.0), 5.0));
    let (new, gone) = ("broad".to_owned(), "narrow".to_owned());
    assert_eq!(findings, [Finding::New { case: new }, Finding::Gone { case: gone }]);
    assert!(findings.iter().all(Finding::fails));
    // Of a part, the rest says nothing.
    let part = compare(&was(), &of("broad", 2.0, None, 5.0), false);
    assert_eq!(part, [Finding::New { case: "broad".to_owned() }]);
}

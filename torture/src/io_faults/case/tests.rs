//! What rounds meet by their seeds.

use std::collections::BTreeSet;

use super::{CALLS, CASES, Case, FAULTS, OTHERS};

/// Rounds of a short run.
const ENOUGH: u64 = 24;

fn names(seeds: std::ops::Range<u64>) -> BTreeSet<&'static str> {
    seeds.flat_map(|seed| Case::of(seed).names()).collect()
}

#[test]
fn so_many_rounds_in_a_row_meet_every_call_with_every_fault() {
    for cycle in 0..20 {
        let cases: BTreeSet<_> = (cycle * CASES..(cycle + 1) * CASES)
            .map(|seed| Case::of(seed).names().join(": "))
            .collect();
        assert_eq!(cases.len() as u64, CASES, "{cases:?}");
    }
}

#[test]
fn few_rounds_meet_every_call_and_every_fault_somehow() {
    for from in 0..1000 {
        let found = names(from..from + ENOUGH);
        let missing = CALLS.map(|(_, name)| name).into_iter().chain(FAULTS.map(|(_, name)| name));
        let missing: Vec<_> = missing.filter(|name| !found.contains(name)).collect();
        assert_eq!(missing, [] as [&str; 0], "from {from}");
        let found = names(from..from + CASES);
        assert!(OTHERS.iter().all(|(.., name)| found.contains(name)), "from {from}: {found:?}");
    }
}

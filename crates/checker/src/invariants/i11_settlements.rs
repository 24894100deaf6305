//! I-11, its sums: what was settled is exactly what was to be delivered.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::history::Settled;
use crate::model::{Model, Partition, Stream, Subscribed};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed) in &model.subscriptions {
        if subscribed.streams.values().all(|stream| stream.settled.is_empty()) {
            continue;
        }
        let told: HashMap<_, _> = subscribed.streams.iter().map(|(&p, s)| (p, runs(s))).collect();
        for (id, event) in model.sorted_events() {
            let Some(&(at, partition, offset)) = event.placed.first() else { continue };
            let wanted = subscribed.covers(partition, offset) && subscribed.selects(id);
            if wanted && !told.get(&partition).is_some_and(|runs| speaks_of(runs, offset)) {
                let (topic, number) = partition;
                let detail = format!("{topic}/{number}/{offset} is settled nowhere for {name}");
                violations.push(violation("unsettled", detail, at));
            }
        }
        for (&partition, stream) in &subscribed.streams {
            let got: HashSet<u64> = stream.deliveries.iter().map(|(_, d)| d.offset).collect();
            for &(at, settled) in &stream.settled {
                violations.extend(wrong(model, subscribed, (partition, &got), (at, settled)));
            }
        }
    }
    violations
}

fn violation(name: &'static str, detail: String, at: usize) -> Violation {
    Violation { invariant: "I-11", name, detail, slice: vec![at] }
}

/// Whether a settlement speaks of an offset, by runs that are sorted and apart.
fn speaks_of(runs: &BTreeMap<u64, u64>, offset: u64) -> bool {
    runs.range(..=offset).next_back().is_some_and(|(_, &last)| offset <= last)
}

/// What settlements speak of, as runs apart from each other.
fn runs(stream: &Stream<'_>) -> BTreeMap<u64, u64> {
    let mut sorted: Vec<_> =
        stream.settled.iter().map(|(_, s)| (s.range.first, s.range.last)).collect();
    sorted.sort_unstable();
    let mut runs: BTreeMap<u64, u64> = BTreeMap::new();
    for (first, last) in sorted {
        match runs.last_entry() {
            Some(mut before) if *before.get() >= first => {
                let longest = last.max(*before.get());
                before.insert(longest);
            }
            _ => runs.extend([(first, last)]),
        }
    }
    runs
}

/// What is wrong with one settlement: its count, or that it says what was never delivered was.
fn wrong(
    model: &Model<'_>,
    subscribed: &Subscribed<'_>,
    (partition, got): (Partition<'_>, &HashSet<u64>),
    (at, settled): (usize, &Settled),
) -> Option<Violation> {
    let (first, last) = (settled.range.first, settled.range.last);
    let (mut selected, mut unknown) = (0, 0);
    for offset in first..=last {
        let Some(&event) = model.places.get(&(partition, offset)) else {
            // A publish of unknown outcome, or of another's history.
            unknown += 1;
            continue;
        };
        if !subscribed.selects(event) {
            continue;
        }
        selected += 1;
        if settled.outcome == "DELIVERED" && !got.contains(&offset) {
            let detail = format!("{offset} is settled as delivered and was never delivered");
            return Some(violation("settled-undelivered", detail, at));
        }
    }
    let right = (selected..=selected + unknown).contains(&settled.count);
    (!right).then(|| {
        let detail =
            format!("{first}..={last} is settled for {} events, not {selected}", settled.count);
        violation("settlement-count", detail, at)
    })
}

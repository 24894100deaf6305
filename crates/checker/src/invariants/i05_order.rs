//! I-5: a producer's events of a key lie in the order sent, and are first delivered in the order
//! in which they lie.

use std::collections::{BTreeMap, HashMap};

use crate::model::{Model, Partition};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = sends(model);
    violations.extend(deliveries(model));
    violations
}

/// Sends of one producer on one key into one partition: sequence, offset, where acknowledged.
type Sends<'a> = BTreeMap<(&'a str, &'a str, Partition<'a>), Vec<(u64, u64, usize)>>;

fn sends(model: &Model<'_>) -> Vec<Violation> {
    let mut sends: Sends<'_> = BTreeMap::new();
    for event in model.events.values() {
        let (Some(&(_, invoke)), Some(&(at, partition, offset))) =
            (event.invokes.first(), event.placed.first())
        else {
            continue;
        };
        if invoke.ordered {
            let key = (invoke.producer.as_str(), invoke.key.as_str(), partition);
            sends.entry(key).or_default().push((invoke.seq, offset, at));
        }
    }
    let mut violations = Vec::new();
    for ((producer, key, (topic, number)), mut list) in sends {
        list.sort_unstable();
        for pair in list.windows(2) {
            let ((first, before, a), (second, after, b)) = (pair[0], pair[1]);
            if before < after {
                continue;
            }
            violations.push(Violation {
                invariant: "I-5",
                name: "nonmonotonic-send",
                detail: format!(
                    "{producer} sent {second} of {key} after {first}, but in {topic}/{number} \
                     they lie at {after} and {before}"
                ),
                slice: vec![a, b],
            });
        }
    }
    violations
}

fn deliveries(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, (topic, number), stream) in model.streams() {
        let mut last: HashMap<&str, (u64, usize)> = HashMap::new();
        let mut sought = model.marks_of("sought", name).into_iter().peekable();
        for (at, delivery) in stream.firsts() {
            // It goes on from another place.
            while sought.next_if(|&sought| sought < at).is_some() {
                last.clear();
            }
            // Flagged: it was sent before, to somebody who did not live to see it.
            if delivery.redelivered || delivery.attempt > 1 {
                continue;
            }
            let before = last.insert(&delivery.key, (delivery.offset, at));
            let Some((before, earlier)) = before.filter(|&(b, _)| b > delivery.offset) else {
                continue;
            };
            violations.push(Violation {
                invariant: "I-5",
                name: "reorder",
                detail: format!(
                    "{name} got {} of {topic}/{number} after {before}, both of key {}",
                    delivery.offset, delivery.key
                ),
                slice: vec![earlier, at],
            });
        }
    }
    violations
}

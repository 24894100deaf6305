//! I-7: a repeat is flagged, and something since the delivery before it caused it.

use std::collections::HashMap;

use crate::model::{Model, Stream};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        let mut last: HashMap<u64, usize> = HashMap::new();
        for &(at, delivery) in &stream.deliveries {
            let Some(before) = last.insert(delivery.offset, at) else { continue };
            let flagged = delivery.redelivered || delivery.attempt > 1;
            let between = |cause: &usize| (before..at).contains(cause);
            let caused = subscribed.causes.iter().any(between)
                || nacked(stream, delivery.offset).any(|cause| between(&cause));
            let why = match (flagged, caused) {
                (true, true) => continue,
                (false, _) => "without a flag",
                (true, false) => "without a cause",
            };
            violations.push(Violation {
                invariant: "I-7",
                name: "unexplained-dup",
                detail: format!("{name} got {topic}/{number}/{} again {why}", delivery.offset),
                slice: vec![before, at],
            });
        }
    }
    violations
}

fn nacked<'a>(stream: &'a Stream<'_>, offset: u64) -> impl Iterator<Item = usize> + 'a {
    let nacks = stream.nacks.iter();
    nacks.filter(move |(_, n)| (n.first..=n.last).contains(&offset)).map(|&(at, _)| at)
}

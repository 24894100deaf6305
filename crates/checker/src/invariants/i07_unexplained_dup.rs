//! I-7: a repeat is flagged, and something since the delivery before it caused it.

use std::collections::HashMap;

use crate::model::{Model, first_between};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        let nacked = stream.named_in(&stream.nacks);
        let mut last: HashMap<u64, usize> = HashMap::new();
        for &(at, delivery) in &stream.deliveries {
            let Some(before) = last.insert(delivery.offset, at) else { continue };
            let flagged = delivery.redelivered || delivery.attempt > 1;
            let nacks = nacked.get(&delivery.offset).map_or(&[][..], Vec::as_slice);
            let caused = [&subscribed.causes, nacks]
                .into_iter()
                .any(|causes| first_between(causes, before, at).is_some());
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

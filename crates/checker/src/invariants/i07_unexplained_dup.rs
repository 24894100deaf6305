//! I-7: a repeat is flagged, and something since the delivery before it caused it.
//!
//! Attempts grow with every send until a crash. One that comes to another consumer with a lower attempt was
//! sent before: it lay in a connection while its consumer did not read.

use std::collections::HashMap;

use crate::history::Delivery;
use crate::model::{Model, first_between};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        let nacked = stream.named_in(&stream.nacks);
        let crashes = model.marks_of("crash", name);
        let mut last: HashMap<u64, (usize, &Delivery)> = HashMap::new();
        for &(at, delivery) in &stream.deliveries {
            let before = last.get(&delivery.offset).copied();
            if before.is_some_and(|(at_before, before)| {
                is_late(before, delivery) && first_between(&crashes, at_before, at).is_none()
            }) {
                continue;
            }
            last.insert(delivery.offset, (at, delivery));
            let Some((before, _)) = before else { continue };
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

/// Whether a delivery was sent before one that came before it.
fn is_late(before: &Delivery, delivery: &Delivery) -> bool {
    delivery.attempt < before.attempt && delivery.consumer != before.consumer
}

//! I-10: what was confirmed as acknowledged is not delivered again.

use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, (topic, number), stream) in model.streams() {
        for &(at, delivery) in &stream.deliveries {
            let confirmed = stream.acked.first_named(delivery.offset);
            let Some(confirmed) = confirmed.filter(|&confirmed| confirmed < at) else { continue };
            violations.push(Violation {
                invariant: "I-10",
                name: "lost-ack",
                detail: format!(
                    "{name} got {topic}/{number}/{} after its confirmed ack",
                    delivery.offset
                ),
                slice: vec![confirmed, at],
            });
        }
    }
    violations
}

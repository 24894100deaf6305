//! I-3: what is delivered has the bytes that were sent.

use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, _, stream) in model.streams() {
        for &(at, delivery) in &stream.deliveries {
            let Some(event) = model.events.get(delivery.event.as_str()) else { continue };
            let Some(&(sent, invoke)) = event.invokes.first() else { continue };
            if event.invokes.iter().any(|(_, invoke)| invoke.hash == delivery.hash) {
                continue;
            }
            violations.push(Violation {
                invariant: "I-3",
                name: "damage",
                detail: format!(
                    "{name} got {} with hash {}, sent with {}",
                    delivery.event, delivery.hash, invoke.hash
                ),
                slice: vec![sent, at],
            });
        }
    }
    violations
}

//! I-2: what is delivered was sent, and was not refused.

use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, _, stream) in model.streams() {
        for &(at, delivery) in &stream.deliveries {
            let event = model.events.get(delivery.event.as_str());
            let sent = event.filter(|e| !e.invokes.is_empty());
            let (kind, slice) = match sent {
                None => ("phantom", vec![at]),
                Some(event) if event.is_rejected() => {
                    ("aborted-read", event.refused.iter().copied().chain([at]).collect())
                }
                Some(_) => continue,
            };
            let why = if sent.is_none() { "was never sent" } else { "was refused" };
            violations.push(Violation {
                invariant: "I-2",
                name: kind,
                detail: format!("{name} got {}, which {why}", delivery.event),
                slice,
            });
        }
    }
    violations
}

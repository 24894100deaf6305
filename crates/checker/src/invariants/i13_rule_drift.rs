//! I-13: what is delivered is what a naive evaluator selects of what was published. That all of it is
//! delivered is I-1 and I-9, which know the evaluator's word.

use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        for &(at, delivery) in &stream.deliveries {
            let verdict = subscribed.verdicts.get(delivery.event.as_str());
            let Some(&(said, false)) = verdict else { continue };
            violations.push(Violation {
                invariant: "I-13",
                name: "rule-drift",
                detail: format!(
                    "{name} got {} of {topic}/{number}, which its filter does not select",
                    delivery.offset
                ),
                slice: vec![said, at],
            });
        }
    }
    violations
}

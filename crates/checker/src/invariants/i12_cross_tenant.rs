//! I-12: an event, the topic it comes from and the subscription that gets it have one tenant.

use crate::model::Model;
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        let subscriber = subscribed.definition.and_then(|definition| definition.tenant.as_deref());
        for &(at, delivery) in &stream.deliveries {
            let event = model.events.get(delivery.event.as_str());
            let sent = event.and_then(|event| event.invokes.first());
            let producer = sent.and_then(|(_, invoke)| invoke.tenant.as_deref());
            let mut known =
                [producer, delivery.tenant.as_deref(), subscriber].into_iter().flatten();
            let Some(first) = known.next() else { continue };
            let Some(other) = known.find(|&tenant| tenant != first) else { continue };
            violations.push(Violation {
                invariant: "I-12",
                name: "cross-tenant",
                detail: format!(
                    "{name} got {topic}/{number}/{}, in which {first} and {other} meet",
                    delivery.offset
                ),
                slice: sent.map(|&(sent, _)| sent).into_iter().chain([at]).collect(),
            });
        }
    }
    violations
}

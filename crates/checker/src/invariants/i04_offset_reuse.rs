//! I-4: an offset of a partition names one event, for everyone and for ever.

use std::collections::HashMap;

use crate::model::{Model, Partition};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut owners: HashMap<(Partition<'_>, u64), (&str, usize)> = HashMap::new();
    let acks = model.events.iter().flat_map(|(&id, event)| {
        event.placed.iter().map(move |&(at, partition, offset)| (at, partition, offset, id))
    });
    let deliveries = model.streams().flat_map(|(_, _, partition, stream)| {
        let seen = stream.deliveries.iter();
        seen.map(move |&(at, d)| (at, partition, d.offset, d.event.as_str()))
    });
    let mut sightings: Vec<_> = acks.chain(deliveries).collect();
    sightings.sort_unstable_by_key(|&(at, ..)| at);
    let mut violations = Vec::new();
    for (at, partition, offset, id) in sightings {
        let (owner, first) = *owners.entry((partition, offset)).or_insert((id, at));
        if owner == id {
            continue;
        }
        let (topic, number) = partition;
        violations.push(Violation {
            invariant: "I-4",
            name: "offset-reuse",
            detail: format!("{topic}/{number}/{offset} was {owner} and then {id}"),
            slice: vec![first, at],
        });
    }
    violations
}

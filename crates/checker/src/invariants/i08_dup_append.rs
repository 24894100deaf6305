//! I-8: an event sent again has one place.

use std::collections::HashMap;

use crate::model::{Model, Partition};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut places: HashMap<&str, (Partition<'_>, u64, usize)> = HashMap::new();
    let acks = model.events.iter().flat_map(|(&id, event)| {
        event.placed.iter().map(move |&(at, partition, offset)| (at, id, partition, offset))
    });
    let deliveries = model.streams().flat_map(|(_, _, partition, stream)| {
        let seen = stream.deliveries.iter();
        seen.map(move |&(at, d)| (at, d.event.as_str(), partition, d.offset))
    });
    let mut sightings: Vec<_> = acks.chain(deliveries).collect();
    sightings.sort_unstable_by_key(|&(at, ..)| at);
    let mut violations = Vec::new();
    for (at, id, partition, offset) in sightings {
        let (first_partition, first_offset, first) =
            *places.entry(id).or_insert((partition, offset, at));
        if (first_partition, first_offset) == (partition, offset) {
            continue;
        }
        violations.push(Violation {
            invariant: "I-8",
            name: "dup-append",
            detail: format!(
                "{id} lies at {}/{}/{first_offset} and at {}/{}/{offset}",
                first_partition.0, first_partition.1, partition.0, partition.1
            ),
            slice: vec![first, at],
        });
    }
    violations
}

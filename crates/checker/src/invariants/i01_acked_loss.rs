//! I-1: what was acknowledged reaches every subscription that covers it, lies among its dead
//! letters, or is inside a gap.

use std::collections::{BTreeMap, HashSet};

use crate::model::{Model, Partition};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed) in &model.subscriptions {
        let seen: BTreeMap<Partition<'_>, HashSet<u64>> = subscribed
            .streams
            .iter()
            .map(|(&p, s)| (p, s.deliveries.iter().map(|(_, d)| d.offset).collect()))
            .collect();
        for (id, event) in &model.events {
            let Some(&(at, partition, offset)) = event.placed.first() else { continue };
            let stream = subscribed.streams.get(&partition);
            let delivered = seen.get(&partition).is_some_and(|offsets| offsets.contains(&offset));
            let announced = stream.is_some_and(|stream| stream.gaps.contains(offset));
            let dead = || stream.is_some_and(|s| s.dead.iter().any(|&(_, of)| of == offset));
            if delivered || announced || dead() {
                continue;
            }
            if !(subscribed.covers(partition, offset) && subscribed.selects(id)) {
                continue;
            }
            let invoke = event.invokes.first().map(|&(at, _)| at);
            let (topic, number) = partition;
            violations.push(Violation {
                invariant: "I-1",
                name: "acked-loss",
                detail: format!("{id} at {topic}/{number}/{offset} never reached {name}"),
                slice: invoke.into_iter().chain([at]).collect(),
            });
        }
    }
    violations
}

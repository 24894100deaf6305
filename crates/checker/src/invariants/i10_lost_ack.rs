//! I-10: what was confirmed as acknowledged is not delivered again, unless somebody sought back, or redrove
//! a letter of before a seek.

use std::collections::BTreeMap;

use crate::history::Op;
use crate::model::{Coverage, Model, Partition, Stream, first_between};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, partition, stream) in model.streams() {
        let sought = model.marks_of("sought", name);
        if sought.is_empty() {
            violations.extend(again(name, partition, stream, 0..usize::MAX, &stream.acked, &[]));
            continue;
        }
        let redriven = model.marks_of("redriven", name);
        for (from, acked) in generations(model, name, partition, &sought) {
            let to = sought.get(sought.partition_point(|&s| s <= from)).copied();
            let life = from..to.unwrap_or(usize::MAX);
            violations.extend(again(name, partition, stream, life, &acked, &redriven));
        }
    }
    violations
}

/// What was confirmed between two seeks, by where the first of them was.
fn generations(
    model: &Model<'_>,
    name: &str,
    partition: Partition<'_>,
    sought: &[usize],
) -> BTreeMap<usize, Coverage> {
    let mut generations: BTreeMap<usize, Coverage> = BTreeMap::new();
    for (at, record) in model.records.iter().enumerate() {
        let Op::Ack(range) = &record.op else { continue };
        if range.subscription.as_str() == name && (&*range.topic, range.partition) == partition {
            let before = sought.partition_point(|&sought| sought < at).checked_sub(1);
            let from = before.map_or(0, |before| sought[before]);
            generations.entry(from).or_default().add(range.first, range.last, at);
        }
    }
    generations
}

fn again(
    name: &str,
    (topic, number): Partition<'_>,
    stream: &Stream<'_>,
    life: std::ops::Range<usize>,
    acked: &Coverage,
    redriven: &[usize],
) -> Vec<Violation> {
    let was_dead = |offset: u64| {
        let mut runs = stream.settled.iter().filter(|(_, s)| s.outcome.as_str() == "DEAD_LETTERED");
        runs.any(|(_, settled)| settled.range.offsets().contains(&offset))
    };
    let mut violations = Vec::new();
    for &(at, delivery) in stream.deliveries.iter().filter(|(at, _)| life.contains(at)) {
        let confirmed = acked.first_named(delivery.offset);
        let Some(confirmed) = confirmed.filter(|&confirmed| confirmed < at) else { continue };
        if first_between(redriven, confirmed, at).is_some() && was_dead(delivery.offset) {
            continue;
        }
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
    violations
}

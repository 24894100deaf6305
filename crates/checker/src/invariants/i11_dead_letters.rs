//! I-11: an event is dead once, never both acknowledged and dead, and never neither: what was given
//! back comes again, is acknowledged or lies among the dead letters once a subscription is drained, or was
//! discarded from there.

use std::collections::{HashMap, HashSet};

use crate::model::{Model, Stream, first_between};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, (topic, number), stream) in model.streams() {
        let mut add = |kind, offset: u64, what: &str, slice| {
            let detail = format!("{topic}/{number}/{offset} {what} for {name}");
            violations.push(Violation { invariant: "I-11", name: kind, detail, slice });
        };
        // Whether dead letters were sent on their way again in between, in either order.
        let redriven = model.new_lives(name);
        let excused = |a: usize, b: usize| first_between(&redriven, a.min(b), a.max(b)).is_some();
        // It was dead before somebody sought to before it, and then it came again.
        let nacks: HashMap<u64, Vec<usize>> = stream.named_in(&stream.nacks).into_iter().collect();
        let came_again = |offset: u64, ack: usize| {
            let mut given_back = nacks.get(&offset).into_iter().flatten();
            given_back.rfind(|&&nack| nack < ack).is_some_and(|&nack| excused(nack, ack))
        };
        let mut seen: HashMap<u64, usize> = HashMap::new();
        for &(at, offset) in &stream.dead {
            if let Some(before) = seen.insert(offset, at).filter(|&before| !excused(before, at)) {
                add("dlq-dup", offset, "is a dead letter twice", vec![before, at]);
            }
            let acked = stream.acked.first_named(offset);
            if let Some(ack) = acked.filter(|&ack| !excused(ack, at) && !came_again(offset, ack)) {
                add("dlq-acked", offset, "is acknowledged and dead", vec![ack, at]);
            }
        }
        if let Some(&drained) = model.marks_of("drained", name).last() {
            for (nack, offset) in lost(stream, drained) {
                add("dlq-hole", offset, "was given back and is nowhere", vec![nack, drained]);
            }
        }
    }
    violations
}

/// Offsets given back that were nothing since: the nack, and the offset.
fn lost(stream: &Stream<'_>, drained: usize) -> Vec<(usize, u64)> {
    let dead: HashSet<u64> = stream.dead.iter().map(|&(_, offset)| offset).collect();
    let delivered: HashMap<u64, usize> =
        stream.deliveries.iter().map(|&(at, d)| (d.offset, at)).collect();
    let mut lost = Vec::new();
    for (offset, nacks) in stream.named_in(&stream.nacks) {
        let before = nacks.partition_point(|&nack| nack < drained);
        let Some(&nack) = nacks[..before].last() else { continue };
        let again = delivered.get(&offset).is_some_and(|&at| at > nack);
        let settled = stream.acked.contains(offset) || stream.gaps.contains(offset);
        let is_discarded = || {
            let mut runs = stream.settled.iter().filter(|(_, s)| s.outcome.as_str() == "DISCARDED");
            runs.any(|(_, settled)| settled.range.offsets().contains(&offset))
        };
        if !dead.contains(&offset) && !again && !settled && !is_discarded() {
            lost.push((nack, offset));
        }
    }
    lost.sort_unstable();
    lost
}

//! I-11: an event is dead once, never both acknowledged and dead, and never neither: what was given
//! back comes again, is acknowledged or lies among the dead letters once a subscription is drained.

use std::collections::HashMap;

use crate::history::Op;
use crate::model::{Model, Stream};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, (topic, number), stream) in model.streams() {
        let mut add = |kind, offset: u64, what: &str, slice| {
            let detail = format!("{topic}/{number}/{offset} {what} for {name}");
            violations.push(Violation { invariant: "I-11", name: kind, detail, slice });
        };
        let mut seen: HashMap<u64, usize> = HashMap::new();
        for &(at, offset) in &stream.dead {
            if let Some(before) = seen.insert(offset, at).filter(|&b| !redriven(model, name, b, at))
            {
                add("dlq-dup", offset, "is a dead letter twice", vec![before, at]);
            }
            if let Some(ack) = stream.acked(offset).filter(|&ack| !redriven(model, name, ack, at)) {
                add("dlq-acked", offset, "is acknowledged and dead", vec![ack, at]);
            }
        }
        if let Some(drained) = drained(model, name) {
            for (nack, offset) in lost(stream, drained) {
                add("dlq-hole", offset, "was given back and is nowhere", vec![nack, drained]);
            }
        }
    }
    violations
}

/// Whether dead letters were sent on their way again in between, in either order.
fn redriven(model: &Model<'_>, name: &str, a: usize, b: usize) -> bool {
    let (from, to) = (a.min(b), a.max(b));
    marks(model, "redriven", name).any(|at| (from..=to).contains(&at))
}

fn drained(model: &Model<'_>, name: &str) -> Option<usize> {
    marks(model, "drained", name).last()
}

fn marks<'a>(
    model: &'a Model<'_>,
    what: &'a str,
    name: &'a str,
) -> impl Iterator<Item = usize> + 'a {
    let records = model.records.iter().enumerate();
    records.filter_map(move |(at, record)| match &record.op {
        Op::Mark(mark) if mark.what == what => {
            mark.subscription.as_deref().is_none_or(|whose| whose == name).then_some(at)
        }
        _ => None,
    })
}

/// Offsets given back that were nothing since: the nack, and the offset.
fn lost(stream: &Stream<'_>, drained: usize) -> Vec<(usize, u64)> {
    let mut last: HashMap<u64, usize> = HashMap::new();
    for &(at, nack) in stream.nacks.iter().filter(|(at, _)| *at < drained) {
        last.extend((nack.first..=nack.last).map(|offset| (offset, at)));
    }
    let is_lost = |&(offset, nack): &(u64, usize)| {
        let dead = stream.dead.iter().any(|&(_, dead)| dead == offset);
        let again = stream.deliveries.iter().any(|&(at, d)| at > nack && d.offset == offset);
        !dead && !again && stream.acked(offset).is_none() && !stream.in_gap(offset)
    };
    let mut lost: Vec<_> = last.into_iter().filter(is_lost).map(|(o, n)| (n, o)).collect();
    lost.sort_unstable();
    lost
}

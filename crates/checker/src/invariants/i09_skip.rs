//! I-9: what a subscription got of a partition has no hole but announced gaps and dead letters.

use crate::model::{Model, Stream};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, partition, stream) in model.streams() {
        let mut got: Vec<(u64, usize)> =
            stream.deliveries.iter().map(|&(at, d)| (d.offset, at)).collect();
        got.sort_unstable();
        // Without a definition nobody knows where it starts: at what it got first.
        let known = subscribed.definition.is_some();
        let first = got.first().map_or(0, |&(offset, _)| offset);
        let mut next = if known { subscribed.start(partition) } else { first };
        let mut before = None;
        for (offset, at) in got {
            let excused = |offset| {
                if stream.dead.iter().any(|&(_, of)| of == offset) {
                    return true;
                }
                let event = model.places.get(&partition).and_then(|places| places.get(&offset));
                event.is_some_and(|(event, _)| !subscribed.selects(event))
            };
            if let Some(missing) = hole(stream, next, offset, excused) {
                let (topic, number) = partition;
                violations.push(Violation {
                    invariant: "I-9",
                    name: "skip",
                    detail: format!(
                        "{name} got {topic}/{number}/{offset} but never {missing}, and no gap"
                    ),
                    slice: before.into_iter().chain([at]).collect(),
                });
            }
            next = next.max(offset.saturating_add(1));
            before = Some(at);
        }
    }
    violations
}

/// The first offset of `from..to` that no gap covers, no filter left out and is no dead letter.
fn hole(stream: &Stream<'_>, mut from: u64, to: u64, excused: impl Fn(u64) -> bool) -> Option<u64> {
    while from < to {
        from = stream.gaps.end_of(from)?;
        if from >= to {
            break;
        }
        if !excused(from) {
            return Some(from);
        }
        from += 1;
    }
    None
}

//! I-6: while an event is known to fail, or waits to come again after a crash, nothing of its key
//! that was never sent comes; other keys do not wait, and a dead letter lets its key go on.

mod closed;

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use crate::model::{Model, Stream};
use crate::verdict::Violation;
use closed::Closed;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        if subscribed.definition.is_some_and(|definition| !definition.ordered) {
            continue;
        }
        let mut unseen =
            ["lost", "deadline", "sought"].map(|what| model.marks_of(what, name)).concat();
        unseen.sort_unstable();
        let ends = closed::Ends {
            crashes: model.marks_of("crash", name),
            redriven: model.new_lives(name),
            unseen,
        };
        for (closed, at, offset) in overtaken(stream, closed::of(stream, &ends)) {
            violations.push(Violation {
                invariant: "I-6",
                name: "order-after-retry",
                detail: format!(
                    "{name} got {offset} of {topic}/{number} for the first time while {} of its \
                     key was to come before it",
                    closed.offset
                ),
                slice: vec![closed.from, at],
            });
        }
    }
    violations
}

/// First deliveries past an event that held its key: that, the delivery, its offset.
fn overtaken<'a>(
    stream: &Stream<'a>,
    mut all: HashMap<&'a str, Vec<Closed>>,
) -> Vec<(Closed, usize, u64)> {
    // By key: those that begin later, the next one last, and those that hold it, by offset.
    all.values_mut().for_each(|closed| closed.sort_unstable_by_key(|c| Reverse(c.from)));
    let mut open: HashMap<&str, BTreeMap<u64, Closed>> = HashMap::new();
    let mut overtaken = Vec::new();
    for (at, delivery) in stream.firsts() {
        let Some(later) = all.get_mut(delivery.key.as_str()) else { continue };
        let open = open.entry(&delivery.key).or_default();
        while let Some(closed) = later.pop_if(|closed| closed.from < at) {
            open.insert(closed.offset, closed);
        }
        open.retain(|_, closed| closed.to > at);
        // Flagged: it was sent before, to somebody who did not live to see it.
        let is_new = !delivery.redelivered && delivery.attempt == 1;
        if let Some((_, &before)) = open.range(..delivery.offset).next().filter(|_| is_new) {
            overtaken.push((before, at, delivery.offset));
        }
    }
    overtaken
}

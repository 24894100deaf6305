//! I-10: what was confirmed as acknowledged is not delivered again.

use std::collections::BTreeMap;

use crate::model::{Model, Stream};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, _, (topic, number), stream) in model.streams() {
        for (confirmed, at, offset) in repeats(stream) {
            violations.push(Violation {
                invariant: "I-10",
                name: "lost-ack",
                detail: format!("{name} got {topic}/{number}/{offset} after its confirmed ack"),
                slice: vec![confirmed, at],
            });
        }
    }
    violations
}

/// Deliveries after a confirmation that covers them: (confirmation, delivery, offset).
fn repeats(stream: &Stream<'_>) -> Vec<(usize, usize, u64)> {
    // Confirmed so far, by first offset: (last offset, where).
    let mut confirmed: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    let mut acks = stream.acks.iter().peekable();
    let mut repeats = Vec::new();
    let mut highest = None;
    for &(at, delivery) in &stream.deliveries {
        while let Some((ack, range)) = acks.next_if(|(ack, _)| *ack < at) {
            let longest = confirmed.entry(range.first).or_insert((range.last, *ack));
            if longest.0 < range.last {
                *longest = (range.last, *ack);
            }
            highest = highest.max(Some(range.last));
        }
        if highest < Some(delivery.offset) {
            continue;
        }
        let covering = confirmed.range(..=delivery.offset).rev();
        let mut covering = covering.filter(|(_, (last, _))| *last >= delivery.offset);
        if let Some((_, &(_, ack))) = covering.next() {
            repeats.push((ack, at, delivery.offset));
        }
    }
    repeats
}

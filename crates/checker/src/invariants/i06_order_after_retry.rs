//! I-6: while an event that was given back has not come again, nothing of its key that was not sent
//! before comes; a dead letter lets its key go on.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::model::{Model, Stream};
use crate::verdict::Violation;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (name, subscribed, (topic, number), stream) in model.streams() {
        if subscribed.definition.is_some_and(|definition| !definition.ordered) {
            continue;
        }
        for (nack, at, (waiting, offset)) in overtaken(stream) {
            violations.push(Violation {
                invariant: "I-6",
                name: "order-after-retry",
                detail: format!(
                    "{name} got {offset} of {topic}/{number} while {waiting} of its key was given \
                     back and had not come again"
                ),
                slice: vec![nack, at],
            });
        }
    }
    violations
}

/// First deliveries past an event that was given back: the nack, the delivery, both offsets.
fn overtaken(stream: &Stream<'_>) -> Vec<(usize, usize, (u64, u64))> {
    let dead: HashSet<u64> = stream.dead.iter().map(|&(_, offset)| offset).collect();
    let mut keys: BTreeMap<u64, &str> = BTreeMap::new();
    // Given back and not come again, by key: offset and nack.
    let mut waiting: HashMap<&str, BTreeMap<u64, usize>> = HashMap::new();
    let mut nacks = stream.nacks.iter().peekable();
    let mut overtaken = Vec::new();
    for &(at, delivery) in &stream.deliveries {
        while let Some(&(nack, range)) = nacks.next_if(|(nack, _)| *nack < at) {
            for (&offset, key) in keys.range(range.first..=range.last.max(range.first)) {
                waiting.entry(key).or_default().insert(offset, nack);
            }
        }
        let key = delivery.key.as_str();
        let is_first = keys.insert(delivery.offset, key).is_none();
        let of_key = waiting.entry(key).or_default();
        of_key.remove(&delivery.offset);
        let is_open = |offset: &u64| !dead.contains(offset) && stream.acked(*offset).is_none();
        let before = of_key.range(..delivery.offset).find(|(offset, _)| is_open(offset));
        if let Some((&offset, &nack)) = before.filter(|_| is_first) {
            overtaken.push((nack, at, (offset, delivery.offset)));
        }
    }
    overtaken
}

//! Checks what one consumer receives: nothing skipped, nothing out of order, repeats flagged.

use std::collections::HashMap;
use std::sync::Arc;

use tidings_event::key::KeyHash;

/// One event as a consumer sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) key: KeyHash,
    /// The producer's count for this key.
    pub(super) key_seq: Option<u64>,
    pub(super) redelivered: bool,
}

/// What one event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sighting {
    /// New, and in its place.
    First,
    /// Seen before, and flagged so.
    Repeat,
    /// New, but something before it is missing or came later; or a repeat without a flag.
    Violation,
}

/// What one consumer has received so far.
#[derive(Debug, Default)]
pub(super) struct OrderCheck {
    topics: HashMap<Arc<str>, Topic>,
}

#[derive(Debug, Default)]
struct Topic {
    /// Next offset of each partition.
    next: HashMap<u32, u64>,
    /// Last count of each key.
    counts: HashMap<KeyHash, u64>,
}

impl OrderCheck {
    /// Takes the next event of a topic in. A partition may start at any offset.
    pub(super) fn see(&mut self, topic: &Arc<str>, seen: Seen) -> Sighting {
        if !self.topics.contains_key(topic) {
            self.topics.insert(Arc::clone(topic), Topic::default());
        }
        // Inserted above where it was missing.
        let Some(state) = self.topics.get_mut(topic) else { return Sighting::Violation };
        let next = state.next.entry(seen.partition).or_insert(seen.offset);
        if seen.offset < *next {
            return if seen.redelivered { Sighting::Repeat } else { Sighting::Violation };
        }
        let skipped = seen.offset > *next;
        *next = seen.offset + 1;
        let backwards = seen.key_seq.is_some_and(|count| {
            state.counts.insert(seen.key, count).is_some_and(|last| last >= count)
        });
        if skipped || backwards { Sighting::Violation } else { Sighting::First }
    }

    /// Offsets that were announced as gone.
    pub(super) fn gap(&mut self, topic: &Arc<str>, partition: u32, last: u64) {
        let state = self.topics.entry(Arc::clone(topic)).or_default();
        let next = state.next.entry(partition).or_default();
        *next = (*next).max(last + 1);
    }
}

#[cfg(test)]
mod tests;

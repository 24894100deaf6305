//! Events of one partition that were looked at and are another member's. Pure: offsets in, offsets
//! out.
//!
//! They lie in offset order, by the session that is to have them; those of slots that move lie
//! apart until their slot is where it belongs.

use std::collections::{BTreeMap, HashMap};

use super::{Group, KeySlot};

/// Most events that wait in one partition; then it sends nothing new.
pub(crate) const EVENTS_MAX: usize = 100_000;

type Queue<T> = BTreeMap<u64, (KeySlot, T)>;

/// See the module.
#[derive(Debug)]
pub(crate) struct Waiting<T> {
    queues: HashMap<u64, Queue<T>>,
    /// Of slots that move, or that nobody is to have.
    moving: Queue<T>,
    count: usize,
    /// The versions of the group that the queues are for.
    version: u64,
    moved: u64,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { queues: HashMap::new(), moving: BTreeMap::new(), count: 0, version: 0, moved: 0 }
    }
}

impl<T> Waiting<T> {
    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether nothing new may be looked at before some of it has gone.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= EVENTS_MAX
    }

    /// Lets an event wait for whoever is to have its slot.
    pub(crate) fn insert(&mut self, offset: u64, slot: KeySlot, event: T, group: &Group) {
        self.align(group);
        self.put(offset, slot, event, group);
        self.count += 1;
    }

    /// Puts what waits where it belongs now.
    pub(crate) fn align(&mut self, group: &Group) {
        let mut stray = Queue::new();
        if self.version != group.version() {
            for queue in std::mem::take(&mut self.queues).into_values() {
                stray.extend(queue);
            }
        }
        if self.version != group.version() || self.moved != group.moved() {
            stray.extend(std::mem::take(&mut self.moving));
        }
        (self.version, self.moved) = (group.version(), group.moved());
        for (offset, (slot, event)) in stray {
            self.put(offset, slot, event, group);
        }
    }

    /// The first event at or after an offset that a session may be sent. Only right after
    /// [`Self::align`].
    pub(crate) fn next(&self, session: u64, from: u64) -> Option<(u64, &T)> {
        let (&offset, (_, event)) = self.queues.get(&session)?.range(from..).next()?;
        Some((offset, event))
    }

    /// Takes out an event that [`Self::next`] named.
    pub(crate) fn take(&mut self, session: u64, offset: u64) -> Option<(KeySlot, T)> {
        let queue = self.queues.get_mut(&session)?;
        let taken = queue.remove(&offset)?;
        if queue.is_empty() {
            self.queues.remove(&session);
        }
        self.count -= 1;
        Some(taken)
    }

    /// Takes out the events of a range that pass, whoever they are for.
    pub(crate) fn drop_range(
        &mut self,
        first: u64,
        end: u64,
        passes: impl Fn(&T) -> bool,
    ) -> Vec<(u64, T)> {
        let mut dropped = Vec::new();
        for queue in self.queues.values_mut().chain([&mut self.moving]) {
            let hit = queue.range(first..end.max(first)).filter(|(_, (_, event))| passes(event));
            let hit: Vec<u64> = hit.map(|(&offset, _)| offset).collect();
            for offset in hit {
                dropped.extend(queue.remove(&offset).map(|(_, event)| (offset, event)));
            }
        }
        self.queues.retain(|_, queue| !queue.is_empty());
        self.count -= dropped.len();
        dropped.sort_unstable_by_key(|(offset, _)| *offset);
        dropped
    }

    fn put(&mut self, offset: u64, slot: KeySlot, event: T, group: &Group) {
        let owner = group.owner(slot).filter(|_| !group.is_moving(slot));
        let queue = match owner {
            Some(session) => self.queues.entry(session).or_default(),
            None => &mut self.moving,
        };
        queue.insert(offset, (slot, event));
    }
}

#[cfg(test)]
mod tests;

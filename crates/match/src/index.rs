//! Which subscriptions an event is for, found without asking each.
//!
//! A filter is filed under the values of its most selective pin; an event is looked up by its own
//! values, and only the filters found there are judged, but for those that ask for nothing else: they
//! pass. Filters that are the same in their canonical form are judged once. What has no pin is judged
//! for every event.

mod matches;

use std::hash::Hash;

// Its hash is seeded, and quick: every event is looked up by each of its values.
use hashbrown::HashMap;
use tidings_event::block::events;
use tidings_event::{Envelope, glance};

use crate::rule::{Filter, Pinned};

pub use matches::{Matches, Run};

/// Subscriptions by what their filters ask for.
#[derive(Clone, Debug)]
pub struct Index<K> {
    /// Who takes everything.
    everything: Vec<K>,
    /// Distinct filters, by slot; a free slot has no filter.
    groups: Vec<Option<Group<K>>>,
    free: Vec<usize>,
    slots: HashMap<Filter, usize>,
    /// Where each key is.
    keys: HashMap<K, Place>,
    /// Slots by field and value; the fields in order of [`Pinned::ALL`].
    filed: [HashMap<Box<str>, Vec<Filed>>; Pinned::ALL.len()],
    /// Slots of the filters that have no pin.
    scanned: Vec<usize>,
}

#[derive(Clone, Debug)]
struct Group<K> {
    filter: Filter,
    keys: Vec<K>,
}

/// A filter under a value of its pin.
#[derive(Clone, Copy, Debug)]
struct Filed {
    slot: usize,
    /// Whether what has the value passes.
    passes: bool,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Everything,
    Slot(usize),
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self {
            everything: Vec::new(),
            groups: Vec::new(),
            free: Vec::new(),
            slots: HashMap::new(),
            keys: HashMap::new(),
            filed: Default::default(),
            scanned: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash + Ord> Index<K> {
    /// Nobody yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// How many different filters there are.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.slots.len()
    }

    /// Files a key under a filter, or as taking everything; what it had before is gone.
    pub fn insert(&mut self, key: K, filter: Option<&Filter>) {
        self.remove(&key);
        let place = match filter {
            None => {
                self.everything.push(key);
                Place::Everything
            }
            Some(filter) => {
                let slot = self.slot(filter);
                if let Some(Some(group)) = self.groups.get_mut(slot) {
                    group.keys.push(key);
                }
                Place::Slot(slot)
            }
        };
        self.keys.insert(key, place);
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &K) {
        match self.keys.remove(key) {
            None => {}
            Some(Place::Everything) => self.everything.retain(|other| other != key),
            Some(Place::Slot(slot)) => {
                let Some(Some(group)) = self.groups.get_mut(slot) else { return };
                group.keys.retain(|other| other != key);
                if group.keys.is_empty() {
                    self.close(slot);
                }
            }
        }
    }

    /// Calls `hit` for every key whose filter the event passes, in no order.
    pub fn matches(&self, envelope: &Envelope<'_>, event: &[u8], mut hit: impl FnMut(K)) {
        self.everything.iter().for_each(|key| hit(*key));
        self.hits(envelope, event, |slot| self.keys_of(slot).iter().for_each(|key| hit(*key)));
    }

    /// Finds for every key which events of a body pass, as runs. `out` is used again from block to
    /// block, so that nothing is allocated for an event.
    pub fn match_block(&self, body: &[u8], out: &mut Matches<K>) {
        out.begin(self.groups.len());
        let mut count = 0;
        let mut walk = events(body);
        while let Some(Ok(event)) = walk.next() {
            out.ends_at(walk.offset());
            if !self.slots.is_empty()
                && let Some(envelope) = glance(event)
            {
                self.hits(&envelope, event, |slot| out.hit(slot, count));
            }
            count += 1;
        }
        out.end(count, &self.everything, |slot| self.keys_of(slot));
    }

    fn keys_of(&self, slot: usize) -> &[K] {
        match self.groups.get(slot) {
            Some(Some(group)) => &group.keys,
            _ => &[],
        }
    }

    /// The slots of the filters that the event passes.
    #[inline]
    fn hits(&self, envelope: &Envelope<'_>, event: &[u8], mut hit: impl FnMut(usize)) {
        let is_passed = |slot: usize| match self.groups.get(slot) {
            Some(Some(group)) => group.filter.matches(envelope, event),
            _ => false,
        };
        self.scanned.iter().filter(|slot| is_passed(**slot)).for_each(|slot| hit(*slot));
        for (field, filed) in Pinned::ALL.into_iter().zip(&self.filed) {
            if filed.is_empty() {
                continue;
            }
            let found = field.value(envelope).and_then(|value| filed.get(value));
            for filed in found.into_iter().flatten() {
                if filed.passes || is_passed(filed.slot) {
                    hit(filed.slot);
                }
            }
        }
    }

    /// The slot of a filter, made where there is none.
    fn slot(&mut self, filter: &Filter) -> usize {
        if let Some(slot) = self.slots.get(filter) {
            return *slot;
        }
        let group = Some(Group { filter: filter.clone(), keys: Vec::new() });
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.groups.push(None);
                self.groups.len() - 1
            }
        };
        if let Some(place) = self.groups.get_mut(slot) {
            *place = group;
        }
        self.slots.insert(filter.clone(), slot);
        let Some(pin) = filter.pins().first() else {
            self.scanned.push(slot);
            return slot;
        };
        if let Some(filed) = self.filed.get_mut(pin.field as usize) {
            let under = Filed { slot, passes: filter.is_pin() };
            for value in &pin.values {
                filed.entry(value.clone()).or_default().push(under);
            }
        }
        slot
    }

    /// Takes out a filter that nobody has any more.
    fn close(&mut self, slot: usize) {
        let Some(Some(group)) = self.groups.get_mut(slot).map(Option::take) else { return };
        self.slots.remove(&group.filter);
        self.free.push(slot);
        let Some(pin) = group.filter.pins().first() else {
            self.scanned.retain(|other| *other != slot);
            return;
        };
        let Some(filed) = self.filed.get_mut(pin.field as usize) else { return };
        for value in &pin.values {
            let Some(slots) = filed.get_mut(value) else { continue };
            slots.retain(|other| other.slot != slot);
            if slots.is_empty() {
                filed.remove(value);
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! The (source, id) window: which events of publishers without a producer id were stored lately.
//!
//! A ring of entries, oldest first, and an open-addressed index into it: 32 + 16 bytes an id, at
//! most 48 MiB for a million.

use std::collections::{HashMap, VecDeque};

use tidings_event::{Offset, TopicPartition};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

/// Identity of an event: its tenant, source and id, hashed.
pub(crate) fn identity(tenant_seed: u64, source: &str, id: &[u8; 16]) -> u128 {
    let mut buffer = [0u8; 240];
    buffer[..16].copy_from_slice(id);
    let length = source.len().min(buffer.len() - 16);
    buffer[16..16 + length].copy_from_slice(&source.as_bytes()[..length]);
    xxh3_128_with_seed(&buffer[..16 + length], tenant_seed)
}

/// Keeps tenants apart in [`identity`].
pub(crate) fn tenant_seed(tenant: &str) -> u64 {
    xxh3_64(tenant.as_bytes())
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    hash: u128,
    offset: u64,
    location: u32,
    at_secs: u32,
}

/// Most bytes that an id takes, of a full window.
pub const WINDOW_ID_BYTES: u64 = 48;

/// A location that no event has: the entry was taken back.
const NOWHERE: u32 = u32::MAX;

pub(crate) struct Window {
    entries: VecDeque<Entry>,
    /// Number of the first entry in the ring; numbers wrap.
    first: u32,
    index: Index,
    ids_max: usize,
    age_max_secs: u32,
    locations: Vec<TopicPartition>,
    by_place: HashMap<TopicPartition, u32>,
    inserted: u64,
}

impl Window {
    pub(crate) fn new(ids_max: usize, age_max_secs: u32) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 0,
            index: Index::new(),
            ids_max: ids_max.max(1),
            age_max_secs,
            locations: Vec::new(),
            by_place: HashMap::new(),
            inserted: 0,
        }
    }

    /// How many were ever inserted.
    pub(crate) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// A number for a partition, as short as entries hold it.
    pub(crate) fn locate(&mut self, place: TopicPartition) -> u32 {
        *self.by_place.entry(place).or_insert_with(|| {
            self.locations.push(place);
            u32::try_from(self.locations.len() - 1).unwrap_or(NOWHERE)
        })
    }

    /// Forgets what is too old.
    pub(crate) fn expire(&mut self, now_secs: u32) {
        while let Some(oldest) = self.entries.front()
            && now_secs.saturating_sub(oldest.at_secs) > self.age_max_secs
        {
            self.forget_oldest();
        }
    }

    /// Where this identity was stored.
    pub(crate) fn get(&self, hash: u128) -> Option<(TopicPartition, Offset)> {
        let at = self.find(hash)?;
        let entry = self.entry(self.index.number(at))?;
        Some((*self.locations.get(entry.location as usize)?, Offset(entry.offset)))
    }

    /// Remembers an identity that is not there.
    pub(crate) fn insert(&mut self, hash: u128, location: u32, offset: Offset, now_secs: u32) {
        if self.entries.len() >= self.ids_max {
            self.forget_oldest();
        }
        // The ring holds at most a million: the length fits.
        let number = self.first.wrapping_add(self.entries.len() as u32);
        self.entries.push_back(Entry { hash, offset: offset.0, location, at_secs: now_secs });
        self.index.insert(tag(hash), number);
        self.inserted += 1;
    }

    /// Takes one back that was not stored after all.
    pub(crate) fn remove(&mut self, hash: u128) {
        let Some(at) = self.find(hash) else { return };
        let place = self.index.number(at).wrapping_sub(self.first) as usize;
        self.index.remove(at);
        if let Some(entry) = self.entries.get_mut(place) {
            entry.location = NOWHERE;
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            if entry.location != NOWHERE
                && let Some(at) = self.index.find(tag(entry.hash), |number| number == self.first)
            {
                self.index.remove(at);
            }
            self.first = self.first.wrapping_add(1);
        }
    }

    fn find(&self, hash: u128) -> Option<usize> {
        self.index.find(tag(hash), |number| self.entry(number).is_some_and(|e| e.hash == hash))
    }

    fn entry(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number.wrapping_sub(self.first) as usize)
    }
}

/// Odd, so that no used slot is zero; its high bits are the home slot.
fn tag(hash: u128) -> u32 {
    (hash as u32) | 1
}

/// Slots of `tag << 32 | number`, zero when free, probed linearly, at most half full.
struct Index {
    slots: Vec<u64>,
    used: usize,
}

impl Index {
    fn new() -> Self {
        Self { slots: vec![0; 1024], used: 0 }
    }

    fn home(&self, tag: u32) -> usize {
        (tag >> (32 - self.slots.len().trailing_zeros())) as usize
    }

    fn next(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn number(&self, at: usize) -> u32 {
        self.slots[at] as u32
    }

    fn find(&self, tag: u32, is: impl Fn(u32) -> bool) -> Option<usize> {
        let mut at = self.home(tag);
        while self.slots[at] != 0 {
            if (self.slots[at] >> 32) as u32 == tag && is(self.number(at)) {
                return Some(at);
            }
            at = self.next(at);
        }
        None
    }

    fn insert(&mut self, tag: u32, number: u32) {
        if (self.used + 1) * 2 > self.slots.len() {
            let grown = vec![0; self.slots.len() * 2];
            let old = std::mem::replace(&mut self.slots, grown);
            for slot in old.into_iter().filter(|slot| *slot != 0) {
                self.put(slot);
            }
        }
        self.put(u64::from(tag) << 32 | u64::from(number));
        self.used += 1;
    }

    fn put(&mut self, slot: u64) {
        let mut at = self.home((slot >> 32) as u32);
        while self.slots[at] != 0 {
            at = self.next(at);
        }
        self.slots[at] = slot;
    }

    /// Frees a slot and moves back what had been pushed past it.
    fn remove(&mut self, mut free: usize) {
        let mask = self.slots.len() - 1;
        let mut at = self.next(free);
        while self.slots[at] != 0 {
            let home = self.home((self.slots[at] >> 32) as u32);
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(free) & mask) {
                self.slots[free] = self.slots[at];
                free = at;
            }
            at = self.next(at);
        }
        self.slots[free] = 0;
        self.used -= 1;
    }
}

#[cfg(test)]
mod tests;

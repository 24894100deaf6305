//! Key sequences: the numbers (`key_seq`) that producers gave the events of each tenant, source and
//! key. Says what is out of line; never refuses, never reorders. Pure.
//!
//! Of each key the last number is kept, and which of the 64 before it came: events of one key in
//! two topics travel in two blocks, so that a number may come a little after a higher one.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use tidings_event::Envelope;
use tidings_event::block::KeyState;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Parts that are saved one by one.
pub(crate) const BUCKETS: usize = 256;

/// The number of one event of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyCount {
    /// Hash of tenant, source and key.
    pub(crate) key: u64,
    pub(crate) number: u64,
}

impl KeyCount {
    /// The count of an event that has one; `seed` keeps tenants apart.
    pub(crate) fn of(seed: u64, event: &Envelope<'_>) -> Option<Self> {
        let number = event.key_seq?;
        // A source has at most 200 bytes.
        let mut buffer = [0u8; 208];
        let length = event.source.len().min(200);
        buffer[..8].copy_from_slice(&event.key_hash().0.to_le_bytes());
        buffer[8..8 + length].copy_from_slice(&event.source.as_bytes()[..length]);
        Some(Self { key: xxh3_64_with_seed(&buffer[..8 + length], seed), number })
    }
}

/// The last number of a key, and which of those before it came: bit n is `last - 1 - n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) last: u64,
    pub(crate) mask: u64,
}

/// A number that is out of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfLine {
    pub(crate) state: KeyState,
    pub(crate) expected: u64,
    /// Numbers that this one passed over.
    pub(crate) missing: u64,
}

impl Seen {
    /// A key's first number; nothing is known of those before it.
    pub(crate) fn first(number: u64) -> Self {
        Self { last: number, mask: 0 }
    }

    /// Takes one more number.
    pub(crate) fn step(&mut self, number: u64) -> Option<OutOfLine> {
        let expected = self.last.saturating_add(1);
        let out = |state, missing| Some(OutOfLine { state, expected, missing });
        if number > self.last {
            let ahead = number - self.last;
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            let before = self.mask.checked_shl(shift).unwrap_or(0);
            let last = 1u64.checked_shl(shift - 1).unwrap_or(0);
            *self = Self { last: number, mask: before | last };
            return if ahead == 1 { None } else { out(KeyState::Gap, ahead - 1) };
        }
        let behind = self.last - number;
        let bit = behind.checked_sub(1).and_then(|n| 1u64.checked_shl(u32::try_from(n).ok()?));
        match bit {
            Some(bit) if self.mask & bit == 0 => {
                self.mask |= bit;
                out(KeyState::Late, 0)
            }
            _ if number <= 1 => {
                *self = Self::first(number);
                out(KeyState::Reset, 0)
            }
            _ => out(KeyState::Repeat, 0),
        }
    }
}

/// What a step did, so that it can be said and taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stepped {
    pub(crate) count: KeyCount,
    pub(crate) out: Option<OutOfLine>,
    before: Option<Seen>,
    after: Seen,
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, key: u64) {
        // The low bits chose the bucket.
        self.0 = key.rotate_right(8);
    }
}

type Keys = HashMap<u64, Seen, BuildHasherDefault<AsItIs>>;

/// Keys used lately, and those used before them: when the first are too many, the second go.
#[derive(Debug, Default)]
struct Bucket {
    young: Keys,
    old: Keys,
    /// Changed since it was last saved.
    is_dirty: bool,
}

impl Bucket {
    fn get(&self, key: u64) -> Option<Seen> {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }

    fn put(&mut self, key: u64, seen: Seen, most: usize) {
        self.is_dirty = true;
        if let Some(known) = self.young.get_mut(&key) {
            *known = seen;
            return;
        }
        if self.young.len() >= most {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.old.remove(&key);
        self.young.insert(key, seen);
    }
}

/// The sequences of all keys, of a bounded number of them.
#[derive(Debug)]
pub(crate) struct KeySequences {
    buckets: Vec<Bucket>,
    /// Most young keys of a bucket.
    young_max: usize,
}

impl KeySequences {
    /// Remembers at most about `keys_max` keys; none when that is 0.
    pub(crate) fn new(keys_max: usize) -> Self {
        let buckets = if keys_max == 0 { 0 } else { BUCKETS };
        Self {
            buckets: (0..buckets).map(|_| Bucket::default()).collect(),
            young_max: (keys_max / BUCKETS / 2).max(1),
        }
    }

    /// Takes an event's number. Of a key that is not known nothing is said.
    pub(crate) fn step(&mut self, count: KeyCount) -> Option<Stepped> {
        let most = self.young_max;
        let bucket = self.buckets.get_mut(bucket_of(count.key))?;
        if let Some(known) = bucket.young.get_mut(&count.key) {
            // Nearly always: it is looked for once, and changed where it lies.
            let before = *known;
            let out = known.step(count.number);
            bucket.is_dirty |= before != *known;
            return Some(Stepped { count, out, before: Some(before), after: *known });
        }
        let before = bucket.old.get(&count.key).copied();
        let mut after = before.unwrap_or(Seen::first(count.number));
        let out = before.and_then(|_| after.step(count.number));
        if before != Some(after) {
            bucket.put(count.key, after, most);
        }
        Some(Stepped { count, out, before, after })
    }

    /// Takes a step back whose event was not stored, unless others followed.
    pub(crate) fn undo(&mut self, step: &Stepped) {
        let (key, most) = (step.count.key, self.young_max);
        let Some(bucket) = self.buckets.get_mut(bucket_of(key)) else { return };
        if bucket.get(key) != Some(step.after) {
            return;
        }
        match step.before {
            Some(before) => bucket.put(key, before, most),
            None => {
                bucket.is_dirty = true;
                bucket.young.remove(&key);
                bucket.old.remove(&key);
            }
        }
    }

    /// Remembers a key as it was saved.
    pub(crate) fn restore(&mut self, key: u64, seen: Seen) {
        let most = self.young_max;
        if let Some(bucket) = self.buckets.get_mut(bucket_of(key)) {
            bucket.put(key, seen, most);
            bucket.is_dirty = false;
        }
    }

    /// A bucket's keys, when they changed since they were last asked for, or anyway.
    pub(crate) fn changed(&mut self, at: usize, anyway: bool) -> Option<Vec<(u64, Seen)>> {
        let bucket = self.buckets.get_mut(at)?;
        if !std::mem::take(&mut bucket.is_dirty) && !anyway {
            return None;
        }
        // The older first: restoring them in this order keeps the newer when there is no room.
        Some(bucket.old.iter().chain(&bucket.young).map(|(key, seen)| (*key, *seen)).collect())
    }
}

fn bucket_of(key: u64) -> usize {
    // Below BUCKETS.
    (key % BUCKETS as u64) as usize
}

#[cfg(test)]
mod tests;

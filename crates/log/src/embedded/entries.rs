//! The entries of one table in memory: key and value side by side, in one piece for each.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::fields::short;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Entries(BTreeSet<Entry>);

#[derive(Debug)]
struct Entry {
    key_bytes: u32,
    bytes: Box<[u8]>,
}

impl Entry {
    fn new(key: &[u8], value: &[u8]) -> Self {
        Self { key_bytes: short(key.len()), bytes: [key, value].concat().into() }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at_checked(self.key_bytes as usize).unwrap_or_default()
    }
}

impl Borrow<[u8]> for Entry {
    fn borrow(&self) -> &[u8] {
        self.parts().0
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().0.cmp(other.parts().0)
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl Entries {
    pub(crate) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        Some(self.0.get(key)?.parts().1)
    }

    /// Puts a value under a key, in place of what was there.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.replace(Entry::new(key, value));
    }

    pub(crate) fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    /// Keys and values, in order of the keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(Entry::parts)
    }

    /// A copy of all.
    pub(crate) fn to_map(&self) -> BTreeMap<Bytes, Bytes> {
        let copied = |(key, value)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        self.iter().map(copied).collect()
    }
}

#[cfg(test)]
mod tests;

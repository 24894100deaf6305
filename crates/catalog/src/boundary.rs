//! An offset for each of many partitions, in as few bytes as they differ by: every subscription has
//! one for its start and one for each of its revisions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tidings_event::{Offset, PartitionId, TopicId, TopicPartition};

/// Bytes of what is known of one topic: its number, its least offset, how many partitions it has,
/// where their offsets are, and how many bytes each of these takes.
const ENTRY_BYTES: usize = 25;

/// An offset for each partition of some topics. Cloning shares it; a partition that was left out below
/// one that was not is at 0.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Boundary {
    topics: u32,
    /// An entry for each topic, in order of their numbers, then what the offsets of each are above the
    /// least of them.
    bytes: Arc<[u8]>,
}

#[derive(Clone, Copy)]
struct Entry {
    topic: TopicId,
    least: u64,
    partitions: u32,
    first: usize,
    width: usize,
}

impl Boundary {
    /// The offset of a partition, where it has one.
    #[must_use]
    pub fn get(&self, place: TopicPartition) -> Option<Offset> {
        self.offset(self.entry_of(place.topic)?, place.partition)
    }

    /// Whether it has offsets for a topic.
    #[must_use]
    pub fn has(&self, topic: TopicId) -> bool {
        self.entry_of(topic).is_some()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.topics == 0
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (TopicPartition, Offset)> {
        (0..self.topics).filter_map(|number| self.entry(number)).flat_map(move |entry| {
            (0..entry.partitions).map(PartitionId).filter_map(move |partition| {
                let place = TopicPartition { topic: entry.topic, partition };
                Some((place, self.offset(entry, partition)?))
            })
        })
    }

    fn entry_of(&self, topic: TopicId) -> Option<Entry> {
        let (mut low, mut high) = (0, self.topics);
        while low < high {
            let middle = low + (high - low) / 2;
            let entry = self.entry(middle)?;
            match entry.topic.cmp(&topic) {
                std::cmp::Ordering::Equal => return Some(entry),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn entry(&self, number: u32) -> Option<Entry> {
        let bytes = self.bytes.get(number as usize * ENTRY_BYTES..)?;
        Some(Entry {
            topic: TopicId(number_in(bytes.get(..8)?)),
            least: number_in(bytes.get(8..16)?),
            // Four bytes and four bytes.
            partitions: number_in(bytes.get(16..20)?) as u32,
            first: number_in(bytes.get(20..24)?) as usize,
            width: usize::from(*bytes.get(24)?),
        })
    }

    fn offset(&self, entry: Entry, partition: PartitionId) -> Option<Offset> {
        if partition.0 >= entry.partitions {
            return None;
        }
        let at = entry.first + partition.0 as usize * entry.width;
        let above = number_in(self.bytes.get(at..at + entry.width)?);
        Some(Offset(entry.least + above))
    }
}

/// A number of at most eight bytes, the low ones first.
fn number_in(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// How many bytes a number takes.
fn width(number: u64) -> usize {
    (u64::BITS - number.leading_zeros()).div_ceil(8) as usize
}

impl From<&BTreeMap<TopicPartition, Offset>> for Boundary {
    fn from(offsets: &BTreeMap<TopicPartition, Offset>) -> Self {
        let mut topics: Vec<(TopicId, Vec<u64>)> = Vec::new();
        for (place, offset) in offsets {
            if topics.last().is_none_or(|(last, _)| *last != place.topic) {
                topics.push((place.topic, Vec::new()));
            }
            if let Some((_, of_topic)) = topics.last_mut() {
                of_topic.resize(place.partition.0 as usize, 0);
                of_topic.push(offset.0);
            }
        }
        let (mut entries, mut rest) = (Vec::new(), Vec::new());
        for (topic, offsets) in &topics {
            let least = offsets.iter().copied().min().unwrap_or(0);
            let most = offsets.iter().copied().max().unwrap_or(0);
            let width = width(most - least);
            let first = topics.len() * ENTRY_BYTES + rest.len();
            entries.extend(topic.0.to_le_bytes());
            entries.extend(least.to_le_bytes());
            // A topic has few partitions, and a record takes less than a megabyte.
            entries.extend((offsets.len() as u32).to_le_bytes());
            entries.extend((first as u32).to_le_bytes());
            entries.push(width as u8);
            rest.extend(offsets.iter().flat_map(|offset| {
                let bytes = (offset - least).to_le_bytes();
                bytes.into_iter().take(width)
            }));
        }
        entries.append(&mut rest);
        Self { topics: topics.len() as u32, bytes: entries.into() }
    }
}

impl FromIterator<(TopicPartition, Offset)> for Boundary {
    fn from_iter<I: IntoIterator<Item = (TopicPartition, Offset)>>(offsets: I) -> Self {
        Self::from(&offsets.into_iter().collect::<BTreeMap<_, _>>())
    }
}

impl fmt::Debug for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;

//! What retention chooses to trim: blocks that are too old, then the oldest of what is too much.

use std::collections::BTreeMap;

use tidings_event::{PartitionId, Timestamp, TopicPartition};

use super::wall::Now;
use crate::partition_log::TopicSpec;

/// New trim points.
pub type Trims = BTreeMap<TopicPartition, u64>;

/// What a partition has.
pub struct Shelf<B> {
    /// First offset that is kept.
    pub trim: u64,
    /// First offset that may not be trimmed.
    pub floor: u64,
    /// Its blocks by offset.
    pub blocks: B,
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shelved {
    /// Grows with the order in which groups of blocks were written, over all partitions of a journal.
    pub written: u64,
    /// Offset behind its last event.
    pub end: u64,
    /// Header and body.
    pub bytes: u32,
    /// When it was stored.
    pub ingested_at: Timestamp,
}

/// The partitions of a topic.
pub fn partitions_of(spec: &TopicSpec) -> impl Iterator<Item = TopicPartition> + use<> {
    let topic = spec.id;
    (0..spec.partitions).map(move |p| TopicPartition { topic, partition: PartitionId(p) })
}

/// Where retention puts the trim points of topics, by what is on the shelves of their partitions.
pub fn plan<B: Iterator<Item = Shelved>>(
    topics: &[TopicSpec],
    now: &Now,
    shelf: impl Fn(TopicPartition) -> Option<Shelf<B>>,
) -> Trims {
    let mut trims = Trims::new();
    for spec in topics {
        let shelves = || partitions_of(spec).filter_map(|id| Some((id, shelf(id)?)));
        by_age(spec, now, shelves(), &mut trims);
        if let Some(max) = spec.retention.bytes {
            by_bytes(max, shelves(), &mut trims);
        }
    }
    trims
}

fn by_age<B: Iterator<Item = Shelved>>(
    spec: &TopicSpec,
    now: &Now,
    shelves: impl Iterator<Item = (TopicPartition, Shelf<B>)>,
    trims: &mut Trims,
) {
    let age = spec.retention.age;
    for (id, Shelf { floor, blocks, .. }) in shelves {
        let expired = |b: &Shelved| now.is_older(b.ingested_at, age) && b.end <= floor;
        if let Some(last) = blocks.take_while(expired).last() {
            trims.insert(id, last.end);
        }
    }
}

fn by_bytes<B: Iterator<Item = Shelved>>(
    max: u64,
    shelves: impl Iterator<Item = (TopicPartition, Shelf<B>)>,
    trims: &mut Trims,
) {
    let mut kept = vec![];
    for (id, Shelf { trim, floor, blocks }) in shelves {
        let trim = trims.get(&id).copied().unwrap_or(trim);
        let blocks = blocks.filter(|block| block.end > trim);
        kept.extend(blocks.map(|b| (b.written, b.end, id, b.bytes, b.end <= floor)));
    }
    // As they were written: their times say less, for clocks stand still.
    kept.sort_unstable_by_key(|block| (block.0, block.1, block.2));
    let mut bytes: u64 = kept.iter().map(|block| u64::from(block.3)).sum();
    for (_, end, id, size, may_go) in kept {
        if bytes <= max {
            break;
        }
        // Nothing else goes for what may not go yet.
        bytes -= u64::from(size);
        if may_go {
            let trim = trims.entry(id).or_default();
            *trim = end.max(*trim);
        }
    }
}

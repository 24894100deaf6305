//! What is known of each partition: bounds, where its blocks are, what of it is damaged.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tidings_event::block::BlockHeader;
use tidings_event::{Offset, Timestamp, TopicPartition};

use super::trims::Shelved;
use crate::partition_log::Bounds;

/// Where one block is: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockRef {
    pub(crate) base: u64,
    pub(crate) ingested_at: Timestamp,
    pub(crate) count: u32,
    /// Header and body.
    pub(crate) bytes: u32,
    pub(crate) segment: u32,
    /// Page of its group in the segment.
    pub(crate) page: u32,
}

impl BlockRef {
    pub(crate) fn new(header: &BlockHeader, segment: u32, page: u32) -> Self {
        Self {
            base: header.base_offset.0,
            ingested_at: header.ingested_at,
            count: header.count,
            bytes: super::fields::short(header.encoded_bytes()) + header.body_bytes,
            segment,
            page,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.base + u64::from(self.count)
    }

    /// As retention sees it.
    pub(crate) fn shelved(&self) -> Shelved {
        let written = u64::from(self.segment) << 32 | u64::from(self.page);
        let (bytes, ingested_at) = (self.bytes, self.ingested_at);
        Shelved { written, end: self.end(), bytes, ingested_at }
    }
}

/// One partition.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    pub(crate) trim: u64,
    pub(crate) durable: u64,
    pub(crate) tail: u64,
    /// Durable blocks that are not trimmed, by offset.
    pub(crate) blocks: VecDeque<BlockRef>,
    /// Bytes of `blocks`.
    pub(crate) bytes: u64,
    /// First and last offset of what is lost.
    pub(crate) damaged: BTreeMap<u64, u64>,
    /// Base offset of the blocks that are in the ring, and their numbers there.
    pub(crate) ring: VecDeque<(u64, u64)>,
    pub(crate) pins: HashMap<String, u64>,
}

impl Partition {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            trim: Offset(self.trim),
            durable_tail: Offset(self.durable),
            tail: Offset(self.tail),
        }
    }

    /// Takes in a block that recovery found. What lies between it and the last one is lost. `false`
    /// when it is not kept.
    pub(crate) fn restore(&mut self, block: BlockRef, damaged: bool) -> bool {
        if block.end() <= self.trim || block.base < self.durable {
            return false;
        }
        self.lose_up_to(block.base);
        if damaged {
            self.lose_up_to(block.end());
            return false;
        }
        self.blocks.push_back(block);
        self.bytes += u64::from(block.bytes);
        (self.durable, self.tail) = (block.end(), block.end());
        true
    }

    /// Marks everything from the tail up to `end` as lost.
    pub(crate) fn lose_up_to(&mut self, end: u64) {
        if end > self.durable {
            self.damaged.insert(self.durable, end - 1);
            (self.durable, self.tail) = (end, end);
        }
    }

    /// The damaged range that holds an offset.
    pub(crate) fn damage_at(&self, offset: u64) -> Option<(u64, u64)> {
        let (from, to) = self.damaged.range(..=offset).next_back()?;
        (*to >= offset).then_some((*from, *to))
    }

    /// Index of the block that holds an offset, or of the first one after it.
    pub(crate) fn find(&self, offset: u64) -> usize {
        self.blocks.partition_point(|block| block.end() <= offset)
    }

    /// First offset that pins allow to be trimmed no more.
    pub(crate) fn floor(&self) -> u64 {
        self.pins.values().copied().min().unwrap_or(u64::MAX).min(self.durable)
    }
}

/// The partitions of a journal.
pub(crate) type Partitions = HashMap<TopicPartition, Partition>;

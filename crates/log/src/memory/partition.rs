//! One partition in memory: its durable blocks, its tails, its pins.

use std::collections::{BTreeMap, VecDeque};

use tidings_event::hop::Committed;
use tidings_event::{Offset, Timestamp, TopicPartition};

use crate::{Bounds, ReadError};

/// Durable blocks from the one that holds the trim point on.
#[derive(Clone, Debug)]
pub(super) struct Partition {
    pub(super) id: TopicPartition,
    pub(super) tail: Offset,
    pub(super) durable_tail: Offset,
    pub(super) trim: Offset,
    pub(super) blocks: VecDeque<Committed>,
    pub(super) pins: BTreeMap<String, Offset>,
}

impl Partition {
    pub(super) fn new(id: TopicPartition) -> Self {
        Self {
            id,
            tail: Offset(0),
            durable_tail: Offset(0),
            trim: Offset(0),
            blocks: VecDeque::new(),
            pins: BTreeMap::new(),
        }
    }

    pub(super) fn bounds(&self) -> Bounds {
        Bounds { trim: self.trim, durable_tail: self.durable_tail, tail: self.tail }
    }

    pub(super) fn read(&self, from: Offset, max_bytes: usize) -> Result<Vec<Committed>, ReadError> {
        if from < self.trim {
            return Err(ReadError::Trimmed { asked: from, trim: self.trim });
        }
        if from > self.durable_tail {
            return Err(ReadError::OutOfRange { asked: from, durable_tail: self.durable_tail });
        }
        let first = self.blocks.partition_point(|block| block.end_offset() <= from);
        let mut bytes = 0;
        let fits = |committed: &&Committed| {
            let is_first = bytes == 0;
            bytes += stored_bytes(committed);
            is_first || bytes <= max_bytes
        };
        Ok(self.blocks.range(first..).take_while(fits).cloned().collect())
    }

    pub(super) fn resolve_time(&self, at: Timestamp) -> Offset {
        let found = self.blocks.iter().find(|block| block.block.header.ingested_at >= at);
        found.map_or(self.durable_tail, |block| block.block.header.base_offset.max(self.trim))
    }

    /// Where the blocks that were ingested before a time end.
    pub(super) fn end_before(&self, time: Timestamp) -> Offset {
        let old = self.blocks.iter().take_while(|block| block.block.header.ingested_at < time);
        old.last().map_or(self.trim, Committed::end_offset)
    }

    /// Moves the trim point up to an offset, as far as pins allow; says how many events went.
    pub(super) fn trim_to(&mut self, to: Offset) -> u64 {
        let pinned = self.pins.values().copied().min().unwrap_or(to);
        let to = to.min(pinned).max(self.trim);
        let lost = to.0 - self.trim.0;
        self.trim = to;
        while self.blocks.front().is_some_and(|block| block.end_offset() <= to) {
            self.blocks.pop_front();
        }
        lost
    }

    /// Bytes of header and body of everything kept.
    pub(super) fn bytes(&self) -> u64 {
        self.blocks.iter().map(|block| stored_bytes(block) as u64).sum()
    }
}

/// Bytes of a block's header and body.
pub(super) fn stored_bytes(committed: &Committed) -> usize {
    committed.block.header.encoded_bytes() + committed.block.body.len()
}

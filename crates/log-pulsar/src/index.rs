//! What is known of each partition: bounds, where its blocks are, what of it is lost, who pins it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use tidings_event::block::BlockHeader;
use tidings_event::{Offset, Timestamp, TopicPartition};
use tidings_log::parts::Shelved;
use tidings_log::{Bounds, ReadError};

/// Where one block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockAt {
    pub(crate) base: u64,
    pub(crate) seq: u64,
    pub(crate) ingested_at: Timestamp,
    pub(crate) count: u32,
    /// Header and body.
    pub(crate) bytes: u32,
}

impl BlockAt {
    pub(crate) fn new(header: &BlockHeader, seq: u64) -> Self {
        let bytes = u32::try_from(header.encoded_bytes()).unwrap_or(u32::MAX);
        Self {
            base: header.base_offset.0,
            seq,
            ingested_at: header.ingested_at,
            count: header.count,
            bytes: bytes.saturating_add(header.body_bytes),
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.base + u64::from(self.count)
    }

    /// As retention sees it.
    pub(crate) fn shelved(&self) -> Shelved {
        let (written, bytes, ingested_at) = (self.seq, self.bytes, self.ingested_at);
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
    pub(crate) blocks: VecDeque<BlockAt>,
    /// First and last offset of what is lost.
    pub(crate) damaged: BTreeMap<u64, u64>,
    pub(crate) pins: HashMap<String, u64>,
}

/// The partitions of a journal.
pub(crate) type Partitions = HashMap<TopicPartition, Partition>;

impl Partition {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            trim: Offset(self.trim),
            durable_tail: Offset(self.durable),
            tail: Offset(self.tail),
        }
    }

    /// Takes in a block that was found in the topic. What lies between it and the last one is lost. `false` when it is
    /// not kept.
    pub(crate) fn restore(&mut self, block: BlockAt, damaged: bool) -> bool {
        if block.end() <= self.trim || block.base < self.durable {
            return false;
        }
        self.lose_up_to(block.base);
        if damaged {
            self.lose_up_to(block.end());
            return false;
        }
        self.push(block);
        self.tail = self.durable;
        true
    }

    /// Takes in a block that has become durable.
    pub(crate) fn push(&mut self, block: BlockAt) {
        self.durable = block.end();
        self.blocks.push_back(block);
    }

    /// Everything from the tail up to an offset is lost, or was trimmed.
    pub(crate) fn lose_up_to(&mut self, end: u64) {
        if end > self.durable {
            if end > self.trim {
                self.damaged.insert(self.durable.max(self.trim), end - 1);
            }
            (self.durable, self.tail) = (end, end);
        }
    }

    /// Whether an offset can be read.
    pub(crate) fn check(&self, id: TopicPartition, from: Offset) -> Result<(), ReadError> {
        let Bounds { trim, durable_tail, .. } = self.bounds();
        if from < trim {
            return Err(ReadError::Trimmed { asked: from, trim });
        }
        if from > durable_tail {
            return Err(ReadError::OutOfRange { asked: from, durable_tail });
        }
        match self.damage_at(from.0) {
            Some((from, to)) => Err(data_loss(id, from, to)),
            None => Ok(()),
        }
    }

    fn damage_at(&self, offset: u64) -> Option<(u64, u64)> {
        let (from, to) = self.damaged.range(..=offset).next_back()?;
        (*to >= offset).then_some((*from, *to))
    }

    /// Blocks from the one that holds an offset on, up to what is lost, up to so many bytes but at least one.
    pub(crate) fn wanted(&self, from: u64, max_bytes: usize) -> Vec<BlockAt> {
        let first = self.blocks.partition_point(|block| block.end() <= from);
        let (mut bytes, mut next) = (0usize, None);
        let fits = |block: &&BlockAt| {
            let (is_first, follows) = (bytes == 0, next.is_none_or(|next| next == block.base));
            bytes += block.bytes as usize;
            next = Some(block.end());
            is_first || follows && bytes <= max_bytes
        };
        self.blocks.range(first..).take_while(fits).copied().collect()
    }

    /// First offset that pins allow to be trimmed no more.
    pub(crate) fn floor(&self) -> u64 {
        self.pins.values().copied().min().unwrap_or(u64::MAX).min(self.durable)
    }
}

/// What a read says of lost offsets.
pub(crate) fn data_loss(partition: TopicPartition, from: u64, to: u64) -> ReadError {
    ReadError::DataLoss { partition, from: Offset(from), to: Offset(to) }
}

#[cfg(test)]
mod tests {
    use tidings_event::{Offset, Timestamp, TopicPartition};
    use tidings_log::ReadError;

    use super::{BlockAt, Partition, data_loss};

    const ID: TopicPartition = TopicPartition::new(1, 0);

    fn block(base: u64, seq: u64) -> BlockAt {
        BlockAt { base, seq, ingested_at: Timestamp(seq), count: 10, bytes: 100 }
    }

    #[test]
    fn what_is_missing_between_two_blocks_is_told() {
        let mut partition = Partition::default();
        assert!(partition.restore(block(0, 1), false));
        assert!(!partition.restore(block(0, 2), false), "again");
        assert!(partition.restore(block(20, 3), false));
        assert!(!partition.restore(block(30, 4), true));
        assert!(partition.restore(block(40, 5), false));
        assert_eq!((partition.durable, partition.tail), (50, 50));
        let checked = |from| partition.check(ID, Offset(from));
        assert_eq!(checked(9), Ok(()));
        assert_eq!(checked(10), Err(data_loss(ID, 10, 19)));
        assert_eq!(checked(35), Err(data_loss(ID, 30, 39)));
        assert_eq!(checked(40), Ok(()));
        let (asked, durable_tail) = (Offset(51), Offset(50));
        assert_eq!(checked(51), Err(ReadError::OutOfRange { asked, durable_tail }));
        let wanted = |from| partition.wanted(from, 1000).iter().map(|b| b.seq).collect::<Vec<_>>();
        assert_eq!(wanted(5), [1], "not past what is lost");
        assert_eq!(wanted(25), [3]);
    }

    #[test]
    fn a_read_takes_at_least_one_block() {
        let mut partition = Partition::default();
        for number in 0..5 {
            assert!(partition.restore(block(number * 10, number + 1), false));
        }
        for (max_bytes, want) in [(0, 1), (100, 1), (199, 1), (200, 2), (1000, 4)] {
            assert_eq!(partition.wanted(15, max_bytes).len(), want, "{max_bytes} bytes");
        }
    }
}

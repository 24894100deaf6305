//! Where partitions ended: what a group repeats of those before it, so that the loss of whole groups
//! still names what was lost.

use std::collections::{BTreeMap, HashMap};

use tidings_event::block::Block;
use tidings_event::{Offset, TopicPartition};

use super::group::Ends;

/// Every group repeats the partitions of at least so many before it.
const NEAR: u64 = 16;
/// Every so manieth group repeats all that is known, as the first of a segment does.
const WIDE: u64 = 1024;
/// Most partitions that any other repeats beside those of the group before it.
const NEAR_MAX: usize = 1024;
/// Most partitions that are known: those that were written longest ago are forgotten.
const ECHO_MAX: usize = 100_000;

/// Where the partitions of a journal ended, by when they were last written.
#[derive(Default)]
pub(crate) struct Echo {
    /// Sequence of the group that a partition was last written in.
    seqs: HashMap<TopicPartition, u64>,
    /// The same the other way round, with where it ended.
    ends: BTreeMap<(u64, TopicPartition), Offset>,
    /// Sequence that the last mark repeated.
    marked: u64,
}

impl Echo {
    /// Of a journal that ends with the group `seq`, and where partitions ended there.
    pub(crate) fn new((seq, ends): (u64, Ends)) -> Self {
        let mut echo = Self { marked: seq, ..Self::default() };
        for (partition, end) in ends {
            echo.note(seq, partition, end);
        }
        echo
    }

    /// Takes note of what the group `seq` holds.
    pub(crate) fn take_in(&mut self, seq: u64, blocks: &[Block]) {
        for block in blocks {
            self.note(seq, block.header.topic_partition, block.header.end_offset());
        }
    }

    fn note(&mut self, seq: u64, partition: TopicPartition, end: Offset) {
        if let Some(before) = self.seqs.insert(partition, seq) {
            self.ends.remove(&(before, partition));
        }
        self.ends.insert((seq, partition), end);
        while self.ends.len() > ECHO_MAX {
            let oldest = self.ends.pop_first();
            oldest.and_then(|((_, partition), _)| self.seqs.remove(&partition));
        }
    }

    /// What the group `seq` repeats: all that is known when it is the `first` of a segment, else the
    /// partitions of the [`NEAR`] groups before it, and of the more the more often two divides `seq`.
    /// Thus what any number of neighbouring groups held is known before twice as many have followed, or [`WIDE`]
    /// where they held more than [`NEAR_MAX`] partitions.
    pub(crate) fn before(&self, seq: u64, first: bool) -> Ends {
        if first || seq.is_multiple_of(WIDE) {
            return self.back_to(0).collect();
        }
        let reach = NEAR.max(2 << seq.trailing_zeros());
        let (far, last) = (seq.saturating_sub(reach), seq.saturating_sub(1));
        let of_the_last = self.back_to(last).count();
        self.back_to(far).take(of_the_last.max(NEAR_MAX)).collect()
    }

    /// What a mark behind the group `seq` repeats: all that was written since the mark before it.
    pub(crate) fn at_mark(&mut self, seq: u64) -> Ends {
        let far = seq.saturating_sub(NEAR).min(self.marked + 1);
        self.marked = seq;
        self.back_to(far).collect()
    }

    /// The partitions that were written in the group `seq` or later, the latest first.
    fn back_to(&self, seq: u64) -> impl Iterator<Item = (TopicPartition, Offset)> {
        let latest = self.ends.range((seq, TopicPartition::new(0, 0))..).rev();
        latest.map(|((_, partition), end)| (*partition, *end))
    }
}

#[cfg(test)]
mod tests;

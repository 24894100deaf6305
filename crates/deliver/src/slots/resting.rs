//! How far the partitions of one topic are that rest, in eight bytes each where nothing is unusual.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_catalog::Topic;
use tidings_event::{PartitionId, TopicPartition};

use crate::window::Level;

/// How far a partition is of which everything that is known to be durable is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    /// Nothing from there on is known to be durable.
    pub(crate) level: Level,
    /// Whether every block from there on is offered.
    pub(crate) is_offered: bool,
}

/// A place in one word: the offset, seven bits of attempts, whether it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(u64);

impl Packed {
    /// Nothing rests there.
    const NOTHING: Self = Self(u64::MAX);
    /// What rests there does not fit.
    const UNUSUAL: Self = Self(u64::MAX - 1);

    const ATTEMPTS_MAX: u32 = 127;
    const LOW_MAX: u64 = (1 << 56) - 2;

    fn of(rest: Rest) -> Self {
        let Level { low, attempts, attempts_before, flags } = rest.level;
        let is_large = low > Self::LOW_MAX || attempts > Self::ATTEMPTS_MAX;
        if is_large || attempts_before > 0 || flags.is_some() {
            return Self::UNUSUAL;
        }
        Self(low << 8 | u64::from(attempts) << 1 | u64::from(rest.is_offered))
    }

    fn rest(self) -> Rest {
        // Seven bits.
        let attempts = (self.0 >> 1) as u32 & Self::ATTEMPTS_MAX;
        let level = Level { low: self.0 >> 8, attempts, attempts_before: 0, flags: None };
        Rest { level, is_offered: self.0 & 1 == 1 }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Resting {
    pub(super) topic: Arc<Topic>,
    /// Whether a filter or a pattern selects among its events.
    pub(super) is_judged: bool,
    /// By partition number.
    packed: Box<[Packed]>,
    /// What does not fit there.
    unusual: BTreeMap<u32, Rest>,
}

impl Resting {
    /// None of the partitions of a topic.
    pub(super) fn new(topic: Arc<Topic>, is_judged: bool) -> Self {
        let packed = std::iter::repeat_n(Packed::NOTHING, topic.partitions as usize).collect();
        Self { topic, is_judged, packed, unusual: BTreeMap::new() }
    }

    /// Where a partition rests, if it does.
    pub(super) fn get(&self, at: PartitionId) -> Option<Rest> {
        match *self.packed.get(at.0 as usize)? {
            Packed::NOTHING => None,
            Packed::UNUSUAL => self.unusual.get(&at.0).copied(),
            packed => Some(packed.rest()),
        }
    }

    /// Lays a partition to rest; nothing happens where the topic has none of that number.
    pub(super) fn lay(&mut self, at: PartitionId, rest: Rest) {
        self.take(at);
        let Some(place) = self.packed.get_mut(at.0 as usize) else { return };
        *place = Packed::of(rest);
        if *place == Packed::UNUSUAL {
            self.unusual.insert(at.0, rest);
        }
    }

    /// Takes a partition out.
    pub(super) fn take(&mut self, at: PartitionId) -> Option<Rest> {
        let rest = self.get(at)?;
        if let Some(place) = self.packed.get_mut(at.0 as usize) {
            *place = Packed::NOTHING;
        }
        self.unusual.remove(&at.0);
        Some(rest)
    }

    /// Whether no partition rests.
    pub(super) fn is_empty(&self) -> bool {
        self.packed.iter().all(|packed| *packed == Packed::NOTHING)
    }

    /// What follows is offered of none of them.
    pub(super) fn forget_offers(&mut self) {
        let usual = self.packed.iter_mut();
        let usual = usual.filter(|p| !matches!(**p, Packed::NOTHING | Packed::UNUSUAL));
        usual.for_each(|packed| packed.0 &= !1);
        self.unusual.values_mut().for_each(|rest| rest.is_offered = false);
    }

    /// Those that rest, in order.
    pub(super) fn places(&self) -> impl Iterator<Item = (TopicPartition, Rest)> {
        let topic = self.topic.id;
        (0u32..).map(PartitionId).zip(&self.packed).filter_map(move |(partition, _)| {
            Some((TopicPartition { topic, partition }, self.get(partition)?))
        })
    }
}

#[cfg(test)]
mod tests;

//! The slots of partitions where something happens, in order.
//!
//! Most subscriptions have few of them, and a thousand subscriptions are looked through for each stretch of the log: what
//! counts is how many places in memory it takes to get at one. A sorted list takes one; an insertion moves some hundred
//! entries of 24 bytes at most.

use tidings_event::TopicPartition;

use crate::slot::Slot;

/// See the module. Each slot is on the heap: a list makes room for more than it has.
#[derive(Debug, Default)]
pub(super) struct Awake(Vec<(TopicPartition, Box<Slot>)>);

impl Awake {
    fn place(&self, at: &TopicPartition) -> Result<usize, usize> {
        self.0.binary_search_by_key(at, |(at, _)| *at)
    }

    pub(super) fn get(&self, at: &TopicPartition) -> Option<&Slot> {
        let place = self.place(at).ok()?;
        self.0.get(place).map(|(_, slot)| slot.as_ref())
    }

    pub(super) fn get_mut(&mut self, at: &TopicPartition) -> Option<&mut Slot> {
        let place = self.place(at).ok()?;
        self.0.get_mut(place).map(|(_, slot)| slot.as_mut())
    }

    /// Puts a slot in its place, instead of the one that is there.
    pub(super) fn insert(&mut self, at: TopicPartition, slot: Slot) -> &mut Slot {
        let slot = Box::new(slot);
        let place = match self.place(&at) {
            Ok(place) => {
                self.0[place].1 = slot;
                place
            }
            Err(place) => {
                // Most have one.
                let more = (self.0.len() / 2).max(1);
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(more);
                }
                self.0.insert(place, (at, slot));
                place
            }
        };
        &mut self.0[place].1
    }

    pub(super) fn remove(&mut self, at: &TopicPartition) -> Option<Slot> {
        let (_, slot) = self.0.remove(self.place(at).ok()?);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
        Some(*slot)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (TopicPartition, &Slot)> {
        self.0.iter().map(|(at, slot)| (*at, slot.as_ref()))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (TopicPartition, &mut Slot)> {
        self.0.iter_mut().map(|(at, slot)| (*at, slot.as_mut()))
    }
}

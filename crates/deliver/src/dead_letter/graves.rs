//! What is known of every letter in memory: its record, by subscription and place.

use std::collections::{BTreeMap, HashMap};
use std::ops::{Bound, Range};

use tidings_catalog::SubscriptionId;
use tidings_event::{Offset, Position, TopicPartition};

use super::letter::{DeadLetterCounts, LetterState, Selection};
use super::record::{Place, Record};

/// One subscription's letters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grave {
    letters: BTreeMap<Place, Record>,
    counts: DeadLetterCounts,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Graves(HashMap<SubscriptionId, Grave>);

impl Graves {
    pub(crate) fn insert(&mut self, id: SubscriptionId, place: Place, record: Record) {
        let grave = self.0.entry(id).or_default();
        grave.forget(place);
        grave.counts.letters += 1;
        grave.counts.bytes += u64::from(record.bytes);
        grave.counts.redriving += u64::from(record.state == LetterState::Redriving);
        grave.letters.insert(place, record);
    }

    pub(crate) fn remove(&mut self, id: SubscriptionId, place: Place) -> Option<Record> {
        let grave = self.0.get_mut(&id)?;
        let gone = grave.forget(place);
        if grave.letters.is_empty() {
            self.0.remove(&id);
        }
        gone
    }

    pub(crate) fn get(&self, id: SubscriptionId, place: Place) -> Option<Record> {
        self.0.get(&id)?.letters.get(&place).copied()
    }

    pub(crate) fn counts(&self, id: SubscriptionId) -> DeadLetterCounts {
        self.0.get(&id).map(|grave| grave.counts).unwrap_or_default()
    }

    pub(crate) fn subscriptions(&self) -> Vec<SubscriptionId> {
        self.0.keys().copied().collect()
    }

    /// Letters after a place, in order of topic, partition and offset.
    pub(crate) fn after(
        &self,
        id: SubscriptionId,
        after: Option<Place>,
    ) -> impl Iterator<Item = (Place, Record)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let letters = self.0.get(&id).map(|grave| &grave.letters);
        letters
            .into_iter()
            .flat_map(move |letters| letters.range((from, Bound::Unbounded)))
            .map(|(&place, &record)| (place, record))
    }

    /// The letters of a range of offsets.
    pub(crate) fn within(
        &self,
        id: SubscriptionId,
        partition: TopicPartition,
        offsets: Range<u64>,
    ) -> impl Iterator<Item = Place> {
        let place = |offset| Place { partition, offset };
        let letters = self.0.get(&id).filter(|_| !offsets.is_empty()).map(|grave| &grave.letters);
        let inside = letters.map(|letters| letters.range(place(offsets.start)..place(offsets.end)));
        inside.into_iter().flatten().map(|(&place, _)| place)
    }

    /// The letters that are selected; the positions among them that are none.
    pub(crate) fn select(
        &self,
        id: SubscriptionId,
        selection: &Selection,
    ) -> (Vec<(Place, Record)>, Vec<Position>) {
        match selection {
            Selection::All => (self.after(id, None).collect(), Vec::new()),
            Selection::Range { from, to } => (self.range(id, from, *to), Vec::new()),
            Selection::Positions(positions) => {
                let (mut found, mut missing) = (BTreeMap::new(), Vec::new());
                for &position in positions {
                    let place = Place::of(&position);
                    match self.get(id, place).filter(|r| r.epoch == position.epoch) {
                        Some(record) => found.extend([(place, record)]),
                        None => missing.push(position),
                    }
                }
                (found.into_iter().collect(), missing)
            }
        }
    }

    fn range(&self, id: SubscriptionId, from: &Position, to: Offset) -> Vec<(Place, Record)> {
        let first = Place::of(from);
        let last = Place { offset: to.0, ..first };
        let Some(grave) = self.0.get(&id).filter(|_| first <= last) else { return Vec::new() };
        let inside = grave.letters.range(first..=last);
        inside.filter(|(_, r)| r.epoch == from.epoch).map(|(&place, &r)| (place, r)).collect()
    }
}

impl Grave {
    fn forget(&mut self, place: Place) -> Option<Record> {
        let record = self.letters.remove(&place)?;
        self.counts.letters -= 1;
        self.counts.bytes -= u64::from(record.bytes);
        self.counts.redriving -= u64::from(record.state == LetterState::Redriving);
        Some(record)
    }
}

impl Place {
    pub(crate) const fn of(position: &Position) -> Self {
        Self { partition: position.topic_partition(), offset: position.offset.0 }
    }

    pub(crate) const fn position(&self, record: &Record) -> Position {
        Position {
            topic: self.partition.topic,
            epoch: record.epoch,
            partition: self.partition.partition,
            offset: Offset(self.offset),
        }
    }
}

#[cfg(test)]
mod tests;

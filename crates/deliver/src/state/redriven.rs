//! Dead letters that come back: each goes out again at its own place, behind what was sent before
//! and ahead of what of its key was not.

use std::time::Duration;

use tidings_catalog::Mode;
use tidings_event::TopicPartition;
use tidings_event::key::KeyHash;

use super::State;
use crate::dead_letter::Place;

/// A letter on its way to the subscription that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Returning {
    pub(crate) place: Place,
    pub(crate) key: KeyHash,
    /// How often it was sent before.
    pub(crate) sent: u32,
}

impl State {
    /// Takes letters that are to be delivered again and are neither on their way nor settled by
    /// now; says how many.
    pub(crate) fn redrive(
        &mut self,
        letters: &[Returning],
        is_wanted: impl Fn(Place) -> bool,
        now: Duration,
    ) -> usize {
        let is_ordered = self.subscription.spec.mode == Mode::Ordered;
        let mut taken = 0;
        for &Returning { place, key, sent } in letters {
            let unsaved = self.failures.as_ref().map(|failures| &failures.unsaved_letters);
            if unsaved.is_some_and(|unsaved| unsaved.contains(&place)) || !is_wanted(place) {
                continue;
            }
            let Some(slot) = self.slots.get_mut(&place.partition) else { continue };
            let key = is_ordered.then_some(key);
            if slot.redrive((place.offset, sent), key, now) {
                taken += 1;
                self.wake(place.partition);
            }
        }
        taken
    }

    /// How many letters are on their way again.
    pub(crate) fn redriven(&self) -> usize {
        self.slots.awake().map(|(_, slot)| slot.window.redriven()).sum()
    }

    /// Whether what lies at an offset comes as a letter.
    pub(crate) fn is_redriven(&self, partition: TopicPartition, offset: u64) -> bool {
        self.slots.get(&partition).is_some_and(|slot| slot.window.is_redriven(offset))
    }

    /// The letters of a range were settled: their records go with the next save.
    pub(super) fn letters_settled(&mut self, partition: TopicPartition, first: u64, end: u64) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        for offset in slot.window.end_redriven(first, end) {
            let place = Place { partition, offset };
            self.ticket.get_or_insert_default().letters.push(place);
            self.failures().unsaved_letters.insert(place);
        }
    }

    /// The records of settled letters are durably gone.
    pub(crate) fn letters_saved(&mut self, letters: &[Place]) {
        if let Some(failures) = &mut self.failures {
            letters.iter().for_each(|place| {
                failures.unsaved_letters.remove(place);
            });
        }
    }

    /// The bytes of a letter are gone: it will not come. Whoever keeps the letters settles it.
    pub(crate) fn letter_gone(&mut self, partition: TopicPartition, offset: u64) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        slot.forget_redriven(offset);
        self.wake(partition);
    }
}

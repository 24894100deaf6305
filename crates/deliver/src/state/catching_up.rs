//! Taking part in a read of the past for everybody who is behind.

use tidings_event::TopicPartition;

use super::State;
use crate::catch_up::{Asker, Stretch};
use crate::outgoing::GapReason;

/// While more than this waits for its consumer, it is not given more ahead of its turn; where memory was
/// short since it was last sent something, less.
const AHEAD_BYTES: usize = 32 << 10;
const AHEAD_BYTES_SHORT: usize = 8 << 10;

/// Most partitions of which it takes part at a time.
const PLACES_MAX: usize = 64;

/// What became of a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Whether there is more to be sent.
    pub(crate) has_more: bool,
    /// Where it goes on with the others, if it does.
    pub(crate) goes_on: Option<u64>,
}

impl State {
    /// Who asks for what comes from an offset on, where one filter decides on all of it.
    pub(crate) fn asks(&self, partition: TopicPartition, from: u64) -> Option<Asker> {
        let slot = self.slots.get(&partition).filter(|slot| !slot.window.is_lonely(from))?;
        let (id, revision) = slot.judge.as_ref()?.in_force(partition, from)?;
        (self.changes == 0).then_some(Asker { id, revision })
    }

    /// From where on it has to read to be sent anything, if it has to, and may with the others.
    pub(crate) fn unread(&mut self, partition: TopicPartition, asker: Asker) -> Option<u64> {
        let at = self.unfiltered(partition, |slot| slot.unread())?;
        self.asks(partition, at).filter(|now| *now == asker).map(|_| at)
    }

    /// The partitions that it has to read with the others, and from where on; some of them, where they
    /// are many.
    pub(crate) fn unread_places(&mut self, asker: Asker) -> Vec<(TopicPartition, u64)> {
        let judged = self.slots.awake().filter(|(_, slot)| slot.judge.is_some());
        let places: Vec<_> = judged.map(|(at, _)| at).take(PLACES_MAX).collect();
        let unread = |at| Some((at, self.unread(at, asker)?));
        places.into_iter().filter_map(unread).collect()
    }

    /// From where on it would take a share, if it would; and whether that is next to be sent.
    pub(crate) fn walks(&mut self, partition: TopicPartition, asker: Asker) -> Option<(u64, bool)> {
        // Until everything known was passed it cannot be told where it is.
        let (from, is_next) = self.unfiltered(partition, |slot| slot.hole())?;
        let ahead = if self.is_shed { AHEAD_BYTES_SHORT } else { AHEAD_BYTES };
        let has_room = is_next || self.queued_bytes < ahead;
        (has_room && self.asks(partition, from) == Some(asker)).then_some((from, is_next))
    }

    /// Takes its share of a stretch, where it needs it.
    pub(crate) fn caught_up(
        &mut self,
        partition: TopicPartition,
        asker: Asker,
        stretch: &Stretch,
    ) -> Walked {
        let gone = Walked { has_more: false, goes_on: None };
        let Some((from, is_next)) = self.walks(partition, asker) else { return gone };
        if !stretch.holds(from) {
            return Walked { goes_on: Some(from), ..gone };
        }
        let pieces = stretch.pieces(asker.id, from);
        let has_more = pieces.iter().any(|piece| !piece.takes_nothing());
        let found = pieces.first().map_or(from, |piece| piece.first);
        // What is lost is told where it is next.
        if found > from && !is_next {
            return gone;
        }
        if let Some(slot) = self.slots.get_mut(&partition) {
            let before = slot.fresh.bytes();
            slot.fresh.fill(pieces, from);
            self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
        }
        if found > from {
            self.skip(partition, (from, found, GapReason::DataLoss));
        }
        self.wake(partition);
        let goes_on = self.unfiltered(partition, |slot| slot.hole()).map(|(at, _)| at);
        Walked { has_more, goes_on }
    }

    /// What a slot says once it has passed what is filtered.
    fn unfiltered<T>(
        &mut self,
        partition: TopicPartition,
        says: impl FnOnce(&mut crate::slot::Slot) -> Option<T>,
    ) -> Option<T> {
        if self.changes > 0 {
            return None;
        }
        let slot = self.slots.get_mut(&partition)?;
        let said = says(slot);
        if slot.is_dirty {
            self.slots.moved(partition);
        }
        said
    }
}

//! Going on elsewhere: partitions are taken out, and taken in again at another place.

use tidings_event::TopicPartition;

use super::{Ended, State};
use crate::cursor::Cursor;
use crate::outgoing::GapReason;
use crate::settlement::Outcome;
use crate::slot::Slot;

impl State {
    /// Goes on at a cursor. What is in flight is forgotten: its acks are stale. What was sent before
    /// is flagged when it comes again; what is passed over ends there. Returns where it was.
    pub(crate) fn seek(&mut self, partition: TopicPartition, to: Cursor) -> Option<Cursor> {
        let slot = self.take_out(partition)?;
        let before = Cursor { low: slot.window.low(), settled: slot.window.settled().clone() };
        for (first, end) in slot.window.open_below(to.low) {
            let outcome = Outcome::Skipped(GapReason::Sought);
            self.ended(Ended::unsent(partition, (first, end), end - first, outcome));
        }
        if let Some(failures) = &mut self.failures {
            failures.exhausted.retain(|(other, _)| *other != partition);
        }
        self.slots.insert(partition, slot.topic, slot.window.after(to), slot.tail);
        self.dirty(partition);
        self.wake(partition);
        self.generation += 1;
        Some(before)
    }

    /// Where the earliest that a partition keeps begins, for who is to hear what it keeps no more: what
    /// retention took before it was settled is told as a gap on the way.
    pub(crate) fn earliest(&mut self, partition: TopicPartition, trim: u64) -> u64 {
        let low = self.slots.get_mut(&partition).map(|slot| slot.window.low());
        low.map_or(trim, |low| low.min(trim))
    }

    /// Whether what is read at an offset is not worth reading on from.
    pub(crate) fn is_lonely(&self, partition: TopicPartition, offset: u64) -> bool {
        self.slots.get(&partition).is_some_and(|slot| slot.window.is_lonely(offset))
    }

    /// Takes a partition out; nothing of it is in flight any more.
    pub(super) fn take_out(&mut self, partition: TopicPartition) -> Option<Slot> {
        let mut slot = self.slots.remove(partition)?;
        self.queued_bytes -= slot.fresh.bytes();
        let sessions: Vec<_> = self.members.iter().map(|m| m.consumer.session).collect();
        for session in sessions {
            let back = slot.window.give_back(0, u64::MAX, session);
            if let Some(group) = &mut self.group {
                slot.landed(&back, group);
            }
            self.landed(partition, &back);
        }
        self.forget_untold(partition);
        Some(slot)
    }
}

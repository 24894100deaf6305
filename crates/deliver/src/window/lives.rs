//! Offsets that are delivered once more from the start on, after a seek or as dead letters that were
//! redriven: their attempts go on, so that an ack of one life is not taken for one of another.

use super::Window;
use crate::cursor::Cursor;

impl Window {
    /// A window that goes on at another place: what may have been sent before is flagged.
    pub(crate) fn after(&self, cursor: Cursor) -> Self {
        let attempts = self.attempts;
        // Of what was never looked at, too, some was sent before a restart or another move.
        let before = if self.flags_left > 0 { self.flag_below } else { 0 };
        let moved = Self::new(cursor, self.next.max(before), u64::MAX);
        Self { attempts, attempts_before: attempts, ..moved }
    }

    /// The first attempt of the life that an offset has now.
    pub(crate) fn first_attempt(&self, offset: u64) -> u32 {
        let again = || if offset < self.flag_below { self.attempts_before + 1 } else { 1 };
        self.redriven.get(&offset).copied().unwrap_or_else(again)
    }

    /// Whether an offset is settled.
    pub(crate) fn is_settled(&self, offset: u64) -> bool {
        offset < self.low || self.settled.covers(offset, offset + 1)
    }

    /// Lets an offset that was sent so often go out again as a dead letter; one that is settled,
    /// once it is released. Says with which attempt.
    pub(crate) fn redrive(&mut self, offset: u64, sent: u32) -> u32 {
        let is_over = self.is_settled(offset);
        let first =
            if is_over { sent.max(self.attempts_before) + 1 } else { self.first_attempt(offset) };
        self.redriven.insert(offset, first);
        first
    }

    /// How many offsets go out again.
    pub(crate) fn redriven(&self) -> usize {
        self.redriven.len()
    }

    /// Whether an offset goes out again.
    pub(crate) fn is_redriven(&self, offset: u64) -> bool {
        self.redriven.contains_key(&offset)
    }

    /// Those of a range do not any more; which they were.
    pub(crate) fn end_redriven(&mut self, first: u64, end: u64) -> Vec<u64> {
        let range = self.redriven.range(first..end.max(first));
        let ended: Vec<u64> = range.map(|(&offset, _)| offset).collect();
        ended.iter().for_each(|offset| {
            self.redriven.remove(offset);
        });
        ended
    }
}

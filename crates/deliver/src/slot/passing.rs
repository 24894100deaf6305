//! Going past what the filter does not take, and what has to be read to know more.

use super::Slot;
use crate::feed::Known;
use crate::window::Sendable;

impl Slot {
    /// What may be sent, after everything that is known to be filtered.
    pub(super) fn pass(&mut self) -> Option<Sendable> {
        loop {
            let run = self.sendable()?;
            if run.again || self.judge.is_none() {
                return Some(run);
            }
            match self.fresh.known(run.first) {
                Known::Taken(end) => return Some(Sendable { end: run.end.min(end), ..run }),
                Known::Filtered(end) => self.filter(run.first, run.end.min(end)),
                Known::Offered => return None,
                Known::Nothing => return Some(run),
            }
        }
    }

    pub(super) fn filter(&mut self, first: u64, end: u64) {
        let low = self.window.low();
        self.window.filter(first, end);
        self.is_dirty |= self.window.low() != low;
    }

    /// Learns that every block below an offset was offered.
    pub(crate) fn offered_to(&mut self, offset: u64) {
        if self.judge.is_none() {
            return;
        }
        self.tail = self.tail.max(offset);
        if self.pass().is_some() {
            return;
        }
        // Everything known is passed: what is left was offered, and nobody took it.
        while let Some(run) = self.sendable().filter(|run| !run.again && run.first < offset) {
            if self.fresh.known(run.first) != Known::Offered {
                return;
            }
            self.filter(run.first, run.end.min(offset));
        }
    }

    /// From where on it has to be read before anything can be sent, if it has to.
    pub(crate) fn unread(&mut self) -> Option<u64> {
        self.hole().filter(|(_, is_next)| *is_next).map(|(at, _)| at)
    }

    /// From where on nothing is known, of what may be sent for the first time; and whether that is
    /// next.
    pub(crate) fn hole(&mut self) -> Option<(u64, bool)> {
        let run = self.pass().filter(|run| !run.again)?;
        let at = self.fresh.hole(run.first)?;
        (at < self.tail).then_some((at, at == run.first))
    }
}

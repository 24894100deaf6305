//! Consecutive events of one block, and which of them are taken.

use bytes::Bytes;
use tidings_event::block::{Flags, TraceNote, events};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, Timestamp};

use super::Known;
use crate::matching::Matched;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) epoch: Epoch,
    pub(crate) ingested_at: Timestamp,
    /// Nothing where none of it is taken.
    pub(crate) body: Bytes,
    /// Offset that the trace notes count from.
    pub(crate) base: u64,
    /// Trace notes of the block's sampled events; nothing where there are none.
    pub(crate) traced: Bytes,
    /// Whether one of its events may expire.
    pub(crate) expires: bool,
    /// Which of the block are taken.
    matched: Matched,
    /// What lies from here to its first event is filtered.
    pub(super) known_from: u64,
}

impl Piece {
    /// A whole block.
    pub(crate) fn of(block: &Committed, matched: Matched) -> Self {
        let header = &block.block.header;
        let is_blank = matched.as_ref().is_some_and(|runs| runs.is_empty());
        Self {
            first: header.base_offset.0,
            count: header.count,
            epoch: header.epoch,
            ingested_at: header.ingested_at,
            body: if is_blank { Bytes::new() } else { block.block.body.clone() },
            base: header.base_offset.0,
            traced: TraceNote::bytes_of(header),
            expires: header.flags.contains(Flags::EXPIRES),
            matched,
            known_from: header.base_offset.0,
        }
    }

    /// Offset after its last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// What is known of an event in it.
    pub(super) fn known(&self, at: u64) -> Known {
        let Some(runs) = &self.matched else { return Known::Taken(self.end()) };
        let next = runs.partition_point(|&(_, end)| end <= at);
        match runs.get(next) {
            Some(&(first, end)) if first <= at => Known::Taken(end.min(self.end())),
            Some(&(first, _)) => Known::Filtered(first.min(self.end())),
            None => Known::Filtered(self.end()),
        }
    }

    /// Whether events are taken that lie apart from those at `at`.
    pub(super) fn is_sparse(&self, at: u64) -> bool {
        let Some(runs) = &self.matched else { return false };
        let next = runs.partition_point(|&(_, end)| end <= at);
        runs.len() > next + 1
    }

    /// Forgets its first events.
    pub(crate) fn cut(&mut self, count: u64) {
        if self.body.is_empty() {
            let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.count);
            self.first += u64::from(count);
            self.count -= count;
        } else {
            self.split_to(count, u64::MAX);
        }
        self.known_from = self.known_from.max(self.first);
    }

    /// Cuts off and returns at most `count` events and, but for the first, `bytes` from the front.
    pub(crate) fn split_to(&mut self, count: u64, bytes: u64) -> Self {
        if count >= u64::from(self.count) && bytes >= self.body.len() as u64 {
            let rest = Self { first: self.end(), count: 0, body: Bytes::new(), ..self.clone() };
            return std::mem::replace(self, rest);
        }
        if self.body.is_empty() {
            let front = Self { count: u32::try_from(count).unwrap_or(u32::MAX), ..self.clone() };
            self.cut(count);
            return front;
        }
        let (mut taken, mut at) = (0u32, 0);
        let mut walk = events(&self.body);
        while u64::from(taken) < count.max(1) && walk.next().is_some() {
            if taken > 0 && walk.offset() as u64 > bytes {
                break;
            }
            taken += 1;
            at = walk.offset();
        }
        let front = Self { count: taken, body: self.body.slice(..at), ..self.clone() };
        self.body = self.body.slice(at..);
        self.first += u64::from(taken);
        self.count -= taken.min(self.count);
        front
    }
}

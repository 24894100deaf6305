//! The blocks one partition's next deliveries come from: pushed live, or read from the log.
//!
//! Pieces lie in offset order and never overlap; there may be holes where live blocks were dropped.
//! Whoever needs an offset in a hole reads the log from there, until the reads reach the next piece.

use std::collections::VecDeque;

use bytes::Bytes;
use tidings_event::block::{TraceNote, events};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, Timestamp};

/// Consecutive events of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) first: u64,
    pub(crate) count: u32,
    pub(crate) epoch: Epoch,
    pub(crate) ingested_at: Timestamp,
    pub(crate) body: Bytes,
    /// Offset that the trace notes count from.
    pub(crate) base: u64,
    /// Trace notes of the block's sampled events; nothing where there are none.
    pub(crate) traced: Bytes,
}

impl Piece {
    /// A whole block.
    pub(crate) fn of(block: &Committed) -> Self {
        let header = &block.block.header;
        Self {
            first: header.base_offset.0,
            count: header.count,
            epoch: header.epoch,
            ingested_at: header.ingested_at,
            body: block.block.body.clone(),
            base: header.base_offset.0,
            traced: TraceNote::bytes_of(header),
        }
    }

    /// Offset after its last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// What of it is at or after an offset.
    pub(crate) fn from(&self, offset: u64) -> Option<Self> {
        let mut rest = self.clone();
        if offset > rest.first {
            rest.split_to((offset - rest.first).min(u64::from(rest.count)), u64::MAX);
        }
        (rest.count > 0).then_some(rest)
    }

    /// Cuts off and returns at most `count` events and, but for the first, `bytes` from the front.
    fn split_to(&mut self, count: u64, bytes: u64) -> Self {
        if count >= u64::from(self.count) && bytes >= self.body.len() as u64 {
            let rest = Self { first: self.end(), count: 0, body: Bytes::new(), ..self.clone() };
            return std::mem::replace(self, rest);
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

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    pieces: VecDeque<Piece>,
    bytes: usize,
}

impl Feed {
    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a live block at the back, less what is there already; says whether it took any.
    pub(crate) fn push(&mut self, block: &Committed, next: u64) -> bool {
        let have = self.pieces.back().map_or(next, Piece::end).max(next);
        let mut piece = Piece::of(block);
        if piece.end() <= have {
            return false;
        }
        if piece.first < have {
            piece.split_to(have - piece.first, u64::MAX);
        }
        self.bytes += piece.body.len();
        self.pieces.push_back(piece);
        true
    }

    /// Takes blocks that were read from `from` on, in front of what is there.
    pub(crate) fn fill(&mut self, blocks: &[Committed], from: u64) {
        self.drop_below(from);
        let until = self.pieces.front().map_or(u64::MAX, |piece| piece.first);
        let mut front = VecDeque::new();
        for mut piece in blocks.iter().map(Piece::of) {
            if piece.first < from {
                piece.split_to((from - piece.first).min(u64::from(piece.count)), u64::MAX);
            }
            if piece.end() > until && piece.first < until {
                piece = piece.split_to(until - piece.first, u64::MAX);
            }
            if piece.count > 0 && piece.first < until {
                self.bytes += piece.body.len();
                front.push_back(piece);
            }
        }
        front.append(&mut self.pieces);
        self.pieces = front;
    }

    /// Whether the event at `at` is here.
    pub(crate) fn has(&mut self, at: u64) -> bool {
        self.drop_below(at);
        self.pieces.front().is_some_and(|piece| piece.first == at)
    }

    /// Takes events from `at` on: of one block, at most `count`, and `bytes` but for the first.
    pub(crate) fn take(&mut self, at: u64, count: u64, bytes: u64) -> Option<Piece> {
        if !self.has(at) {
            return None;
        }
        let piece = self.pieces.front_mut()?;
        let taken = piece.split_to(count, bytes);
        if piece.count == 0 {
            self.pieces.pop_front();
        }
        self.bytes -= taken.body.len();
        Some(taken)
    }

    /// Takes all of the block that the event at `at` is in, from there on.
    pub(crate) fn take_block(&mut self, at: u64) -> Option<Piece> {
        self.take(at, u64::MAX, u64::MAX)
    }

    /// Takes back what is left of a block that was just taken.
    pub(crate) fn put_back(&mut self, rest: Piece) {
        self.bytes += rest.body.len();
        self.pieces.push_front(rest);
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
    }

    fn drop_below(&mut self, at: u64) {
        while let Some(piece) = self.pieces.front_mut().filter(|piece| piece.first < at) {
            let skipped = if piece.end() <= at {
                let bytes = piece.body.len();
                self.pieces.pop_front();
                bytes
            } else {
                piece.split_to(at - piece.first, u64::MAX).body.len()
            };
            self.bytes -= skipped;
        }
    }
}

#[cfg(test)]
mod tests;

//! The blocks one partition's next deliveries come from: pushed live, or read from the log.
//!
//! Pieces lie in offset order and never overlap; there may be holes where live blocks were dropped.
//! Whoever needs an offset in a hole reads the log from there, until the reads reach the next piece.
//! A subscription with a filter is handed only blocks of which it takes something: what lies between
//! two of them, while every block was offered, is known to be filtered.

mod piece;

use std::collections::VecDeque;

use tidings_event::hop::Committed;

use crate::matching::Selected;

pub(crate) use piece::Piece;

/// When so much waits for its consumer, what is added does not keep whole blocks in memory.
const KEEPING_BYTES: usize = 8 << 10;

/// What is known of an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is to be sent, and so is what follows up to there.
    Taken(u64),
    /// It is filtered, and so is what follows up to there.
    Filtered(u64),
    /// When it is to be sent, it will be handed over.
    Offered,
    /// The log has to be read.
    Nothing,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    pieces: VecDeque<Piece>,
    bytes: usize,
    /// From where on every block is offered, beyond the pieces.
    offered: Option<u64>,
}

impl Feed {
    /// Bytes held, with what the pieces themselves take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether every block from somewhere on is offered.
    pub(crate) fn is_offered(&self) -> bool {
        self.offered.is_some()
    }

    /// From now on every block at or above an offset is offered; what was handed over before by
    /// other rules is forgotten.
    pub(crate) fn offer_from(&mut self, offset: u64) {
        self.clear();
        self.offered = Some(offset);
    }

    /// Takes a live block at the back, less what is there already; says whether it took any.
    pub(crate) fn push(&mut self, block: &Committed, next: u64, selected: &Selected) -> bool {
        let mut piece = Piece::of(block, selected);
        if let Some(from) = self.offered {
            if piece.first < from {
                return false;
            }
            piece.known_from = from;
            self.offered = Some(piece.end());
        }
        let have = self.pieces.back().map_or(next, Piece::end).max(next);
        if piece.end() <= have {
            return false;
        }
        if piece.first < have {
            piece.cut(have - piece.first);
        }
        if self.bytes >= KEEPING_BYTES {
            piece.compact();
        }
        self.bytes += piece.weight();
        self.pieces.push_back(piece);
        true
    }

    /// Takes note that a live block could not be taken.
    pub(crate) fn dropped(&mut self, block: &Committed) {
        if let Some(from) = &mut self.offered {
            *from = (*from).max(block.end_offset().0);
        }
    }

    /// From where on nothing is known, at or above an offset; nowhere where every block is here or
    /// offered.
    pub(crate) fn hole(&self, at: u64) -> Option<u64> {
        let mut at = at;
        for piece in &self.pieces {
            if piece.known_from > at {
                return Some(at);
            }
            at = at.max(piece.end());
        }
        self.offered.is_none_or(|from| from > at).then_some(at)
    }

    /// Takes blocks that were read from `from` on, between what is there below and above.
    pub(crate) fn fill(&mut self, pieces: Vec<Piece>, from: u64) {
        let below = self.pieces.partition_point(|piece| piece.end() <= from);
        let mut above = self.pieces.split_off(below);
        let until = above.front().map_or(u64::MAX, |piece| piece.known_from);
        let mut known_from = from;
        for mut piece in pieces {
            if piece.first < from {
                piece.cut((from - piece.first).min(u64::from(piece.count)));
            }
            if piece.end() > until && piece.first < until {
                piece = piece.split_before(until);
            }
            if piece.count > 0 && piece.first < until {
                piece.compact();
                // Between two blocks of the log there is nothing, or what is lost.
                piece.known_from = if piece.first == known_from { known_from } else { piece.first };
                known_from = piece.end();
                self.add(piece);
            }
        }
        self.pieces.append(&mut above);
    }

    /// Adds a piece at the back. Where nothing is taken of the one before, it is only known to be
    /// filtered.
    fn add(&mut self, mut piece: Piece) {
        let before = self.pieces.back().filter(|last| last.takes_nothing());
        if let Some(last) = before.filter(|last| last.end() == piece.known_from) {
            piece.known_from = last.known_from;
            self.bytes -= last.weight();
            self.pieces.pop_back();
        }
        self.bytes += piece.weight();
        self.pieces.push_back(piece);
    }

    /// What is known of the event at `at`, of which nothing below is wanted any more.
    pub(crate) fn known(&mut self, at: u64) -> Known {
        self.drop_below(at);
        match self.pieces.front() {
            Some(piece) if piece.first == at => piece.known(at),
            Some(piece) if piece.known_from <= at => Known::Filtered(piece.first),
            None if self.offered.is_some_and(|from| from <= at) => Known::Offered,
            _ => Known::Nothing,
        }
    }

    /// Whether events of the block at `at` may expire.
    pub(crate) fn expires(&mut self, at: u64) -> bool {
        self.drop_below(at);
        self.pieces.front().is_some_and(|piece| piece.expires)
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
        if piece.is_within(count, bytes) {
            return self.pop();
        }
        let taken = piece.split_to(count, bytes);
        let is_empty = piece.count == 0;
        self.bytes -= taken.body.len();
        if is_empty {
            self.pop();
        }
        Some(taken)
    }

    /// Takes the block at `at` when it is here, has at most so many events and bytes that are taken,
    /// none of them may expire, and none is traced.
    pub(crate) fn take_plain(&mut self, at: u64, (events, bytes): (u64, u64)) -> Option<Piece> {
        self.drop_below(at);
        let is_plain = |piece: &&mut Piece| {
            let is_plain = !piece.expires && piece.traced.is_empty();
            piece.first == at && is_plain && piece.is_within(events, bytes)
        };
        self.pieces.front_mut().filter(is_plain)?;
        self.pop()
    }

    /// Bytes of the event at `at`, when it is here.
    pub(crate) fn first_bytes(&mut self, at: u64) -> Option<u64> {
        self.drop_below(at);
        self.pieces.front().filter(|piece| piece.first == at)?.first_bytes()
    }

    /// The block that the event at `at` is in, from there on. It stays.
    pub(crate) fn block(&mut self, at: u64) -> Option<Piece> {
        if self.has(at) { self.pieces.front().cloned() } else { None }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        self.bytes = 0;
        self.offered = None;
    }

    /// Lets go of every block: each is read from the log when its turn comes. What is offered from here
    /// on is known as before.
    pub(crate) fn shed(&mut self) -> usize {
        self.pieces = VecDeque::new();
        std::mem::take(&mut self.bytes)
    }

    /// Keeps no more of blocks than what is taken of them, where that is a small part.
    pub(crate) fn compact(&mut self) {
        self.pieces.iter_mut().for_each(Piece::compact);
    }

    /// Whether a live block is no business of what comes next: before that the log has to be read.
    pub(crate) fn is_behind(&self, block: &Committed, next: u64) -> bool {
        match (self.pieces.front(), self.offered) {
            (Some(piece), _) => piece.known_from > next,
            (None, Some(from)) => from > next,
            (None, None) => block.block.header.base_offset.0 > next,
        }
    }

    /// Forgets what is below an offset.
    pub(crate) fn drop_below(&mut self, at: u64) {
        while let Some(piece) = self.pieces.front_mut().filter(|piece| piece.first < at) {
            if piece.end() <= at {
                self.pop();
            } else {
                let bytes = piece.body.len();
                piece.cut(at - piece.first);
                self.bytes -= bytes - piece.body.len();
            }
        }
    }

    fn pop(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.bytes -= piece.weight();
        Some(piece)
    }
}

#[cfg(test)]
mod tests;

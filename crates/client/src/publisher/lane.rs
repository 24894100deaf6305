//! One lane: the blocks of one topic and partition, in order, with their sequences.
//!
//! A sequence is given when a block is taken to be sent. After a refusal or a lost connection the
//! lane rewinds: what is unanswered goes back to the front and is numbered anew from the first
//! sequence that was not stored, so that repeats carry the numbers they had, and blocks after a
//! refused one close its gap. The service stored none of those: it refuses everything after a gap.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use tidings_event::block::BodyBuilder;
use tokio::sync::oneshot;

use super::outcome::{BlockReceipt, Receipt, Settled, ticket};

/// Topic and partition of a lane, with the partition count it was computed with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) topic: Arc<str>,
    pub(super) partition: u32,
    pub(super) partitions: u32,
}

/// A finished body on its way.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) body: Bytes,
    pub(super) count: u32,
    pub(super) first_sequence: u64,
    pub(super) request_id: u64,
    /// Bytes of the buffer that its events took.
    pub(super) reserved: usize,
    /// A body of the caller's: its events stay together.
    pub(super) whole: bool,
    pub(super) outcome: oneshot::Sender<Settled>,
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) place: Option<Place>,
    /// Whether it waits in the queue of lanes with something to send.
    pub(super) queued: bool,
    /// Nothing is sent: what it holds is to be grouped anew.
    pub(super) stale: bool,
    open: BodyBuilder,
    open_reserved: usize,
    open_ticket: Option<(oneshot::Sender<Settled>, BlockReceipt)>,
    /// In order, oldest first, not numbered yet.
    waiting: VecDeque<Sealed>,
    /// Unanswered, in the order sent.
    sent: VecDeque<Sealed>,
    /// Answered "not stored" while others were unanswered: they go before `sent` and `waiting`.
    returned: Vec<Sealed>,
    next_sequence: u64,
    /// Nothing more is sent until all is answered; then numbering goes on here.
    rewind_to: Option<u64>,
}

impl Lane {
    pub(super) fn new(place: Option<Place>, next_sequence: u64) -> Self {
        Self { place, next_sequence, ..Self::default() }
    }

    /// Adds an event to the open block, sealing it first when it would pass `block_bytes`.
    pub(super) fn push(&mut self, event: &[u8], block_bytes: usize, reserved: usize) -> Receipt {
        if !self.open.is_empty() && self.open.len() + event.len() > block_bytes {
            self.seal();
        }
        if !self.open.push(event) {
            self.seal();
            // An empty body takes any event within the event limit, which the caller checked.
            let _fits = self.open.push(event);
        }
        self.open_reserved += reserved;
        let (_, receipt) = self.open_ticket.get_or_insert_with(ticket);
        Receipt::new(receipt, self.open.count() - 1)
    }

    /// Adds a whole body.
    pub(super) fn push_body(&mut self, body: Bytes, count: u32, reserved: usize) -> BlockReceipt {
        self.seal();
        let (outcome, receipt) = ticket();
        self.waiting.push_back(Sealed {
            body,
            count,
            first_sequence: 0,
            request_id: 0,
            reserved,
            whole: true,
            outcome,
        });
        receipt
    }

    fn seal(&mut self) {
        let Some((outcome, _)) = self.open_ticket.take() else { return };
        let reserved = std::mem::take(&mut self.open_reserved);
        let (body, count) = self.open.take();
        self.waiting.push_back(Sealed {
            body,
            count,
            first_sequence: 0,
            request_id: 0,
            reserved,
            whole: false,
            outcome,
        });
    }

    /// Whether a block may go now. A block that is not full waits for the answer to the one before
    /// it and fills up meanwhile.
    pub(super) fn is_sendable(&self) -> bool {
        !self.stale
            && self.rewind_to.is_none()
            && (!self.waiting.is_empty() || (self.sent.is_empty() && !self.open.is_empty()))
    }

    /// Bytes of the next block.
    pub(super) fn next_bytes(&self) -> usize {
        self.waiting.front().map_or(self.open.len(), |block| block.body.len())
    }

    /// Takes the next block: numbered, and from now on unanswered.
    pub(super) fn take(&mut self, request_id: u64) -> Option<&Sealed> {
        if !self.is_sendable() {
            return None;
        }
        if self.waiting.is_empty() {
            self.seal();
        }
        let mut block = self.waiting.pop_front()?;
        block.request_id = request_id;
        block.first_sequence = self.next_sequence;
        self.next_sequence += u64::from(block.count);
        self.sent.push_back(block);
        self.sent.back()
    }

    /// The block of an answer leaves the lane.
    pub(super) fn answered(&mut self, request_id: u64) -> Option<Sealed> {
        let at = self.sent.iter().position(|block| block.request_id == request_id)?;
        self.sent.remove(at)
    }

    /// The block was refused for good: the ones after it take its sequences.
    pub(super) fn skip(&mut self, first_sequence: u64) {
        let from = self.rewind_to.map_or(first_sequence, |to| to.min(first_sequence));
        self.rewind_to = Some(from);
    }

    /// The block was not stored and goes again.
    pub(super) fn give_back(&mut self, block: Sealed) {
        self.skip(block.first_sequence);
        self.returned.push(block);
    }

    /// Whether a refused block before this one explains a gap.
    pub(super) fn is_rewinding(&self) -> bool {
        self.rewind_to.is_some()
    }

    /// When everything is answered, puts what was given back to the front.
    pub(super) fn settle(&mut self) {
        if self.sent.is_empty() {
            self.rewind();
        }
    }

    /// The connection is gone: everything unanswered goes again, with the sequences it had.
    pub(super) fn lost(&mut self) {
        if let Some(first) = self.sent.front().map(|block| block.first_sequence) {
            self.skip(first);
        }
        self.returned.extend(self.sent.drain(..));
        self.rewind();
    }

    fn rewind(&mut self) {
        let Some(to) = self.rewind_to.take() else { return };
        self.next_sequence = to;
        self.returned.sort_unstable_by_key(|block| block.first_sequence);
        for block in self.returned.drain(..).rev() {
            self.waiting.push_front(block);
        }
    }

    /// Whether every block that was sent has been answered.
    pub(super) fn is_answered(&self) -> bool {
        self.sent.is_empty()
    }

    /// Everything the lane holds, in order.
    pub(super) fn drain(&mut self) -> Vec<Sealed> {
        self.lost();
        self.seal();
        self.waiting.drain(..).collect()
    }
}

#[cfg(test)]
mod tests;

//! Events on their way out: picked from one block, in offset order.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidings_catalog::Topic;
use tidings_event::block::events;
use tidings_event::{Offset, PartitionId, Timestamp};

use crate::feed::Piece;
use crate::outgoing::{Delivery, Digest};
use crate::slot::Budget;
use crate::window::Sendable;

/// See the module.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) delivery: Delivery,
    /// Per dead letter that this tells of: the event of its key, and the letter's offset.
    pub(crate) skipped: Vec<(u64, u64)>,
    /// Offset that the trace notes count from.
    pub(crate) base: u64,
    /// Trace notes of the block's sampled events; nothing where there are none.
    pub(crate) traced: Bytes,
}

impl Sent {
    /// All of a piece.
    pub(crate) fn whole(
        topic: &Arc<Topic>,
        partition: PartitionId,
        run: Sendable,
        piece: &Piece,
    ) -> Self {
        let mut sent = Self::empty(topic, partition, piece);
        for (first, end, _) in piece.runs() {
            // A block has fewer events than 2^32.
            sent.add(
                Sendable { first, end, ..run },
                u32::try_from(end - first).unwrap_or(u32::MAX),
            );
        }
        sent.delivery.body = piece.body.clone();
        sent.delivery.checksum = piece.checksum;
        sent
    }

    /// Adds what follows in the partition, all but its body.
    pub(crate) fn join(&mut self, more: Self) {
        let (sent, more_of) = (&mut self.delivery, more.delivery);
        let first = more_of.offsets.first().map_or(Offset(0), |&(first, _)| first);
        sent.follow(first, more_of.ingested_at);
        for (first, count) in more_of.offsets {
            extend(&mut sent.offsets, first.0, count);
        }
        for (first, count) in more_of.redelivered {
            extend(&mut sent.redelivered, first.0, count);
        }
        sent.attempts.extend(more_of.attempts);
        sent.skipped_to_dead_letter.extend(more_of.skipped_to_dead_letter);
        sent.count += more_of.count;
        sent.checksum = None;
        sent.digests.extend(more_of.digests);
        self.skipped.extend(more.skipped);
    }

    /// Adds all of a piece that follows and is sent for the first time, but for its body.
    pub(crate) fn join_first(&mut self, piece: &Piece) {
        self.delivery.follow(Offset(piece.first), piece.ingested_at);
        self.delivery.checksum = None;
        for (first, end, _) in piece.runs() {
            // A block has fewer events than 2^32.
            let count = u32::try_from(end - first).unwrap_or(u32::MAX);
            extend(&mut self.delivery.offsets, first, count);
            self.delivery.count += count;
        }
    }

    fn empty(topic: &Arc<Topic>, partition: PartitionId, piece: &Piece) -> Self {
        let delivery = Delivery {
            topic: Arc::clone(topic),
            partition,
            epoch: piece.epoch,
            offsets: Vec::with_capacity(1),
            attempts: Vec::new(),
            redelivered: Vec::new(),
            redriven: Vec::new(),
            skipped_to_dead_letter: Vec::new(),
            digests: Vec::new(),
            ingested_at: piece.ingested_at,
            later: Vec::new(),
            body: Bytes::new(),
            checksum: None,
            count: 0,
        };
        Self { delivery, skipped: Vec::new(), base: piece.base, traced: piece.traced.clone() }
    }

    /// Flags what comes as a redriven dead letter.
    pub(crate) fn flag_redriven(&mut self, is_redriven: impl Fn(u64) -> bool) {
        for &(first, count) in &self.delivery.offsets {
            for offset in (first.0..first.0 + u64::from(count)).filter(|&at| is_redriven(at)) {
                extend(&mut self.delivery.redriven, offset, 1);
            }
        }
    }

    fn add(&mut self, run: Sendable, count: u32) {
        let delivery = &mut self.delivery;
        extend(&mut delivery.offsets, run.first, count);
        if run.redelivered {
            extend(&mut delivery.redelivered, run.first, count);
        }
        if run.attempt > 1 {
            match delivery.attempts.last_mut() {
                Some((first, so_far, attempt))
                    if *attempt == run.attempt && first.0 + u64::from(*so_far) == run.first =>
                {
                    *so_far += count;
                }
                _ => delivery.attempts.push((Offset(run.first), count, run.attempt)),
            }
        }
        delivery.count += count;
    }
}

impl Delivery {
    /// Takes note that events from an offset on are of a block that was taken in then.
    fn follow(&mut self, first: Offset, ingested_at: Timestamp) {
        if ingested_at != self.ingested_at(first.0) {
            self.later.push((first, ingested_at));
        }
    }
}

fn extend(runs: &mut Vec<(Offset, u32)>, at: u64, count: u32) {
    match runs.last_mut() {
        Some((first, so_far)) if first.0 + u64::from(*so_far) == at => *so_far += count,
        _ => runs.push((Offset(at), count)),
    }
}

/// Picks single events out of a piece, front to back.
pub(crate) struct Picker {
    piece: Piece,
    sent: Sent,
    /// What was picked of the body, joined where it lies together.
    spans: Vec<Range<usize>>,
    bytes: usize,
    /// The offset and the byte where the walk is.
    at: u64,
    byte: usize,
}

impl Picker {
    pub(crate) fn new(topic: &Arc<Topic>, partition: PartitionId, piece: Piece) -> Self {
        let sent = Sent::empty(topic, partition, &piece);
        let at = piece.first;
        Self { piece, sent, spans: Vec::new(), bytes: 0, at, byte: 0 }
    }

    /// Offset after the last event.
    pub(crate) fn end(&self) -> u64 {
        self.piece.end()
    }

    /// The event at an offset at or after the last one that was asked for, and where its frame is.
    pub(crate) fn seek(&mut self, offset: u64) -> Option<(Bytes, Range<usize>)> {
        let rest = self.piece.body.get(self.byte..)?;
        let mut walk = events(rest);
        for _ in 0..self.piece.count_between(self.at, offset) {
            walk.next()?.ok()?;
        }
        self.at = self.at.max(offset);
        let start = self.byte + walk.offset();
        let event = walk.next()?.ok()?;
        let frame = start..self.byte + walk.offset();
        let event = self.piece.body.slice_ref(event);
        self.byte = start;
        Some((event, frame))
    }

    /// Events picked so far.
    fn count(&self) -> u64 {
        u64::from(self.sent.delivery.count)
    }

    /// Whether another event of so many bytes is too much.
    pub(crate) fn is_full(&self, more: usize, budget: Budget) -> bool {
        let is_over = (self.bytes + more) as u64 > budget.bytes;
        self.count() >= budget.events || (self.count() > 0 && is_over)
    }

    /// Says that the event that comes next tells of others.
    pub(crate) fn tell(&mut self, offset: u64, digest: Option<Arc<Digest>>) {
        self.sent.delivery.digests.extend(digest.map(|digest| (Offset(offset), digest)));
    }

    /// Takes one event; of its key, these dead letters are told.
    pub(crate) fn pick(&mut self, run: Sendable, frame: Range<usize>, letters: &[u64]) {
        self.bytes += frame.len();
        self.sent.add(run, 1);
        self.sent.skipped.extend(letters.iter().map(|&letter| (run.first, letter)));
        match self.spans.last_mut() {
            Some(last) if last.end == frame.start => last.end = frame.end,
            _ => self.spans.push(frame),
        }
    }

    /// What was picked.
    pub(crate) fn finish(mut self) -> Option<Sent> {
        if self.sent.delivery.count == 0 {
            return None;
        }
        self.sent.delivery.body = match self.spans.as_slice() {
            [one] => self.piece.body.slice(one.clone()),
            many => {
                let mut body = BytesMut::with_capacity(self.bytes);
                many.iter().for_each(|span| body.extend_from_slice(&self.piece.body[span.clone()]));
                body.freeze()
            }
        };
        let letters = self.sent.skipped.iter().map(|&(_, letter)| Offset(letter));
        self.sent.delivery.skipped_to_dead_letter = letters.collect();
        Some(self.sent)
    }
}

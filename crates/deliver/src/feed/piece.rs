//! Consecutive offsets of one block, and those events of them that are taken.

use bytes::Bytes;
use tidings_event::block::{Events, Flags, TraceNote, events};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, Timestamp};

use super::Known;
use crate::matching::{Runs, Selected};

/// Of a block, less than this part is copied out.
const SMALL_PART: usize = 4;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) first: u64,
    /// How many offsets.
    pub(crate) count: u32,
    pub(crate) epoch: Epoch,
    pub(crate) ingested_at: Timestamp,
    /// The events that are taken, and no others.
    pub(crate) body: Bytes,
    /// Offset that the trace notes count from.
    pub(crate) base: u64,
    /// Trace notes of the block's sampled events; nothing where there are none.
    pub(crate) traced: Bytes,
    /// Whether one of its events may expire.
    pub(crate) expires: bool,
    /// CRC-32C of the body, while that is the block's.
    pub(crate) checksum: Option<u32>,
    /// Which of the block are taken.
    taken: Runs,
    /// Bytes of the block that `body` keeps in memory.
    kept: usize,
    /// What lies from here to its first event is filtered.
    pub(super) known_from: u64,
}

impl Piece {
    /// A whole block.
    pub(crate) fn of(block: &Committed, selected: &Selected) -> Self {
        let header = &block.block.header;
        Self {
            first: header.base_offset.0,
            count: header.count,
            epoch: header.epoch,
            ingested_at: header.ingested_at,
            body: selected.body.clone(),
            base: header.base_offset.0,
            traced: TraceNote::bytes_of(header),
            expires: header.flags.contains(Flags::EXPIRES),
            checksum: selected.runs.some().is_none().then_some(header.body_crc),
            taken: selected.runs.clone(),
            kept: if is_copy(selected) { selected.body.len() } else { block.block.body.len() },
            known_from: header.base_offset.0,
        }
    }

    /// Offsets `first..end` of which none is taken.
    pub(crate) fn nothing(first: u64, end: u64) -> Self {
        Self {
            first,
            count: u32::try_from(end - first).unwrap_or(u32::MAX),
            epoch: Epoch::default(),
            ingested_at: Timestamp::default(),
            body: Bytes::new(),
            base: first,
            traced: Bytes::new(),
            expires: false,
            checksum: None,
            taken: Runs::None,
            kept: 0,
            known_from: first,
        }
    }

    /// Bytes that it takes itself, and those of its events.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + self.body.len()
    }

    /// Offset after its last one.
    pub(crate) fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// What is known of an event in it.
    pub(super) fn known(&self, at: u64) -> Known {
        match self.taken_from(at).next() {
            Some((first, end)) if first <= at => Known::Taken(end),
            Some((first, _)) => Known::Filtered(first),
            None => Known::Filtered(self.end()),
        }
    }

    /// Whether the event at an offset is in it.
    pub(crate) fn holds(&self, at: u64) -> bool {
        (self.first..self.end()).contains(&at) && matches!(self.known(at), Known::Taken(_))
    }

    /// The parts of its runs from an offset on.
    fn taken_from(&self, at: u64) -> impl Iterator<Item = (u64, u64)> {
        let (from, to) = (at.max(self.first), self.end());
        let whole = self.taken.some().is_none().then_some((from, to));
        let runs = self.taken.some().unwrap_or_default();
        let next = runs.partition_point(|&(_, end)| end <= from);
        let runs = runs.get(next..).unwrap_or_default().iter().copied();
        let clip = move |(first, end): (u64, u64)| (first.max(from), end.min(to));
        whole.into_iter().chain(runs).map(clip).take_while(|(first, end)| first < end)
    }

    /// How many events it has from an offset to another.
    pub(crate) fn count_between(&self, from: u64, to: u64) -> u64 {
        let runs = self.taken_from(from).take_while(|&(first, _)| first < to);
        runs.map(|(first, end)| end.min(to) - first).sum()
    }

    /// Its events as runs `first..end`, and how many bytes each has.
    pub(crate) fn runs(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let mut walk = events(&self.body);
        let (bytes, end_of_all) = (self.body.len() as u64, self.end());
        self.taken_from(self.first).scan(0, move |so_far, (first, end)| {
            // The last one has the rest: most have one.
            let upto = if end == end_of_all { bytes } else { skip(&mut walk, end - first) as u64 };
            let run = (first, end, upto - *so_far);
            *so_far = upto;
            Some(run)
        })
    }

    /// Bytes of its first event.
    pub(super) fn first_bytes(&self) -> Option<u64> {
        let mut walk = events(&self.body);
        walk.next()?.ok()?;
        Some(walk.offset() as u64)
    }

    /// Copies its events out where they are a small part of their block, which then need not stay.
    pub(super) fn compact(&mut self) {
        if self.body.len() * SMALL_PART < self.kept {
            self.body = Bytes::copy_from_slice(&self.body);
            self.kept = self.body.len();
        }
    }

    /// Whether none of its offsets is taken.
    pub(crate) fn takes_nothing(&self) -> bool {
        self.taken == Runs::None
    }

    /// Forgets its first offsets.
    pub(crate) fn cut(&mut self, count: u64) {
        let offset = self.first + count.min(u64::from(self.count));
        let bytes = self.bytes_below(offset);
        self.begin_at(offset, bytes);
        self.known_from = self.known_from.max(self.first);
    }

    /// Cuts off and returns what is below an offset in it.
    pub(crate) fn split_before(&mut self, offset: u64) -> Self {
        self.split(offset, self.bytes_below(offset))
    }

    /// How many bytes of its events are below an offset in it.
    fn bytes_below(&self, offset: u64) -> usize {
        match self.count_between(self.first, offset) {
            0 => 0,
            _ if offset == self.end() => self.body.len(),
            count => skip(&mut events(&self.body), count),
        }
    }

    /// Whether it has at most `count` events and `bytes`.
    pub(super) fn is_within(&self, count: u64, bytes: u64) -> bool {
        let is_few = count >= u64::from(self.count);
        bytes >= self.body.len() as u64
            && (is_few || count >= self.count_between(self.first, self.end()))
    }

    /// Cuts off and returns at most `count` events and, but for the first, `bytes` from the front,
    /// with what is filtered before and between them.
    pub(super) fn split_to(&mut self, count: u64, bytes: u64) -> Self {
        let (mut found, mut at) = (0, 0);
        let mut walk = events(&self.body);
        while found < count.max(1) && walk.next().is_some() {
            if found > 0 && walk.offset() as u64 > bytes {
                break;
            }
            found += 1;
            at = walk.offset();
        }
        self.split(self.after(found), at)
    }

    /// The offset after its first events, so many.
    fn after(&self, count: u64) -> u64 {
        let mut left = count;
        for (first, end) in self.taken_from(self.first) {
            if left <= end - first {
                return first + left;
            }
            left -= end - first;
        }
        self.end()
    }

    /// Cuts off and returns what is below an offset, which has so many bytes.
    fn split(&mut self, offset: u64, bytes: usize) -> Self {
        // A part of a block has no more offsets than the block.
        let count = u32::try_from(offset - self.first).unwrap_or(self.count);
        let body = self.body.slice(..bytes);
        let checksum = self.checksum.filter(|_| body.len() == self.body.len());
        let front = Self { count, body, checksum, ..self.clone() };
        self.begin_at(offset, bytes);
        front
    }

    /// Begins at an offset below which so many bytes are.
    fn begin_at(&mut self, offset: u64, bytes: usize) {
        if bytes > 0 {
            self.body = self.body.slice(bytes..);
            self.checksum = None;
        }
        self.count -= u32::try_from(offset - self.first).unwrap_or(self.count);
        self.first = offset;
    }
}

fn is_copy(selected: &Selected) -> bool {
    matches!(selected.runs, Runs::Many(_))
}

/// Walks past so many events; says where it is then.
fn skip(walk: &mut Events<'_>, count: u64) -> usize {
    for _ in 0..count {
        if walk.next().is_none() {
            break;
        }
    }
    walk.offset()
}

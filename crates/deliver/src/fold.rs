//! Folding a burst of look-alike events into digests. Pure: events and time in, verdicts and
//! digests out.
//!
//! The first event of its likeness goes at once and opens a window; what is alike in the window is
//! folded into one digest, which is due at its end and opens the next window. A window in which
//! nothing came ends the burst: the next event goes at once again. So every event of a burst is
//! told, once: the first by itself, each other one in one digest.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tidings_event::Timestamp;
use tidings_event::key::KeyHash;

use crate::outgoing::Digest;

/// Most windows that are open at a time in one partition; above that events go by themselves.
pub(crate) const WINDOWS_MAX: usize = 10_000;

/// Most events of one partition that wait in digests; above that events go by themselves.
pub(crate) const EVENTS_MAX: usize = 100_000;

/// Most event ids that a digest names.
pub(crate) const IDS_MAX: usize = 1_000;

/// What makes anomalies look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Likeness {
    pub(crate) key: KeyHash,
    /// Hash of the anomaly's type.
    pub(crate) kind: u64,
    pub(crate) severity: i32,
}

/// What a digest says of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Folded {
    pub(crate) offset: u64,
    pub(crate) id: [u8; 16],
    pub(crate) ingested_at: Timestamp,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes by itself: nothing like it came lately.
    First,
    /// It waits for the digest of its likeness.
    Folded,
    /// It goes by itself: there is no room.
    NoRoom,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    /// What came in each open window after its first event.
    windows: HashMap<Likeness, Option<Digest>>,
    /// When windows end, with a number for those that end together.
    ends: BTreeMap<(Duration, u64), Likeness>,
    opened: u64,
    waiting: usize,
}

impl Fold {
    /// How many events wait for their digests.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes an event; they come in offset order.
    pub(crate) fn offer(
        &mut self,
        likeness: Likeness,
        event: Folded,
        now: Duration,
        window: Duration,
    ) -> Verdict {
        if let Some(open) = self.windows.get_mut(&likeness) {
            if self.waiting >= EVENTS_MAX {
                return Verdict::NoRoom;
            }
            self.waiting += 1;
            match open {
                Some(digest) => digest.add(event),
                none => *none = Some(Digest::of(event)),
            }
            return Verdict::Folded;
        }
        if self.windows.len() >= WINDOWS_MAX {
            return Verdict::NoRoom;
        }
        self.open(likeness, now.saturating_add(window));
        Verdict::First
    }

    /// The next digest whose window is over; its likeness stays folded for another window.
    pub(crate) fn due(&mut self, now: Duration, window: Duration) -> Option<Digest> {
        while let Some(end) = self.ends.first_entry().filter(|end| end.key().0 <= now) {
            let likeness = end.remove();
            let digest = self.windows.remove(&likeness).flatten();
            if let Some(digest) = digest {
                let left = digest.runs.iter().map(|(first, end)| (end - first) as usize);
                self.waiting -= left.sum::<usize>();
                self.open(likeness, now.saturating_add(window));
                return Some(digest);
            }
        }
        None
    }

    /// Takes out the events of a range that wait: they will never come.
    pub(crate) fn drop_range(&mut self, first: u64, end: u64) -> Vec<(u64, u64)> {
        let digests = self.windows.values_mut().flatten();
        let mut dropped: Vec<_> = digests.flat_map(|digest| digest.cut(first, end)).collect();
        self.windows.values_mut().for_each(|open| drop(open.take_if(|d| d.runs.is_empty())));
        dropped.sort_unstable();
        self.waiting -= dropped.iter().map(|(first, end)| (end - first) as usize).sum::<usize>();
        dropped
    }

    /// When the next window ends.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.ends.first_key_value().map(|((at, _), _)| *at)
    }

    fn open(&mut self, likeness: Likeness, until: Duration) {
        self.opened += 1;
        let end = (until, self.opened);
        self.ends.insert(end, likeness);
        self.windows.insert(likeness, None);
    }
}

impl Digest {
    fn of(event: Folded) -> Self {
        Self {
            runs: vec![(event.offset, event.offset + 1)],
            count: 1,
            ids: vec![event.id],
            first_ingested_at: event.ingested_at,
            last_ingested_at: event.ingested_at,
        }
    }

    /// Takes out what lies in a range.
    pub(crate) fn cut(&mut self, first: u64, end: u64) -> Vec<(u64, u64)> {
        let mut taken = Vec::new();
        let mut left = Vec::with_capacity(self.runs.len());
        for &(start, stop) in &self.runs {
            let (a, b) = (start.max(first), stop.min(end));
            if a >= b {
                left.push((start, stop));
                continue;
            }
            taken.push((a, b));
            left.extend([(start, a), (b, stop)].into_iter().filter(|(from, to)| from < to));
        }
        self.runs = left;
        taken
    }

    fn add(&mut self, event: Folded) {
        match self.runs.last_mut() {
            Some((_, end)) if *end == event.offset => *end += 1,
            _ => self.runs.push((event.offset, event.offset + 1)),
        }
        self.count += 1;
        if self.ids.len() < IDS_MAX {
            self.ids.push(event.id);
        }
        self.last_ingested_at = event.ingested_at;
    }
}

#[cfg(test)]
mod tests;

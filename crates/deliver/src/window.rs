//! The in-flight window of one subscription in one partition. Pure: offsets in, decisions out.
//!
//! Every offset below `next` is in one state: settled (below `low`, or in `settled`), filtered (no
//! business of this subscription; joined to what is settled beside it), in flight, due, or parked,
//! which is all the rest: [`crate::gates`] knows what it waits for. At or above `next` nothing was
//! looked at yet, but what is settled. Whatever is due goes first, in offset order.

mod acks;
mod flight;
mod lives;

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_event::Timestamp;

use crate::cursor::{Cursor, RUNS_MAX};
use crate::runs::RunSet;

pub(crate) use flight::{Due, Flight, Landed};

/// So many offsets further on, the next one to be sent is not worth reading up to.
const LONELY: u64 = 1_000;

/// What may be sent next: offsets `first..end`, of which the caller sends a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sendable {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) attempt: u32,
    /// Whether it was delivered before, or may have been.
    pub(crate) redelivered: bool,
    /// Whether it is due, and not looked at for the first time.
    pub(crate) again: bool,
}

/// To whom a run goes.
#[derive(Clone, Copy)]
pub(crate) struct To<'a> {
    pub(crate) session: u64,
    pub(crate) now: Duration,
    /// Tells the log's time, by which events expire; few events ask.
    pub(crate) time: &'a dyn Fn() -> Timestamp,
    pub(crate) deadline: Option<Duration>,
}

/// What a change took out of flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

impl Freed {
    /// What these runs held.
    pub(crate) fn of(landed: &[Landed]) -> Self {
        landed.iter().fold(Self::default(), |sum, run| Self {
            events: sum.events + run.events,
            bytes: sum.bytes + run.flight.bytes,
        })
    }

    /// So much more.
    pub(crate) fn add(&mut self, events: u64, bytes: u64) {
        self.events += events;
        self.bytes += bytes;
    }

    /// So much less.
    pub(crate) fn take(&mut self, events: u64, bytes: u64) {
        self.events = self.events.saturating_sub(events);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// All that is known of a window that holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Level {
    /// Everything below is settled, and nothing above was looked at.
    pub(crate) low: u64,
    pub(crate) attempts: u32,
    pub(crate) attempts_before: u32,
    /// Below which offset deliveries may have happened before, and how many are flagged so; nothing
    /// where none is above `low`.
    pub(crate) flags: Option<(u64, u64)>,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    low: u64,
    settled: RunSet,
    /// Of what is not settled beside them.
    filtered: RunSet,
    next: u64,
    flights: BTreeMap<u64, Flight>,
    due: BTreeMap<u64, Due>,
    /// How often something was sent.
    sends: u64,
    /// First deliveries below this offset may have happened before the restart.
    flag_below: u64,
    /// How many more deliveries carry that flag.
    flags_left: u64,
    /// Whether anything in flight has a deadline.
    has_deadlines: bool,
    /// Offsets that go out again, as dead letters that were redriven, and their first attempts as such.
    redriven: BTreeMap<u64, u32>,
    /// The highest attempt of anything, and that of before a seek: what was sent before then goes on
    /// above it.
    attempts: u32,
    attempts_before: u32,
}

impl Window {
    /// A window that goes on at a cursor. Of its first deliveries, `flags` below `flag_below` may
    /// have happened before.
    pub(crate) fn new(cursor: Cursor, flag_below: u64, flags: u64) -> Self {
        let Cursor { low, mut settled } = cursor;
        let low = settled.absorb(low);
        Self { low, settled, next: low, flag_below, flags_left: flags, ..Self::default() }
    }

    /// A window that holds nothing.
    pub(crate) fn at_level(level: Level) -> Self {
        let Level { low, attempts, attempts_before, flags } = level;
        let (flag_below, flags_left) = flags.unwrap_or_default();
        let (next, rest) = (low, Self::default());
        Self { low, next, attempts, attempts_before, flag_below, flags_left, ..rest }
    }

    /// Where it is, when nothing above was looked at and nothing else would be forgotten with it.
    pub(crate) fn level(&self) -> Option<Level> {
        let has_runs = !self.settled.is_empty() || !self.filtered.is_empty();
        let is_out = !self.flights.is_empty() || !self.due.is_empty() || !self.redriven.is_empty();
        let Self { low, attempts, attempts_before, flag_below, flags_left, .. } = *self;
        let has_flags = flag_below > low && (flags_left > 0 || attempts_before > 0);
        let flags = has_flags.then_some((flag_below, flags_left));
        let level = Level { low, attempts, attempts_before, flags };
        (low == self.next && !has_runs && !is_out).then_some(level)
    }

    /// Everything below is settled.
    pub(crate) fn low(&self) -> u64 {
        self.low
    }

    /// The settled runs above [`Self::low`].
    pub(crate) fn settled(&self) -> &RunSet {
        &self.settled
    }

    /// The first offset that was never looked at.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether an offset was sent and is neither settled nor due again.
    pub(crate) fn is_out(&self, offset: u64) -> bool {
        !self.is_filtered(offset)
            && self.flights.range(..=offset).next_back().is_some_and(|(_, run)| offset < run.end)
    }

    /// Whether an offset is no business of this subscription, and not settled.
    pub(crate) fn is_filtered(&self, offset: u64) -> bool {
        self.filtered.covers(offset, offset + 1)
    }

    /// Whether so much is settled out of order that nothing new may be sent.
    pub(crate) fn is_stalled(&self) -> bool {
        self.settled.len() >= RUNS_MAX && !self.is_between()
    }

    /// Whether what is looked at next lies below something settled: it only makes a cursor shorter.
    pub(crate) fn is_between(&self) -> bool {
        self.settled.next_above(self.next).is_some()
    }

    /// Whether an offset to be sent has settled ones above it, so many that a read of the log is not
    /// to go on beyond its block.
    pub(crate) fn is_lonely(&self, offset: u64) -> bool {
        let end = self.settled.next_above(offset).and_then(|start| self.settled.end_of(start));
        end.is_some_and(|end| end - offset > LONELY)
    }

    /// How many offsets below `tail` are neither settled nor known to be filtered.
    pub(crate) fn unsettled(&self, tail: u64) -> u64 {
        self.left(self.low, tail.max(self.low))
    }

    /// Whether nothing in flight has a deadline.
    pub(crate) fn is_timeless(&self) -> bool {
        !self.has_deadlines
    }

    /// Whether what is due lies in more than one run.
    pub(crate) fn is_scattered(&self) -> bool {
        self.due.len() > 1
    }

    /// The next run to send, given the durable tail.
    pub(crate) fn sendable(&self, tail: u64) -> Option<Sendable> {
        if let Some((&first, due)) = self.due.first_key_value() {
            let Due { attempt, redelivered, .. } = *due;
            let end = self.filtered.next_above(first).map_or(due.end, |start| start.min(due.end));
            return Some(Sendable { first, end, attempt, redelivered, again: true });
        }
        let first = self.settled.end_of(self.next).unwrap_or(self.next);
        if first >= tail || self.is_stalled() {
            return None;
        }
        let mut end = self.settled.next_above(first).map_or(tail, |start| start.min(tail));
        let redelivered = first < self.flag_below && self.flags_left > 0;
        if redelivered {
            end = end.min(self.flag_below).min(first.saturating_add(self.flags_left));
        }
        let attempt = if redelivered { self.attempts_before + 1 } else { 1 };
        Some(Sendable { first, end, attempt, redelivered, again: false })
    }

    /// Takes note that `first..end`, a prefix of [`Self::sendable`], went out.
    pub(crate) fn sent(&mut self, run: Sendable, end: u64, bytes: u64, to: To<'_>) {
        let due = self.consume(run, end);
        self.attempts = self.attempts.max(run.attempt);
        if run.redelivered && !run.again {
            self.flags_left = self.flags_left.saturating_sub(end - run.first);
        }
        self.sends += 1;
        let flight = Flight {
            end,
            attempt: run.attempt,
            sent: self.sends,
            again: run.again,
            session: to.session,
            bytes,
            deadline: to.deadline,
            first_sent: due.and_then(|due| due.first_sent).unwrap_or(to.now),
        };
        self.has_deadlines |= to.deadline.is_some();
        let before = self.flights.range_mut(..run.first).next_back();
        if let Some((_, last)) = before
            && last.goes_on(&flight)
            && !self.redriven.contains_key(&run.first)
            && !self.redriven.contains_key(&(last.end - 1))
            && self.filtered.covers(last.end, run.first)
        {
            last.end = end;
            last.bytes += bytes;
            last.sent = flight.sent;
        } else {
            self.flights.insert(run.first, flight);
        }
    }

    /// Parks `first..end`, a prefix of [`Self::sendable`]. What of it was due is returned.
    pub(crate) fn hold(&mut self, run: Sendable, end: u64) -> Option<Due> {
        self.consume(run, end)
    }

    /// Takes note that `first..end`, a prefix of what was never looked at, is filtered.
    pub(crate) fn filter(&mut self, first: u64, end: u64) {
        self.next = self.next.max(end);
        let beside = self.settled.start_before(first).is_some();
        if first <= self.low || beside || self.settled.covers(end, end + 1) {
            self.settle(first, end);
        } else {
            self.filtered.insert(first, end);
        }
    }

    /// Takes a prefix of what may be sent away from there.
    fn consume(&mut self, run: Sendable, end: u64) -> Option<Due> {
        if !run.again {
            self.next = end;
            return None;
        }
        let due = self.due.remove(&run.first)?;
        self.put_due(end, due.end, due);
        Some(due)
    }

    /// Parks everything whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<Landed> {
        if !self.has_deadlines {
            return Vec::new();
        }
        let passed = |f: &Flight| f.deadline.is_some_and(|deadline| deadline <= now);
        let late: Vec<u64> =
            self.flights.iter().filter(|(_, f)| passed(f)).map(|(s, _)| *s).collect();
        let take = |first: u64| {
            let flight = self.flights.remove(&first)?;
            let holes = self.filtered.within(first, flight.end);
            Some(Landed { first, flight, events: self.events(first, flight.end), holes })
        };
        let late = late.into_iter().filter_map(take).collect();
        self.has_deadlines = self.flights.values().any(|flight| flight.deadline.is_some());
        late
    }

    /// Moves the deadlines of what of a run is in flight to a session and has one; returns that.
    pub(crate) fn extend(&mut self, run: (u64, u64), session: u64, to: Duration) -> Vec<Landed> {
        let mut runs = self.take_flights(run.0, run.1, session);
        for run in &mut runs {
            run.flight.deadline = run.flight.deadline.map(|_| to);
            self.flights.insert(run.first, run.flight);
        }
        runs.retain(|run| run.flight.deadline.is_some());
        runs
    }

    /// The earliest deadline of anything in flight.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if !self.has_deadlines {
            return None;
        }
        self.flights.values().filter_map(|flight| flight.deadline).min()
    }

    /// Makes a parked offset due.
    pub(crate) fn release(&mut self, offset: u64, due: Due) {
        self.due.insert(offset, Due { end: offset + 1, ..due });
    }

    /// Settles a parked offset.
    pub(crate) fn end(&mut self, offset: u64) {
        self.settle(offset, offset + 1);
    }

    /// Settles everything of `first..end` that is due or was never looked at: it will never come.
    /// Returns the runs, and how many events each of them holds.
    pub(crate) fn skip(&mut self, first: u64, end: u64) -> Vec<(u64, u64, u64)> {
        let due = self.take_due(first, end, |_| true);
        let mut skipped: Vec<_> =
            due.into_iter().map(|(start, events, due)| (start, due.end, events)).collect();
        for &(start, end, _) in &skipped {
            self.settle(start, end);
        }
        let mut at = self.next.max(first);
        while at < end {
            let until = self.settled.next_above(at).map_or(end, |start| start.min(end));
            match self.settled.end_of(at) {
                Some(stop) => at = stop,
                None => {
                    skipped.push((at, until, self.left(at, until)));
                    at = until;
                }
            }
        }
        if self.next < end {
            self.settle(self.next.max(first), end);
        }
        skipped
    }

    /// What lies below an offset and is neither settled nor filtered, as runs.
    pub(crate) fn open_below(&self, end: u64) -> Vec<(u64, u64)> {
        let (mut open, mut at) = (Vec::new(), self.low);
        while at < end {
            if let Some(stop) = self.settled.end_of(at).or_else(|| self.filtered.end_of(at)) {
                at = stop;
                continue;
            }
            let above = [self.settled.next_above(at), self.filtered.next_above(at), Some(end)];
            let until = above.into_iter().flatten().min().unwrap_or(end);
            open.push((at, until));
            at = until;
        }
        open
    }

    /// How many offsets of a range are neither settled nor filtered.
    fn left(&self, first: u64, end: u64) -> u64 {
        end - first - self.settled.overlap(first, end) - self.filtered.overlap(first, end)
    }

    /// How many events of what was sent a run holds: a redriven one counts although it is settled.
    fn events(&self, first: u64, end: u64) -> u64 {
        let settled = |offset: &u64| self.settled.covers(*offset, *offset + 1);
        let redriven = self.redriven.range(first..end.max(first)).map(|(at, _)| at);
        let redriven = redriven.filter(|&offset| settled(offset)).count();
        self.left(first, end) + redriven as u64
    }

    /// Takes an offset away from what is due.
    pub(crate) fn forget_due(&mut self, offset: u64) {
        self.take_due(offset, offset + 1, |_| true);
    }

    /// Whether anything below an offset, but for what goes out again, is in flight or due.
    pub(crate) fn has_out_below(&self, offset: u64) -> bool {
        let sent = self.flights.range(..offset).map(|(first, _)| first);
        let mut all = sent.chain(self.due.range(..offset).map(|(first, _)| first));
        all.any(|&first| !self.is_redriven(first))
    }

    /// Settles a run and the filtered offsets that it touches.
    fn settle(&mut self, first: u64, end: u64) {
        let first = self.filtered.start_before(first).unwrap_or(first);
        let end = self.filtered.end_of(end).unwrap_or(end);
        if !self.filtered.is_empty() {
            self.filtered.remove(first, end);
        }
        self.settled.insert(first.max(self.low), end);
        self.low = self.settled.absorb(self.low);
        self.next = self.next.max(self.low);
    }

    /// Without the filtered offsets at its edges; nothing when there is nothing else.
    fn trimmed(&self, first: u64, end: u64) -> Option<(u64, u64)> {
        let first = self.filtered.end_of(first).unwrap_or(first);
        let end = self.filtered.start_before(end).unwrap_or(end);
        (first < end).then_some((first, end))
    }

    fn put_due(&mut self, first: u64, end: u64, due: Due) {
        if let Some((first, end)) = (first < end).then(|| self.trimmed(first, end)).flatten() {
            self.due.insert(first, Due { end, ..due });
        }
    }

    /// Cuts out of what is due what lies in `first..end` and passes; with how many events it has.
    fn take_due(
        &mut self,
        first: u64,
        end: u64,
        passes: impl Fn(&Due) -> bool,
    ) -> Vec<(u64, u64, Due)> {
        let from = self.due.range(..=first).next_back().map_or(first, |(&start, _)| start);
        let hit = |(_, due): &(u64, Due)| passes(due) && due.end > first;
        let found: Vec<_> =
            self.due.range(from..end.max(from)).map(|(s, d)| (*s, *d)).filter(hit).collect();
        let mut taken = Vec::with_capacity(found.len());
        for (start, due) in found {
            self.due.remove(&start);
            let (a, b) = (start.max(first), due.end.min(end));
            self.put_due(start, a, due);
            self.put_due(b, due.end, due);
            if let Some((a, b)) = self.trimmed(a, b) {
                taken.push((a, self.events(a, b), Due { end: b, ..due }));
            }
        }
        taken
    }

    /// Cuts out of the flights what is of `first..end` and of a session.
    fn take_flights(&mut self, first: u64, end: u64, session: u64) -> Vec<Landed> {
        self.take_flights_that(first, end, |flight| flight.session == session)
    }

    fn take_flights_that(
        &mut self,
        first: u64,
        end: u64,
        is_meant: impl Fn(&Flight) -> bool,
    ) -> Vec<Landed> {
        let from = self.flights.range(..=first).next_back().map_or(first, |(&start, _)| start);
        let hit = |(_, f): &(u64, Flight)| is_meant(f) && f.end > first;
        let found: Vec<_> =
            self.flights.range(from..end.max(from)).map(|(s, f)| (*s, *f)).filter(hit).collect();
        let mut taken = Vec::with_capacity(found.len());
        for (start, flight) in found {
            let Some((a, b)) = self.trimmed(start.max(first), flight.end.min(end)) else {
                continue;
            };
            self.flights.remove(&start);
            let (before, rest) = flight.split(start, a);
            if let Some(before) = before {
                self.put_flight(start, before);
            }
            let (inside, after) = rest.split(a, b);
            if b < flight.end {
                self.put_flight(b, after);
            }
            // Not empty: trimmed.
            let inside = inside.unwrap_or(after);
            let holes = self.filtered.within(a, b);
            taken.push(Landed { first: a, flight: inside, events: self.events(a, b), holes });
        }
        taken
    }

    fn put_flight(&mut self, first: u64, flight: Flight) {
        if let Some((first, end)) = self.trimmed(first, flight.end) {
            self.flights.insert(first, Flight { end, ..flight });
        }
    }
}

#[cfg(test)]
mod tests;

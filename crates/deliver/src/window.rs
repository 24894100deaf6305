//! The in-flight window of one subscription in one partition. Pure: offsets in, decisions out.
//!
//! Every offset is in one state: settled (below `low`, or in `settled`), in flight, due again, or
//! not sent yet (at or above `next` and not settled). Whatever is due again goes first, in offset
//! order, and holds back first deliveries of its partition until it has gone out.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cursor::{Cursor, RUNS_MAX};
use crate::runs::RunSet;

/// A run that was sent and is not settled; keyed by its first offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flight {
    end: u64,
    attempt: u32,
    session: u64,
    bytes: u64,
    deadline: Option<Duration>,
}

/// A run that has to be sent again; keyed by its first offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Due {
    end: u64,
    attempt: u32,
    last_session: u64,
    not_before: Duration,
}

/// What may be sent next: offsets `first..end`, of which the caller sends a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sendable {
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) attempt: u32,
    /// Whether it was delivered before, or may have been.
    pub(crate) redelivered: bool,
    /// Whether it comes out of the redelivery queue.
    pub(crate) again: bool,
}

/// What a change took out of flight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    low: u64,
    settled: RunSet,
    next: u64,
    flights: BTreeMap<u64, Flight>,
    due: BTreeMap<u64, Due>,
    /// First deliveries below this offset may have happened before the restart.
    flag_below: u64,
    /// How many more deliveries carry that flag.
    flags_left: u64,
    /// Whether anything in flight has a deadline.
    has_deadlines: bool,
}

impl Window {
    /// A window that goes on at a cursor. Of its first deliveries, `flags` below `flag_below` may
    /// have happened before.
    pub(crate) fn new(cursor: Cursor, flag_below: u64, flags: u64) -> Self {
        let Cursor { low, mut settled } = cursor;
        let low = settled.absorb(low);
        Self { low, settled, next: low, flag_below, flags_left: flags, ..Self::default() }
    }

    /// Everything below is settled.
    pub(crate) fn low(&self) -> u64 {
        self.low
    }

    /// The settled runs above [`Self::low`].
    pub(crate) fn settled(&self) -> &RunSet {
        &self.settled
    }

    /// The first offset that was never sent.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether an offset was sent and is neither settled nor due again.
    pub(crate) fn is_out(&self, offset: u64) -> bool {
        self.flights.range(..=offset).next_back().is_some_and(|(_, flight)| offset < flight.end)
    }

    /// Whether so much is settled out of order that nothing new may be sent.
    pub(crate) fn is_stalled(&self) -> bool {
        self.settled.len() >= RUNS_MAX
    }

    /// How many offsets below `tail` are not settled.
    pub(crate) fn unsettled(&self, tail: u64) -> u64 {
        tail.saturating_sub(self.low) - self.settled.overlap(self.low, tail.max(self.low))
    }

    /// Whether nothing in it can change by time alone: no deadline, nothing due again.
    pub(crate) fn is_idle(&self) -> bool {
        self.due.is_empty() && !self.has_deadlines
    }

    /// The next run to send, given the durable tail.
    pub(crate) fn sendable(&self, tail: u64, now: Duration) -> Option<Sendable> {
        if let Some((&first, due)) = self.due.first_key_value() {
            let Due { end, attempt, .. } = *due;
            let ready = due.not_before <= now;
            return ready.then_some(Sendable {
                first,
                end,
                attempt,
                redelivered: true,
                again: true,
            });
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
        Some(Sendable { first, end, attempt: 1, redelivered, again: false })
    }

    /// When the first run that is due again may go out.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        self.due.first_key_value().map(|(_, due)| due.not_before)
    }

    /// Takes note that `first..end`, a prefix of [`Self::sendable`], went out.
    pub(crate) fn sent(
        &mut self,
        run: Sendable,
        end: u64,
        to: u64,
        bytes: u64,
        deadline: Option<Duration>,
    ) {
        if run.again {
            if let Some(due) = self.due.remove(&run.first).filter(|due| due.end > end) {
                self.due.insert(end, due);
            }
        } else {
            self.next = end;
            if run.redelivered {
                self.flags_left = self.flags_left.saturating_sub(end - run.first);
            }
        }
        let flight = Flight { end, attempt: run.attempt, session: to, bytes, deadline };
        self.flights.insert(run.first, flight);
        self.has_deadlines |= deadline.is_some();
    }

    /// Settles what of `first..end` is in flight to a session. Returns what was settled.
    pub(crate) fn ack(&mut self, first: u64, end: u64, session: u64) -> (Vec<(u64, u64)>, Freed) {
        let taken = self.take_flights(first, end, session);
        let mut runs = Vec::new();
        let mut freed = Freed::default();
        for (start, flight) in taken {
            self.settle(start, flight.end);
            freed.events += flight.end - start;
            freed.bytes += flight.bytes;
            runs.push((start, flight.end));
        }
        (runs, freed)
    }

    /// Settles what of `first..end` is due again and this session was the last to have. Returns
    /// how many offsets that were.
    pub(crate) fn ack_late(&mut self, first: u64, end: u64, session: u64) -> u64 {
        let from = self.due.range(..=first).next_back().map_or(first, |(&start, _)| start);
        let hit = |(_, due): &(u64, Due)| due.last_session == session && due.end > first;
        let late: Vec<_> = self.due.range(from..end).map(|(s, d)| (*s, *d)).filter(hit).collect();
        let mut count = 0;
        for (start, due) in late {
            self.due.remove(&start);
            let (a, b) = (start.max(first), due.end.min(end));
            if start < a {
                self.due.insert(start, Due { end: a, ..due });
            }
            if b < due.end {
                self.due.insert(b, due);
            }
            self.settle(a, b);
            count += b - a;
        }
        count
    }

    /// Whether an offset is in flight to a session with this attempt.
    pub(crate) fn is_in_flight(&self, offset: u64, attempt: u32, session: u64) -> bool {
        let flight = self.flights.range(..=offset).next_back();
        flight.is_some_and(|(_, f)| f.end > offset && f.session == session && f.attempt == attempt)
    }

    /// Gives back what of `first..end` is in flight to a session; it is due again at `at`.
    pub(crate) fn nack(
        &mut self,
        first: u64,
        end: u64,
        session: u64,
        at: Duration,
    ) -> (Vec<(u64, u64)>, Freed) {
        let taken = self.take_flights(first, end, session);
        let runs = taken.iter().map(|(start, flight)| (*start, flight.end)).collect();
        (runs, self.make_due(taken, at))
    }

    /// Gives back everything in flight to a session: it is gone.
    pub(crate) fn detach(&mut self, session: u64) -> Freed {
        let taken = self.take_flights(0, u64::MAX, session);
        self.make_due(taken, Duration::ZERO)
    }

    /// Gives back everything whose deadline has passed.
    pub(crate) fn expire(&mut self, now: Duration) -> Freed {
        if !self.has_deadlines {
            return Freed::default();
        }
        let passed = |flight: &Flight| flight.deadline.is_some_and(|deadline| deadline <= now);
        let late = self
            .flights
            .iter()
            .filter(|(_, f)| passed(f))
            .map(|(s, f)| (*s, *f))
            .collect::<Vec<_>>();
        for (start, _) in &late {
            self.flights.remove(start);
        }
        self.has_deadlines = self.flights.values().any(|flight| flight.deadline.is_some());
        self.make_due(late, Duration::ZERO)
    }

    /// The earliest deadline of anything in flight.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if !self.has_deadlines {
            return None;
        }
        self.flights.values().filter_map(|flight| flight.deadline).min()
    }

    /// Settles everything of `first..end` that is not in flight: it will never come. Returns how
    /// many offsets that were.
    pub(crate) fn skip(&mut self, first: u64, end: u64) -> u64 {
        let again: Vec<_> =
            self.due.range(..end).map(|(s, d)| (*s, *d)).filter(|(_, d)| d.end > first).collect();
        let mut skipped = 0;
        for (start, due) in again {
            self.due.remove(&start);
            if start < first {
                self.due.insert(start, Due { end: first, ..due });
            }
            if end < due.end {
                self.due.insert(end, due);
            }
            let (from, to) = (start.max(first), due.end.min(end));
            self.settle(from, to);
            skipped += to - from;
        }
        let fresh = self.next.max(first);
        if fresh < end {
            skipped += end - fresh - self.settled.overlap(fresh, end);
            self.settle(fresh, end);
        }
        skipped
    }

    fn settle(&mut self, first: u64, end: u64) {
        self.settled.insert(first.max(self.low), end);
        self.low = self.settled.absorb(self.low);
        self.next = self.next.max(self.low);
    }

    /// Cuts out of the flights what is of `first..end` and of a session.
    fn take_flights(&mut self, first: u64, end: u64, session: u64) -> Vec<(u64, Flight)> {
        let from = self.flights.range(..=first).next_back().map_or(first, |(&start, _)| start);
        let hit =
            |(start, f): &(u64, Flight)| f.session == session && f.end > first && *start < end;
        let touched: Vec<_> =
            self.flights.range(from..end).map(|(s, f)| (*s, *f)).filter(hit).collect();
        let mut taken = Vec::with_capacity(touched.len());
        for (start, flight) in touched {
            self.flights.remove(&start);
            let (a, b) = (start.max(first), flight.end.min(end));
            let (before, rest) = flight.split(start, a);
            if let Some(before) = before {
                self.flights.insert(start, before);
            }
            let (inside, after) = rest.split(a, b);
            if a < b && b < flight.end {
                self.flights.insert(b, after);
            }
            taken.push((a, inside.unwrap_or(after)));
        }
        taken
    }

    fn make_due(&mut self, taken: Vec<(u64, Flight)>, not_before: Duration) -> Freed {
        let mut freed = Freed::default();
        for (start, Flight { end, attempt, session, bytes, .. }) in taken {
            freed.events += end - start;
            freed.bytes += bytes;
            let due =
                Due { end, attempt: attempt.saturating_add(1), last_session: session, not_before };
            self.due.insert(start, due);
        }
        freed
    }
}

impl Flight {
    /// The parts of a run from `start` below and from `at` on; bytes go by count.
    fn split(self, start: u64, at: u64) -> (Option<Self>, Self) {
        if at <= start {
            return (None, self);
        }
        let share =
            u128::from(self.bytes) * u128::from(at - start) / u128::from(self.end - start).max(1);
        // A part of a u64.
        let bytes = u64::try_from(share).unwrap_or(self.bytes);
        (Some(Self { end: at, bytes, ..self }), Self { bytes: self.bytes - bytes, ..self })
    }
}

#[cfg(test)]
mod tests;

//! What failed in one partition, and what waits behind it. Pure: offsets and keys in, decisions out.
//!
//! An event that failed waits until its time, is out again, or is being dead-lettered. In ordered
//! mode it closes the gate of its key meanwhile: later events of the key that come to be sent are
//! held, as offsets. An event of the key that was in flight already is not recalled; when it fails
//! too, it queues behind. What is parked is exactly what waits, queues, is held or being buried.

mod failing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidings_event::key::KeyHash;

use crate::dead_letter::Reason;
use crate::window::{Due, Landed};

pub(crate) use failing::{FailedAttempt, Failing, Place};

/// Most keys with failing events in one partition.
pub(crate) const KEYS_MAX: usize = 1_000;

/// Most events that fail or are held in one partition.
pub(crate) const EVENTS_MAX: usize = 100_000;

/// A parked event that may go out: when it does, it is this.
pub(crate) type Released = (u64, Due);

/// One key of which an event fails, or of which a dead letter is not told yet.
#[derive(Debug, Default)]
struct Gate {
    failing: BTreeSet<u64>,
    held: BTreeMap<u64, Due>,
    /// Dead-lettered, and the consumer was not told yet.
    skipped: Vec<u64>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Gates {
    failing: BTreeMap<u64, Failing>,
    keys: BTreeMap<KeyHash, Gate>,
    /// Failing, and their keys are not known yet.
    unlearned: BTreeSet<u64>,
    /// When the first failing event of each key may go out again.
    times: BTreeSet<(Duration, u64)>,
    held: usize,
}

impl Gates {
    /// Whether every event may pass without its key being looked at.
    pub(crate) fn are_open(&self) -> bool {
        self.keys.is_empty() && self.unlearned.is_empty()
    }

    /// Whether nothing fails.
    pub(crate) fn is_empty(&self) -> bool {
        self.failing.is_empty() && self.keys.is_empty()
    }

    /// How many events fail, and how many are held behind them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.failing.len(), self.held)
    }

    /// Whether so much fails or is held that nothing new may be sent.
    pub(crate) fn are_full(&self) -> bool {
        self.failing.len() + self.held >= EVENTS_MAX
            || (self.keys.len() >= KEYS_MAX && self.closed() >= KEYS_MAX)
    }

    fn closed(&self) -> usize {
        self.keys.values().filter(|gate| !gate.failing.is_empty()).count()
    }

    /// Whether an event is held behind a failing one.
    pub(crate) fn is_held(&self, offset: u64) -> bool {
        self.keys.values().any(|gate| gate.held.contains_key(&offset))
    }

    /// The first failing event whose key has to be learnt before anything goes on.
    pub(crate) fn unlearned(&self) -> Option<u64> {
        self.unlearned.first().copied()
    }

    /// Failing events of a range whose keys have to be learnt.
    pub(crate) fn unlearned_in(&self, first: u64, end: u64) -> Vec<u64> {
        self.unlearned.range(first..end.max(first)).copied().collect()
    }

    /// When the next failing event may go out again.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        self.times.first().map(|&(at, _)| at)
    }

    /// An event.
    pub(crate) fn get(&self, offset: u64) -> Option<&Failing> {
        self.failing.get(&offset)
    }

    /// Takes note that the attempt at `offset` failed; it waits until `until`. Returns how often it
    /// failed by now. In parallel mode its key does not matter.
    pub(crate) fn fail(
        &mut self,
        offset: u64,
        run: &Landed,
        attempt: &FailedAttempt,
        is_ordered: bool,
    ) -> u32 {
        let event = self.failing.entry(offset).or_insert_with(|| Failing::new(&run.flight));
        event.attempt = run.flight.attempt.saturating_add(1);
        event.last_session = run.flight.session;
        event.note(attempt.clone());
        event.failures = event.failures.saturating_add(1);
        event.place = Place::Parked(Duration::ZERO);
        let failures = event.failures;
        if is_ordered && event.key.is_none() {
            self.unlearned.insert(offset);
        }
        failures
    }

    /// Takes a dead letter that comes back now, with this attempt, as one of its key that fails.
    pub(crate) fn redrive(
        &mut self,
        offset: u64,
        key: Option<KeyHash>,
        (now, attempt): (Duration, u32),
    ) {
        self.failing.insert(offset, Failing::redriven(key, now, attempt));
        if let Some(key) = key {
            let gate = self.keys.entry(key).or_default();
            gate.failing.insert(offset);
            // It is told of as itself.
            gate.skipped.retain(|&letter| letter != offset);
            self.line_up(key);
        }
    }

    /// A letter that came back will not go out; what it held back may.
    pub(crate) fn forget_redriven(&mut self, offset: u64) -> Vec<Released> {
        self.remove(offset)
    }

    /// Says until when a failing event waits.
    pub(crate) fn wait(&mut self, offset: u64, until: Duration) {
        let Some(event) = self.failing.get_mut(&offset) else { return };
        if let Place::Parked(before) = event.place {
            self.times.remove(&(before, offset));
        }
        event.place = Place::Parked(until);
        match event.key {
            Some(key) => self.line_up(key),
            None if self.unlearned.contains(&offset) => {}
            None => {
                self.times.insert((until, offset));
            }
        }
    }

    /// Learns the key of a failing event.
    pub(crate) fn learn(&mut self, offset: u64, key: KeyHash) {
        if !self.unlearned.remove(&offset) {
            return;
        }
        if let Some(event) = self.failing.get_mut(&offset) {
            event.key = Some(key);
            self.keys.entry(key).or_default().failing.insert(offset);
            self.line_up(key);
        }
    }

    /// Takes out what may go out again now.
    pub(crate) fn ready(&mut self, now: Duration) -> Vec<Released> {
        let mut ready = Vec::new();
        while let Some(&(at, offset)) = self.times.first().filter(|(at, _)| *at <= now) {
            self.times.remove(&(at, offset));
            if let Some(event) = self.failing.get_mut(&offset) {
                event.place = Place::Out;
                ready.push((offset, event.due()));
            }
        }
        ready
    }

    /// Whether an event must not be sent because an earlier one of its key fails.
    pub(crate) fn holds(&self, offset: u64, key: KeyHash) -> bool {
        let first = self.keys.get(&key).and_then(|gate| gate.failing.first());
        first.is_some_and(|&first| first < offset)
    }

    /// Holds an event that is to go out as `due` once its gate opens.
    pub(crate) fn hold(&mut self, offset: u64, key: KeyHash, due: Due) {
        if let Some(event) = self.failing.get_mut(&offset) {
            event.place = Place::Parked(Duration::ZERO);
            event.attempt = due.attempt;
            return;
        }
        if self.keys.entry(key).or_default().held.insert(offset, due).is_none() {
            self.held += 1;
        }
    }

    /// The dead letters of a key that its next delivery tells of.
    pub(crate) fn skipped(&mut self, key: KeyHash) -> Vec<u64> {
        let Some(gate) = self.keys.get_mut(&key).filter(|gate| !gate.skipped.is_empty()) else {
            return Vec::new();
        };
        let skipped = std::mem::take(&mut gate.skipped);
        self.forget(key);
        skipped
    }

    /// Takes note that a connection that had failing events of a range was lost.
    pub(crate) fn lost(&mut self, first: u64, end: u64, attempt: &FailedAttempt) {
        for event in self.failing.range_mut(first..end.max(first)).map(|(_, event)| event) {
            event.note(attempt.clone());
        }
    }

    /// Takes note that events of a range were settled while out; what they held back may go.
    pub(crate) fn settled(&mut self, first: u64, end: u64) -> Vec<Released> {
        if self.failing.is_empty() {
            return Vec::new();
        }
        let found: Vec<u64> = self
            .failing
            .range(first..end)
            .filter(|(_, event)| event.place == Place::Out)
            .map(|(&at, _)| at)
            .collect();
        found.into_iter().flat_map(|offset| self.remove(offset)).collect()
    }

    /// Takes out the parked events of a range that are not being buried and pass; with what they
    /// held back.
    pub(crate) fn drop_parked(
        &mut self,
        first: u64,
        end: u64,
        passes: impl Fn(u64) -> bool,
    ) -> (Vec<Released>, Vec<Released>) {
        let range = first..end.max(first);
        let mut dropped = Vec::new();
        // What is held goes first: what its gate then lets go is not of the range.
        for gate in self.keys.values_mut().filter(|gate| !gate.held.is_empty()) {
            let held = gate.held.range(range.clone());
            let gone: Vec<u64> =
                held.filter(|(_, due)| passes(due.last_session)).map(|(&at, _)| at).collect();
            for at in gone {
                if let Some(due) = gate.held.remove(&at) {
                    self.held -= 1;
                    dropped.push((at, Due { end: at + 1, ..due }));
                }
            }
        }
        let parked = |event: &Failing| matches!(event.place, Place::Parked(_));
        let failing: Vec<Released> = self
            .failing
            .range(range)
            .filter(|(_, event)| parked(event) && passes(event.last_session))
            .map(|(&at, event)| (at, Due { end: at + 1, ..event.due() }))
            .collect();
        let released = failing.iter().flat_map(|(offset, _)| self.remove(*offset)).collect();
        dropped.extend(failing);
        dropped.sort_unstable_by_key(|(offset, _)| *offset);
        (dropped, released)
    }

    /// The failing event that waits the longest, to be dead-lettered to make room.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let waits = |event: &&Failing| matches!(event.place, Place::Parked(_));
        let all = self.failing.iter();
        let waiting = all.filter(|(_, event)| waits(event));
        waiting.min_by_key(|(_, event)| event.first_sent).map(|(&at, _)| at)
    }

    /// Failing events below an offset that are neither on their way to the dead letters nor dead
    /// letters that come back.
    pub(crate) fn failing_below(&self, end: u64) -> Vec<u64> {
        let stays = |event: &Failing| matches!(event.place, Place::Parked(_) | Place::Out);
        self.failing.range(..end).filter(|(_, event)| stays(event)).map(|(&at, _)| at).collect()
    }

    /// Whether a failing event is on its way to the dead letters.
    pub(crate) fn is_burying(&self) -> bool {
        self.failing.values().any(|event| matches!(event.place, Place::Burying(_)))
    }

    /// A parked event is on its way to the dead letters.
    pub(crate) fn bury(&mut self, offset: u64, reason: Reason) {
        if let Some(event) = self.failing.get_mut(&offset) {
            if let Place::Parked(until) = event.place {
                self.times.remove(&(until, offset));
            }
            event.place = Place::Burying(reason);
        }
    }

    /// An event cannot be buried: it is parked again.
    pub(crate) fn unbury(&mut self, offset: u64) {
        if let Some(event) = self.failing.get_mut(&offset) {
            event.place = Place::Parked(Duration::ZERO);
        }
    }

    /// A failing event lies with the dead letters; the next delivery of its key tells of it.
    /// Returns what it held back, and whether it was one.
    pub(crate) fn buried(&mut self, offset: u64, key: KeyHash) -> (Vec<Released>, bool) {
        let is_one =
            matches!(self.failing.get(&offset), Some(Failing { place: Place::Burying(_), .. }));
        if !is_one {
            return (Vec::new(), false);
        }
        let is_ordered = self.unlearned.contains(&offset)
            || self.failing.get(&offset).is_some_and(|event| event.key.is_some());
        if is_ordered {
            self.learn(offset, key);
            let room = self.keys.len() < 2 * KEYS_MAX;
            let gate = self.keys.entry(key).or_default();
            if room || !gate.skipped.is_empty() {
                gate.skipped.push(offset);
            }
        }
        (self.remove(offset), true)
    }

    /// Takes a failing event out; what it held back may go.
    fn remove(&mut self, offset: u64) -> Vec<Released> {
        let Some(event) = self.failing.remove(&offset) else { return Vec::new() };
        self.unlearned.remove(&offset);
        if let Place::Parked(until) = event.place {
            self.times.remove(&(until, offset));
        }
        let Some(key) = event.key else { return Vec::new() };
        let Some(gate) = self.keys.get_mut(&key) else { return Vec::new() };
        gate.failing.remove(&offset);
        let until = gate.failing.first().copied().unwrap_or(u64::MAX);
        let mut released = std::mem::take(&mut gate.held);
        gate.held = released.split_off(&until);
        self.held -= released.len();
        self.line_up(key);
        self.forget(key);
        released.into_iter().collect()
    }

    /// Of each key, only the first failing event waits for its time.
    fn line_up(&mut self, key: KeyHash) {
        let Some(gate) = self.keys.get(&key) else { return };
        for (at, offset) in gate.failing.iter().enumerate() {
            let Some(event) = self.failing.get(offset) else { continue };
            let Place::Parked(until) = event.place else { continue };
            if at == 0 {
                self.times.insert((until, *offset));
            } else {
                self.times.remove(&(until, *offset));
            }
        }
    }

    fn forget(&mut self, key: KeyHash) {
        let is_over = |gate: &Gate| {
            gate.failing.is_empty() && gate.held.is_empty() && gate.skipped.is_empty()
        };
        if self.keys.get(&key).is_some_and(is_over) {
            self.keys.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;

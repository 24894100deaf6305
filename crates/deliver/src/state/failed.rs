//! Attempts that fail: when the next one comes, and what is not tried again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tidings_catalog::{Mode, OnParkFull};
use tidings_event::TopicPartition;
use tidings_event::key::KeyHash;

use super::{Ended, State};
use crate::backoff;
use crate::dead_letter::{AttemptOutcome, Place as Letter, Reason};
use crate::gates::{FailedAttempt, Failing, Place};
use crate::nack::Nack;
use crate::outgoing::GapReason;
use crate::settlement::Outcome;
use crate::window::{Freed, Landed};

/// An event that is not tried again and has to be dead-lettered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: u64,
    pub(crate) reason: Reason,
    pub(crate) attempts: Vec<FailedAttempt>,
    /// How often it was sent.
    pub(crate) sent: u32,
}

/// What became of the burial of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BurialOutcome {
    /// It lies with the dead letters; its key.
    Done(KeyHash),
    /// The dead letters are full: nothing is sent before there is room.
    Full,
    /// It could not be stored; it will be tried again.
    Refused,
    /// It cannot be read any more, and will never come.
    Gone(GapReason),
}

/// What happened in a subscription, for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Attempts that were not settled in time.
    pub(crate) overdue: u64,
    /// Events held behind a failing one of their key.
    pub(crate) held: u64,
    /// Events that digests told of, without those they were told by.
    pub(crate) folded: u64,
    /// Shares of keys that a member lost with events in flight.
    pub(crate) fenced: u64,
}

/// What a subscription keeps from its first failure or redriven letter on: most never have one.
#[derive(Debug)]
pub(super) struct Failures {
    /// Partitions in which something may fail.
    pub(super) failing_in: BTreeSet<TopicPartition>,
    /// Exhausted, and nobody took them to bury them yet.
    pub(super) exhausted: Vec<(TopicPartition, u64)>,
    /// Redriven letters that were settled and whose records are not durably gone.
    pub(super) unsaved_letters: BTreeSet<Letter>,
    /// Of back-off.
    random: SmallRng,
}

impl Failures {
    fn new(seed: u64) -> Self {
        Self {
            failing_in: BTreeSet::new(),
            exhausted: Vec::new(),
            unsaved_letters: BTreeSet::new(),
            random: SmallRng::seed_from_u64(seed),
        }
    }
}

impl State {
    pub(super) fn failures(&mut self) -> &mut Failures {
        let seed = self.seed;
        self.failures.get_or_insert_with(|| Box::new(Failures::new(seed)))
    }

    /// Takes note that attempts failed, and says when the next ones come.
    pub(super) fn failed(
        &mut self,
        partition: TopicPartition,
        landed: &[Landed],
        outcome: AttemptOutcome,
        now: Duration,
        nack: &Nack,
    ) {
        self.landed(partition, landed);
        if outcome == AttemptOutcome::Deadline {
            self.counts.overdue += Freed::of(landed).events;
        }
        let spec = &self.subscription.spec;
        let (retry, is_ordered) = (spec.retry, spec.mode == Mode::Ordered);
        for run in landed {
            let consumer = self.consumer(run.flight.session);
            let detail = Arc::clone(&nack.detail);
            let attempt = FailedAttempt { at: now, consumer, outcome, detail };
            let seed = self.seed;
            let failures = self.failures.get_or_insert_with(|| Box::new(Failures::new(seed)));
            let Some(slot) = self.slots.get_mut(&partition) else { return };
            for offset in run.first..run.flight.end {
                if slot.window.is_filtered(offset) {
                    continue;
                }
                let failed = slot.gates.fail(offset, run, &attempt, is_ordered);
                let age = now.saturating_sub(run.flight.first_sent);
                let reason = if failed >= retry.max_attempts {
                    Some(Reason::AttemptsExhausted)
                } else {
                    retry.max_age.filter(|&max| age >= max).map(|_| Reason::MaxAge)
                };
                if let Some(reason) = reason {
                    slot.gates.bury(offset, reason);
                    failures.exhausted.push((partition, offset));
                    continue;
                }
                let wait = backoff::delay(&retry, failed, &mut failures.random);
                slot.gates.wait(offset, now.saturating_add(wait.max(nack.delay)));
            }
            if slot.gates.are_full() {
                self.make_room(partition);
            }
        }
        self.timed.insert(partition);
        self.failures().failing_in.insert(partition);
    }

    /// Gives up on what has failed the longest when too much waits and the terms say so.
    pub(super) fn make_room(&mut self, partition: TopicPartition) {
        let wants = self.subscription.spec.retry.on_park_full == OnParkFull::DeadLetter;
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| wants) else {
            return;
        };
        if slot.gates.is_burying() {
            return;
        }
        if let Some(offset) = slot.gates.oldest() {
            slot.gates.bury(offset, Reason::ParkFull);
            self.failures().exhausted.push((partition, offset));
        }
    }

    /// Whether there is something to bury and nobody at it.
    pub(crate) fn wants_burial(&self) -> bool {
        let failures = self.failures.as_ref().filter(|_| !self.is_burying);
        failures.is_some_and(|failures| !failures.exhausted.is_empty())
    }

    /// What has to be dead-lettered; each is answered by [`Self::buried`].
    pub(crate) fn exhausted(&mut self) -> Vec<Exhausted> {
        let Some(failures) = &mut self.failures else { return Vec::new() };
        let taken = std::mem::take(&mut failures.exhausted);
        let found = taken.into_iter().filter_map(|(partition, offset)| {
            let event = self.slots.get(&partition)?.gates.get(offset)?;
            let Place::Burying(reason) = event.place else { return None };
            let (attempts, sent) = (event.history.clone(), event.attempt.saturating_sub(1));
            Some(Exhausted { partition, offset, reason, attempts, sent })
        });
        found.collect()
    }

    /// Takes the answer to one of [`Self::exhausted`]; one that found no room will be asked again.
    pub(crate) fn buried(
        &mut self,
        (partition, offset): (TopicPartition, u64),
        outcome: BurialOutcome,
        now: Duration,
    ) {
        if outcome == BurialOutcome::Full {
            self.is_held_by_letters = true;
        }
        if let BurialOutcome::Done(_) = outcome {
            let place = Letter { partition, offset };
            self.ticket.get_or_insert_default().buried.push(place);
            self.has_letters = true;
        }
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        match outcome {
            BurialOutcome::Full | BurialOutcome::Refused => {
                return self.failures().exhausted.push((partition, offset));
            }
            BurialOutcome::Gone(reason) => {
                slot.gates.unbury(offset);
                self.skip(partition, (offset, offset + 1, reason));
            }
            BurialOutcome::Done(key) => {
                let last = slot.gates.get(offset).and_then(Failing::ended);
                let (released, is_one) = slot.gates.buried(offset, key);
                if is_one {
                    slot.window.end_redriven(offset, offset + 1);
                    slot.window.end(offset);
                }
                slot.release(released);
                if is_one {
                    self.dirty(partition);
                }
                if let Some((reason, due, consumer)) = last.filter(|_| is_one) {
                    self.conflate(partition, (offset, offset + 1), due.first_sent, &consumer);
                    self.ended(Ended {
                        partition,
                        first: offset,
                        end: offset + 1,
                        count: 1,
                        outcome: Outcome::DeadLettered(reason),
                        first_sent: due.first_sent,
                        attempts: due.attempt.saturating_sub(1),
                        consumer,
                    });
                    self.acked(0, now);
                }
            }
        }
        self.wake(partition);
    }

    /// Whether there are letters whose marks go with the next save.
    pub(crate) fn has_buried(&self) -> bool {
        self.ticket.as_ref().is_some_and(|ticket| !ticket.buried.is_empty())
    }

    /// Takes note that letters lie there that no durable cursor covered before the restart; with the
    /// reason of those that the window now settles and that are letters still.
    pub(crate) fn were_buried(
        &mut self,
        partition: TopicPartition,
        found: &[(u64, Option<Reason>)],
    ) {
        for &(offset, reason) in found {
            let place = Letter { partition, offset };
            self.ticket.get_or_insert_default().buried.push(place);
            let Some(reason) = reason else { continue };
            let outcome = Outcome::DeadLettered(reason);
            self.ended(Ended::unsent(partition, (offset, offset + 1), 1, outcome));
        }
        self.dirty(partition);
    }

    /// Everything that was to be buried is: there is room.
    pub(crate) fn all_buried(&mut self) {
        self.is_burying = false;
        self.is_held_by_letters = false;
    }

    /// Whether its dead letters are full.
    pub(crate) fn is_held_by_letters(&self) -> bool {
        self.is_held_by_letters
    }
}

//! What consumers say of what they were sent, and what becomes of it when they are gone.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::{Offset, TopicPartition};

use super::{Ended, State};
use crate::dead_letter::AttemptOutcome;
use crate::gates::Released;
use crate::nack::Nack;
use crate::outgoing::Run;
use crate::settlement::Outcome;
use crate::window::{Due, Freed, Landed};

impl State {
    /// Settles runs that are in flight to a session. Returns what was settled and what was not.
    pub(crate) fn ack(&mut self, session: u64, run: Run, up_to: bool, now: Duration) -> Vec<Run> {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| run.epoch == self.epoch) else {
            return Vec::new();
        };
        let settled = if up_to {
            slot.window.ack_up_to(run.last.0, session)
        } else {
            slot.window.ack(run.first.0, run.last.0.saturating_add(1), session)
        };
        if settled.is_empty() {
            return Vec::new();
        }
        for run in &settled {
            let released = slot.gates.settled(run.first, run.flight.end);
            slot.release(released);
        }
        self.landed(partition, &settled);
        self.delivered(partition, &settled);
        for run in &settled {
            self.letters_settled(partition, run.first, run.flight.end);
        }
        self.dirty(partition);
        self.acked(Freed::of(&settled).events, now);
        self.wake(partition);
        runs_of(run, &settled)
    }

    /// Settles what of a run is due again, for the session that had it last; says how much.
    pub(crate) fn ack_late(&mut self, session: u64, run: Run, now: Duration) -> u64 {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| run.epoch == self.epoch) else {
            return 0;
        };
        let (first, end) = (run.first.0, run.last.0.saturating_add(1));
        let late = slot.window.ack_late(first, end, session);
        let mut released: Vec<Released> =
            late.iter().flat_map(|(first, _, due)| slot.gates.settled(*first, due.end)).collect();
        let (mut parked, freed) = slot.gates.drop_parked(first, end, |last| last == session);
        parked.extend(slot.drop_waiting(first, end, |due| due.last_session == session));
        released.extend(freed);
        parked.iter().for_each(|(offset, _)| slot.window.end(*offset));
        slot.release(released);
        let late = late.into_iter().chain(parked.into_iter().map(|(at, due)| (at, 1, due)));
        let mut count = 0;
        for (first, events, due) in late {
            count += events;
            self.delivered_late(partition, first, events, &due);
            self.letters_settled(partition, first, due.end);
        }
        if count > 0 {
            self.dirty(partition);
            self.acked(count, now);
            self.wake(partition);
        }
        count
    }

    /// Gives runs back: these attempts failed. Returns what was in flight.
    pub(crate) fn nack(&mut self, session: u64, run: Run, now: Duration, nack: &Nack) -> Vec<Run> {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| run.epoch == self.epoch) else {
            return Vec::new();
        };
        let failed = slot.window.fail(run.first.0, run.last.0.saturating_add(1), session);
        if failed.is_empty() {
            return Vec::new();
        }
        self.failed(partition, &failed, AttemptOutcome::Nacked, now, nack);
        self.wake(partition);
        runs_of(run, &failed)
    }

    /// Takes back a run that its session was not given after all: it is due again.
    pub(crate) fn give_back(&mut self, session: u64, run: Run) {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let end = run.last.0.saturating_add(1);
        let back = slot.window.give_back(run.first.0, end, session);
        self.landed(partition, &back);
        self.wake(partition);
    }

    /// Gives a session more time for a run. Returns what was in flight with a deadline.
    pub(crate) fn extend(&mut self, session: u64, run: Run, deadline: Duration) -> Vec<Run> {
        let slot = self.slots.get_mut(&run.topic_partition()).filter(|_| run.epoch == self.epoch);
        let Some(slot) = slot else { return Vec::new() };
        let end = run.last.0.saturating_add(1);
        runs_of(run, &slot.window.extend((run.first.0, end), session, deadline))
    }

    /// Takes note that runs in flight were acknowledged.
    fn delivered(&mut self, partition: TopicPartition, landed: &[Landed]) {
        if self.has_letters {
            let runs = landed.iter().flat_map(Landed::runs).map(|(a, b)| (partition, a, b));
            self.ticket.get_or_insert_default().acked.extend(runs);
        }
        for Landed { first, flight, events, .. } in landed {
            let consumer = self.consumer(flight.session);
            let run = (*first, flight.end);
            self.conflate(partition, run, Some(flight.first_sent), &consumer);
            self.ended(Ended {
                partition,
                first: *first,
                end: flight.end,
                count: *events,
                outcome: Outcome::Delivered,
                first_sent: Some(flight.first_sent),
                attempts: flight.attempt,
                consumer,
            });
        }
    }

    /// Settles what digests tell of whose newest event is settled.
    pub(super) fn conflate(
        &mut self,
        partition: TopicPartition,
        (first, end): (u64, u64),
        first_sent: Option<Duration>,
        consumer: &Arc<str>,
    ) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        for (first, end) in slot.conflated(first, end) {
            self.counts.folded += end - first;
            self.ended(Ended {
                partition,
                first,
                end,
                count: end - first,
                outcome: Outcome::Conflated,
                first_sent,
                attempts: 1,
                consumer: Arc::clone(consumer),
            });
        }
    }

    /// Takes note that a run was acknowledged after it was due again.
    fn delivered_late(&mut self, partition: TopicPartition, first: u64, count: u64, due: &Due) {
        let consumer = self.consumer(due.last_session);
        self.conflate(partition, (first, due.end), due.first_sent, &consumer);
        self.ended(Ended {
            partition,
            first,
            end: due.end,
            count,
            outcome: Outcome::Delivered,
            first_sent: due.first_sent,
            attempts: due.attempt.saturating_sub(1),
            consumer,
        });
    }
}

fn runs_of(run: Run, landed: &[Landed]) -> Vec<Run> {
    let one = |(first, end)| Run { first: Offset(first), last: Offset(end - 1), ..run };
    landed.iter().flat_map(Landed::runs).map(one).collect()
}

//! What a save of cursors covers, and what becomes of the acks in it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_event::{Refusal, Timestamp, TopicPartition};

use super::State;
use crate::cursor::{self, Cursor};
use crate::dead_letter::Place;
use crate::group::waiting;
use crate::outgoing::{Outgoing, Run};
use crate::settlement::{Outcome, Settled};
use crate::slot::Slot;
use crate::{fold, gates};

/// Most events of a partition that are passed without an ack before a cursor is saved.
const PASSED_MAX: u64 = 10_000;

/// Room for what ends between two saves of a subscription that is not busy.
const USUAL_ENDS: usize = 8;

impl State {
    /// Whether so much is acknowledged and not durable that nothing more will be sent soon.
    pub(crate) fn is_pressed(&self) -> bool {
        self.unconfirmed.saturating_mul(2) > self.limits.events
    }

    /// How many events of a partition, from the lowest on that is not settled durably, may have been
    /// sent. One window is in flight, and one more acknowledged and not durable; and events are sent
    /// that lie above others which wait: behind a key that fails, for their member, in a digest.
    pub(crate) fn repeats_max(&self) -> u64 {
        let waiting = if self.group.is_some() { waiting::EVENTS_MAX } else { 0 };
        let folded = self.subscription.spec.folding.map_or(0, |_| fold::EVENTS_MAX);
        let held = (gates::EVENTS_MAX + waiting + folded) as u64;
        self.limits.events.saturating_mul(2).saturating_add(held)
    }
}

/// How deliveries of a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) partition: TopicPartition,
    pub(crate) first: u64,
    pub(crate) end: u64,
    pub(crate) count: u64,
    pub(crate) outcome: Outcome,
    /// On the monotonic clock; nothing was sent without it.
    pub(crate) first_sent: Option<Duration>,
    pub(crate) attempts: u32,
    pub(crate) consumer: Arc<str>,
}

impl Ended {
    /// A run that no consumer was sent, or not by what ends it now.
    pub(super) fn unsent(
        partition: TopicPartition,
        (first, end): (u64, u64),
        count: u64,
        outcome: Outcome,
    ) -> Self {
        let consumer = Arc::default();
        Self { partition, first, end, count, outcome, first_sent: None, attempts: 0, consumer }
    }
}

/// What a save of cursors covers.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    pub(crate) generation: u64,
    /// What to confirm to which session: what it settled, and what was not its to settle.
    pub(crate) confirms: BTreeMap<u64, (Vec<Run>, Vec<Run>)>,
    pub(crate) count: u64,
    pub(crate) since: Duration,
    /// How deliveries ended.
    pub(crate) ended: Vec<Ended>,
    /// Of that, the redriven dead letters.
    pub(crate) letters: Vec<Place>,
    /// Runs of which events were acknowledged, where there may be letters of them.
    pub(crate) acked: Vec<(TopicPartition, u64, u64)>,
    /// Events that lie with the dead letters now: the cursors cover them, or no burial does.
    pub(crate) buried: Vec<Place>,
}

/// How saves ended, for those who wait for one.
#[derive(Debug)]
pub(crate) struct Saves {
    count: u64,
    /// Of the last: highest generation of settlements that is durable, or why none will be any more.
    last: Result<u64, Box<Refusal>>,
}

impl Default for Saves {
    fn default() -> Self {
        Self { count: 0, last: Ok(0) }
    }
}

impl Saves {
    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// How the last ended, where there was one after so many.
    pub(crate) fn since(&self, count: u64) -> Option<Result<u64, Refusal>> {
        (self.count > count).then(|| match &self.last {
            Ok(generation) => Ok(*generation),
            Err(refusal) => Err(Refusal::clone(refusal)),
        })
    }

    /// Why nothing can be saved any more, where that is so.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.last.as_ref().err().map(|refusal| Refusal::clone(refusal))
    }

    fn end(&mut self, outcome: Result<u64, Box<Refusal>>) {
        self.count += 1;
        self.last = outcome;
    }
}

impl Ticket {
    /// How deliveries ended, with the times that people read; both clocks say now.
    pub(crate) fn settled(&self, monotonic: Duration, wall: Timestamp) -> Vec<Settled> {
        let told = |at: Duration| {
            let ago = u64::try_from(monotonic.saturating_sub(at).as_nanos()).unwrap_or(u64::MAX);
            Timestamp(wall.0.saturating_sub(ago))
        };
        let settled = self.ended.iter().map(|run| Settled {
            partition: run.partition,
            first: run.first,
            end: run.end,
            count: run.count,
            outcome: run.outcome,
            first_sent: run.first_sent.map_or(Timestamp(0), told),
            attempts: run.attempts,
            consumer: Arc::clone(&run.consumer),
        });
        settled.collect()
    }
}

impl State {
    /// Takes note of how deliveries ended; nobody records those of a reader without a cursor.
    pub(super) fn ended(&mut self, run: Ended) {
        if self.is_ephemeral {
            return;
        }
        let ended = &mut self.ticket.get_or_insert_default().ended;
        if let Some(last) = ended.last_mut()
            && (last.partition, last.end, last.outcome) == (run.partition, run.first, run.outcome)
            && last.consumer == run.consumer
        {
            last.end = run.end;
            last.count += run.count;
            last.attempts = last.attempts.max(run.attempts);
            last.first_sent = last.first_sent.min(run.first_sent);
            return;
        }
        if ended.capacity() == 0 {
            ended.reserve(USUAL_ENDS);
        }
        ended.push(run);
    }

    /// The changed cursors, as parts of `room`, and what their save will confirm.
    pub(crate) fn collect(&mut self, room: &mut BytesMut) -> (Vec<(Bytes, Bytes)>, Ticket) {
        let id = self.subscription.id;
        let moved = self.slots.take_moved();
        let mut cursors = Vec::with_capacity(moved.len());
        // Cursors of a deleted subscription are gone, and stay so.
        let keeps = self.closed.is_none();
        for partition in moved {
            let Some(at) = self.cursor(partition).filter(|_| keeps) else { continue };
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            slot.is_dirty = false;
            slot.saved_low = at.low;
            cursor::put_key(room, id, partition);
            let key = room.split().freeze();
            Cursor::put(room, at.low, &at.settled);
            let value = room.split().freeze();
            slot.is_oversized = value.len() > cursor::BYTES_MAX;
            cursors.push((key, value));
        }
        let mut ticket = *self.ticket.take().unwrap_or_default();
        ticket.generation = self.generation;
        (cursors, ticket)
    }

    /// Whether so much was passed without an ack that its cursors should be saved for their own sake:
    /// what is not saved is read again after a crash.
    pub(crate) fn wants_save(&self) -> bool {
        let is_far = |slot: &Slot| slot.window.low() >= slot.saved_low + PASSED_MAX;
        self.slots.moved_slots().any(is_far)
    }

    /// A save is durable.
    pub(crate) fn saved(&mut self, ticket: Ticket) {
        self.saves.end(Ok(ticket.generation));
        self.unconfirmed = self.unconfirmed.saturating_sub(ticket.count);
        for (session, (runs, stale)) in ticket.confirms {
            self.tell(session, Outgoing::Confirmed { runs, stale });
        }
    }

    /// A save failed for good: acks can no longer be confirmed.
    pub(crate) fn save_failed(&mut self, ticket: Ticket, refusal: Refusal) {
        self.saves.end(Err(Box::new(refusal.clone())));
        self.slots.all_moved();
        // What is not written down goes with the next save: no cursor covers it before. It stays
        // unconfirmed, which bounds how much there is.
        let next = self.ticket.take().unwrap_or_default();
        let kept = self.ticket.insert(Box::new(ticket));
        kept.ended.extend(next.ended);
        kept.letters.extend(next.letters);
        kept.buried.extend(next.buried);
        kept.acked.extend(next.acked);
        kept.count += next.count;
        kept.confirms = next.confirms;
        let sessions: Vec<_> = self.members.iter().map(|m| m.consumer.session).collect();
        for session in sessions {
            self.tell(session, Outgoing::Closed(refusal.clone()));
        }
    }

    /// Confirms to a session, with the next save, what it settled and what was not its to settle.
    pub(crate) fn confirm(&mut self, session: u64, runs: Vec<Run>, stale: Vec<Run>) {
        let ticket = self.ticket.get_or_insert_default();
        let confirm = ticket.confirms.entry(session).or_default();
        if confirm.0.is_empty() {
            confirm.0.reserve(runs.len().max(USUAL_ENDS));
        }
        confirm.0.extend(runs);
        confirm.1.extend(stale);
    }

    pub(super) fn acked(&mut self, events: u64, now: Duration) {
        let ticket = self.ticket.get_or_insert_default();
        if ticket.count == 0 {
            ticket.since = now;
        }
        ticket.count += events;
        self.unconfirmed += events;
        self.generation += 1;
    }
}

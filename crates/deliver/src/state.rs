//! The state of one live subscription and its steps. Pure: inputs and time in, outputs out.

mod catching_up;
mod expired;
mod failed;
mod filling;
mod looking;
mod members;
mod passing;
mod reading_ahead;
mod redriven;
mod saving;
mod seeking;
mod settling;
mod shedding;
mod untold;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Sharing, Subscription, Topic};
use tidings_event::hop::Committed;
use tidings_event::{Code, Epoch, Offset, Refusal, Timestamp, TopicPartition};

use crate::dead_letter::AttemptOutcome;
use crate::feed::Piece;
use crate::group::Group;
use crate::matching::Selected;
use crate::nack::Nack;
use crate::outgoing::{GapNotice, GapReason, Outgoing};
use crate::sent::Sent;
use crate::slot::{Budget, Pass, ReadFor};
use crate::slots::Slots;
use crate::window::{Freed, To, Window};

use failed::Failures;
pub(crate) use failed::{BurialOutcome, Counts, Exhausted};
use looking::Looks;
pub(crate) use members::{Consumer, Members};
pub(crate) use reading_ahead::Ahead;
pub(crate) use redriven::Returning;
pub(crate) use saving::{Ended, Saves, Ticket};
pub(crate) use shedding::Shedding;
use shedding::Withheld;

/// After so many partitions of which nothing is here the log is read.
const UNREAD_MAX: usize = 64;

/// What a step asks of the shell.
#[derive(Debug)]
pub(crate) enum Step {
    /// Give this to the consumer.
    Out(Outgoing),
    /// Give these events to the consumer.
    Send(Sent),
    /// Read the log from here and hand the answer to [`State::filled`].
    Read(TopicPartition, u64, ReadFor),
    /// Nothing to do before this time, or before something changes.
    Wait(Option<Duration>),
}

/// Bounds of one subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) live_bytes: usize,
}

/// See the module. First stands what each block is held against, as in [`Live`](crate::live::Live).
#[derive(Debug)]
#[repr(C)]
pub(crate) struct State {
    /// Grows whenever more becomes durable.
    news: u64,
    pub(crate) queued_bytes: usize,
    pub(crate) limits: Limits,
    pub(crate) members: Members,
    pub(crate) slots: Slots,
    /// Whether live blocks are left to the log until it is sent something again.
    is_shed: bool,
    /// Whether it was sent something since it was last asked to let go of blocks.
    is_moving: bool,
    pub(crate) is_saving: bool,
    /// Without a cursor: what is sent is settled.
    pub(crate) is_ephemeral: bool,
    /// Whether somebody is burying its events.
    pub(crate) is_burying: bool,
    /// Whether its dead letters are full: it sends nothing.
    is_held_by_letters: bool,
    /// Whether there may be letters of it, which an ack of their events takes away.
    pub(crate) has_letters: bool,
    pub(crate) epoch: Epoch,
    /// Changes of what it selects that are about to be made, or of which nobody knows whether they were:
    /// nothing is judged meanwhile.
    pub(crate) changes: u32,
    pub(crate) subscription: Arc<Subscription>,
    /// Who of them has which keys, where they share them.
    pub(crate) group: Option<Box<Group>>,
    /// For whoever consumes.
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) in_flight: Freed,
    /// Of a consumer that holds much.
    withheld: Option<Box<Withheld>>,
    pub(crate) closed: Option<Box<Refusal>>,
    /// Acks taken since the last save.
    ticket: Option<Box<Ticket>>,
    /// What lies in gaps that wait in the outbox.
    untold: Vec<Ended>,
    pub(crate) saves: Saves,
    /// Acked and not durable.
    pub(crate) unconfirmed: u64,
    pub(crate) generation: u64,
    looks: Looks,
    /// What of `in_flight` the metric shows.
    pub(crate) reported: u64,
    /// Partitions that time alone may change.
    timed: BTreeSet<TopicPartition>,
    failures: Option<Box<Failures>>,
    /// Of what is random about failures.
    seed: u64,
    /// What happened since it was last reported.
    pub(crate) counts: Counts,
}

impl State {
    pub(crate) fn new(
        subscription: Arc<Subscription>,
        limits: Limits,
        epoch: Epoch,
        seed: u64,
    ) -> Self {
        let group = (subscription.spec.sharing == Sharing::Group).then(Box::default);
        let slots = Slots::new(Arc::clone(&subscription));
        Self {
            subscription,
            limits,
            epoch,
            slots,
            members: Members::default(),
            group,
            outbox: VecDeque::new(),
            in_flight: Freed::default(),
            queued_bytes: 0,
            is_moving: false,
            withheld: None,
            is_shed: false,
            closed: None,
            ticket: None,
            untold: Vec::new(),
            saves: Saves::default(),
            unconfirmed: 0,
            generation: 0,
            news: 0,
            looks: Looks::default(),
            is_saving: false,
            reported: 0,
            is_ephemeral: false,
            timed: BTreeSet::new(),
            failures: None,
            seed,
            is_burying: false,
            is_held_by_letters: false,
            has_letters: false,
            changes: 0,
            counts: Counts::default(),
        }
    }

    /// Adds a partition.
    pub(crate) fn add(
        &mut self,
        partition: TopicPartition,
        topic: Arc<Topic>,
        window: Window,
        tail: u64,
    ) {
        self.slots.add(partition, topic, window, tail);
        self.wake(partition);
    }

    /// Takes a partition away because its topic is gone; tells the consumer what it will miss.
    pub(crate) fn remove(&mut self, partition: TopicPartition) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let (low, tail) = (slot.window.low(), slot.tail);
        let count = slot.window.unsettled(tail);
        if count > 0 {
            let notice = gap(
                &slot.topic,
                self.epoch,
                partition,
                (low, tail),
                count,
                GapReason::TopicDeleted,
            );
            self.outbox.push_back(Outgoing::Gap(notice));
        }
        self.take_out(partition);
    }

    /// Goes by what the subscription asks for now. What was handed over by other rules is forgotten;
    /// what is in flight stays so.
    pub(crate) fn revise(&mut self, subscription: &Arc<Subscription>) {
        let before = std::mem::replace(&mut self.subscription, Arc::clone(subscription));
        self.limits.events = u64::from(subscription.spec.max_in_flight.max(1));
        self.queued_bytes -= self.slots.revise(&before, subscription);
    }

    /// Learns that a partition is durable up to `tail`, and that what follows is offered.
    pub(crate) fn offered_from(&mut self, partition: TopicPartition, tail: u64) {
        if self.slots.resting(partition).is_some_and(|low| low >= tail) {
            return self.slots.offer(partition);
        }
        if let Some(slot) = self.slots.get_mut(&partition)
            && let Some(judge) = &slot.judge
            && !slot.fresh.is_offered()
        {
            let from = judge.in_force_from(partition).max(tail);
            self.queued_bytes -= slot.fresh.bytes();
            slot.fresh.offer_from(from);
        }
        self.reached(partition, tail);
    }

    /// Learns that every block of a partition below an offset was offered.
    pub(crate) fn offered_to(&mut self, partition: TopicPartition, offset: u64) {
        if self.changes > 0 {
            return;
        }
        if self.slots.resting(partition).is_some_and(|low| low >= offset) {
            return;
        }
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.offered_to(offset);
            if slot.is_dirty {
                self.slots.moved(partition);
            }
        }
    }

    /// Learns that a partition is durable up to `tail`.
    pub(crate) fn reached(&mut self, partition: TopicPartition, tail: u64) {
        if self.slots.resting(partition).is_some_and(|low| low >= tail) {
            return;
        }
        if let Some(slot) = self.slots.get_mut(&partition) {
            self.news += u64::from(slot.tail < tail);
            slot.tail = slot.tail.max(tail);
            self.wake(partition);
        }
    }

    /// Takes a live block when it follows what is here and there is room; a subscription that
    /// could not take it reads the log later. Says whether anything may have changed.
    pub(crate) fn push(&mut self, block: &Committed, selected: &Selected) -> bool {
        let partition = block.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition) else { return false };
        self.news += 1;
        let before = slot.fresh.bytes();
        let weight = size_of::<Piece>() + selected.body.len();
        let has_room = self.queued_bytes + weight <= self.limits.live_bytes;
        slot.push(block, selected, has_room && !self.is_shed);
        let signs = slot.signs();
        self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
        self.awoken(partition, signs);
        true
    }

    /// Decides what to do next for the owner's session.
    pub(crate) fn step(
        &mut self,
        budget: Budget,
        session: u64,
        (now, time): (Duration, &dyn Fn() -> Timestamp),
        deadline: Option<Duration>,
    ) -> Step {
        let Some(member) = self.members.get_mut(session) else {
            return Step::Out(Outgoing::Closed(taken_over()));
        };
        if let Some(out) = member.outbox.pop_front() {
            return Step::Out(out);
        }
        let timer = self.expire(now);
        let is_active = self.active().any(|member| member.consumer.session == session);
        if let Some(out) = self.outbox.pop_front_if(|_| is_active) {
            if let Outgoing::Gap(notice) = &out {
                self.told(notice);
            }
            return Step::Out(out);
        }
        if let Some(refusal) = &self.closed {
            return Step::Out(Outgoing::Closed(Refusal::clone(refusal)));
        }
        let Some(room) = self.members.get(session).filter(|_| is_active).map(|m| self.room(m))
        else {
            return Step::Wait(timer);
        };
        if let Some(notice) = self.pause_or_resume(session, room) {
            return Step::Out(notice);
        }
        let budget =
            Budget { events: budget.events.min(room.events), bytes: budget.bytes.min(room.bytes) };
        if budget.events == 0 || budget.bytes == 0 || self.is_held() || self.subscription.is_paused
        {
            return Step::Wait(timer);
        }
        if let Some(until) = self.withheld(now) {
            return Step::Wait(Some(timer.map_or(until, |timer| timer.min(until))));
        }
        let to = To { session, now, time, deadline };
        let mut unread = None;
        let mut tried = 0;
        while let Some(partition) = self.turn(session).filter(|_| tried < UNREAD_MAX) {
            match self.take(partition, budget, to) {
                Ok(None) => self.turn_over(session, false),
                Err(Pass::Later) => self.turn_over(session, true),
                // What is here goes before the log is read.
                Err(Pass::Read(from, why)) => {
                    let first = *unread.get_or_insert((partition, from, why));
                    if tried > 0 && first.0 == partition {
                        break;
                    }
                    tried += 1;
                    self.turn_over(session, true);
                }
                Ok(Some(mut sent)) => {
                    (self.is_moving, self.is_shed) = (true, false);
                    self.sent(partition, session, &mut sent);
                    return Step::Send(sent);
                }
            }
        }
        if let Some((partition, from, why)) = unread {
            return Step::Read(partition, from, why);
        }
        // What begins to wait for more in this step has its time too.
        let batches = self.timed.iter().filter_map(|at| self.slots.get(at)?.next_batch());
        Step::Wait(batches.chain(timer).min())
    }

    /// Takes what a partition sends next, and notes what that changed.
    fn take(
        &mut self,
        partition: TopicPartition,
        budget: Budget,
        to: To<'_>,
    ) -> Result<Option<Sent>, Pass> {
        let Some(slot) = self.slots.get_mut(&partition) else { return Ok(None) };
        let before = slot.fresh.bytes();
        let held = slot.gates.counts().1;
        let turn = slot.take(budget, to, self.group.as_deref_mut());
        self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
        self.counts.held += slot.gates.counts().1.saturating_sub(held) as u64;
        if slot.is_timed() {
            self.timed.insert(partition);
        }
        if slot.is_dirty {
            self.slots.moved(partition);
        }
        if self.slots.get(&partition).is_some_and(|slot| !slot.expired.is_empty()) {
            self.tell_expired(partition);
        }
        if self.slots.get(&partition).is_some_and(|slot| slot.gates.are_full()) {
            self.make_room(partition);
        }
        turn
    }

    /// Whether nothing is sent, whatever the consumer has room for.
    fn is_held(&self) -> bool {
        let is_stopped = self.subscription.is_paused || self.is_held_by_letters || self.changes > 0;
        is_stopped || self.unconfirmed > self.limits.events
    }

    /// Takes note of what goes out.
    fn sent(&mut self, partition: TopicPartition, session: u64, sent: &mut Sent) {
        if let Some(slot) = self.slots.get(&partition).filter(|slot| slot.window.redriven() > 0) {
            sent.flag_redriven(|offset| slot.window.is_redriven(offset));
        }
        if !self.is_ephemeral {
            let (events, bytes) = (u64::from(sent.delivery.count), sent.delivery.body.len() as u64);
            if let Some(slot) = self.slots.get_mut(&partition) {
                let runs = sent.delivery.offsets.iter();
                let (first, end) = runs.fold((u64::MAX, 0), |(first, end), &(at, count)| {
                    (first.min(at.0), end.max(at.0 + u64::from(count)))
                });
                slot.ages.sent(first, end, sent.delivery.ingested_at);
            }
            self.in_flight.add(events, bytes);
            if let Some(member) = self.members.get_mut(session) {
                member.in_flight.add(events, bytes);
            }
        } else if let Some(slot) = self.slots.get_mut(&partition) {
            slot.window.ack(0, u64::MAX, session);
        }
    }

    /// Takes note that a cursor moved.
    fn dirty(&mut self, partition: TopicPartition) {
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.is_dirty = true;
            self.slots.moved(partition);
        }
    }

    /// Takes what is overdue for failed, wakes what may go out again; says when to look next.
    pub(crate) fn expire(&mut self, now: Duration) -> Option<Duration> {
        let mut earliest: Option<Duration> = None;
        // Few: only pull has deadlines, and only what failed waits.
        let timed: Vec<_> = self.timed.iter().copied().collect();
        for partition in timed {
            let Some(slot) = self.slots.get_mut(&partition).filter(|slot| slot.is_timed()) else {
                self.timed.remove(&partition);
                continue;
            };
            let late = slot.window.expire(now);
            if !late.is_empty() {
                self.failed(partition, &late, AttemptOutcome::Deadline, now, &Nack::default());
            }
            if let Some(slot) = self.slots.get_mut(&partition) {
                earliest = slot.wake(now).into_iter().chain(earliest).min();
            }
            self.wake(partition);
        }
        // Some have nothing left by it.
        self.expire_members(now).into_iter().chain(earliest).min()
    }
}

fn taken_over() -> Refusal {
    Refusal::new(Code::SessionTaken, "the same consumer went on over another connection")
}

fn gap(
    topic: &Arc<Topic>,
    epoch: Epoch,
    partition: TopicPartition,
    (first, end): (u64, u64),
    count: u64,
    reason: GapReason,
) -> GapNotice {
    GapNotice {
        topic: Arc::clone(topic),
        epoch,
        partition: partition.partition,
        from: Offset(first),
        to: Offset(end - 1),
        count,
        reason,
    }
}

#[cfg(test)]
pub(crate) mod tests;

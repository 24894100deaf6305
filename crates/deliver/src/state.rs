//! The state of one live subscription and its steps. Pure: inputs and time in, outputs out.

mod saving;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::{Subscription, Topic};
use tidings_event::hop::Committed;
use tidings_event::{Code, Epoch, Offset, Refusal, TopicPartition};
use tidings_log::ReadError;

use crate::feed::Piece;
use crate::outgoing::{GapNotice, GapReason, Outgoing, Run};
use crate::slot::{Budget, Slot, Turn};
use crate::window::{Freed, Sendable, Window};

pub(crate) use saving::Ticket;

/// Who consumes a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) name: String,
    pub(crate) session: u64,
    pub(crate) is_stream: bool,
    /// Most events in flight, where it wants fewer than the subscription allows.
    pub(crate) window: u64,
    /// Whether it is told when a full window holds events back.
    pub(crate) hears_pauses: bool,
}

/// What a step asks of the shell.
#[derive(Debug)]
pub(crate) enum Step {
    /// Give this to the consumer.
    Out(Outgoing),
    /// Give these events to the consumer.
    Send(Sent),
    /// Read the log from here and hand the answer to [`State::filled`].
    Read(TopicPartition, u64, bool),
    /// Nothing to do before this time, or before something changes.
    Wait(Option<Duration>),
}

/// Events on their way out.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) topic: Arc<Topic>,
    pub(crate) partition: TopicPartition,
    pub(crate) run: Sendable,
    pub(crate) piece: Piece,
}

/// Bounds of one subscription.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) live_bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) subscription: Arc<Subscription>,
    pub(crate) limits: Limits,
    pub(crate) epoch: Epoch,
    pub(crate) slots: BTreeMap<TopicPartition, Slot>,
    ready: VecDeque<TopicPartition>,
    pub(crate) owner: Option<Owner>,
    /// Pulls under way.
    pub(crate) pulls: u32,
    pub(crate) outbox: VecDeque<Outgoing>,
    pub(crate) in_flight: Freed,
    pub(crate) queued_bytes: usize,
    pub(crate) closed: Option<Refusal>,
    /// Acks taken since the last save.
    pub(crate) ticket: Ticket,
    /// Acked and not durable.
    pub(crate) unconfirmed: u64,
    pub(crate) generation: u64,
    pub(crate) is_saving: bool,
    /// What of `in_flight` the metric shows.
    pub(crate) reported: u64,
    /// Without a cursor: what is sent is settled.
    pub(crate) is_ephemeral: bool,
    /// Partitions that time alone may change.
    timed: BTreeSet<TopicPartition>,
    /// Whether the owner was told that it is held back.
    is_paused: bool,
}

impl State {
    pub(crate) fn new(subscription: Arc<Subscription>, limits: Limits, epoch: Epoch) -> Self {
        Self {
            subscription,
            limits,
            epoch,
            slots: BTreeMap::new(),
            ready: VecDeque::new(),
            owner: None,
            pulls: 0,
            outbox: VecDeque::new(),
            in_flight: Freed::default(),
            queued_bytes: 0,
            closed: None,
            ticket: Ticket::default(),
            unconfirmed: 0,
            generation: 0,
            is_saving: false,
            reported: 0,
            is_ephemeral: false,
            timed: BTreeSet::new(),
            is_paused: false,
        }
    }

    /// Whether live blocks are wanted.
    pub(crate) fn is_active(&self) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.is_stream) || self.pulls > 0
    }

    /// Adds a partition.
    pub(crate) fn add(
        &mut self,
        partition: TopicPartition,
        topic: Arc<Topic>,
        window: Window,
        tail: u64,
    ) {
        self.slots.insert(partition, Slot::new(topic, window, tail));
        self.wake(partition, Duration::ZERO);
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
        if let Some(mut slot) = self.slots.remove(&partition) {
            self.queued_bytes -= slot.fresh.bytes();
            if let Some(owner) = &self.owner {
                let freed = slot.window.detach(owner.session);
                self.free(freed);
            }
        }
    }

    /// Learns that a partition is durable up to `tail`.
    pub(crate) fn reached(&mut self, partition: TopicPartition, tail: u64, now: Duration) {
        if let Some(slot) = self.slots.get_mut(&partition) {
            slot.tail = slot.tail.max(tail);
            self.wake(partition, now);
        }
    }

    /// Takes a live block when it follows what is here and there is room; a subscription that
    /// could not take it reads the log later. Says whether anything may have changed.
    pub(crate) fn push(&mut self, block: &Committed, now: Duration) -> bool {
        let partition = block.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition) else { return false };
        slot.tail = slot.tail.max(block.end_offset().0);
        let before = slot.fresh.bytes();
        if self.queued_bytes + block.block.body.len() <= self.limits.live_bytes {
            slot.fresh.push(block, slot.window.next());
        }
        self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
        self.wake(partition, now);
        true
    }

    /// Takes the answer to [`Step::Read`].
    pub(crate) fn filled(
        &mut self,
        (partition, from, again): (TopicPartition, u64, bool),
        answer: Result<Vec<Committed>, ReadError>,
    ) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let lost = match answer {
            Ok(blocks) => {
                let Some(found) = blocks.first().map(|block| block.block.header.base_offset.0)
                else {
                    slot.tail = slot.tail.min(from);
                    return;
                };
                let before = slot.fresh.bytes();
                let feed = if again { &mut slot.again } else { &mut slot.fresh };
                if again {
                    feed.clear();
                }
                feed.fill(&blocks, from);
                self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
                if found <= from {
                    return;
                }
                (from, found, GapReason::DataLoss)
            }
            Err(ReadError::Trimmed { trim, .. }) => (from, trim.0, GapReason::Retention),
            Err(ReadError::DataLoss { from: first, to, .. }) => {
                (first.0.max(from), to.0 + 1, GapReason::DataLoss)
            }
            Err(ReadError::OutOfRange { durable_tail, .. }) => {
                slot.tail = slot.tail.min(durable_tail.0);
                return;
            }
            Err(ReadError::UnknownPartition(_)) => {
                slot.tail = slot.tail.min(from);
                return;
            }
            Err(ReadError::Io(detail)) => {
                self.outbox.push_back(Outgoing::Closed(Refusal::new(Code::Internal, detail)));
                return;
            }
        };
        self.skip(partition, lost);
    }

    fn skip(&mut self, partition: TopicPartition, (first, end, reason): (u64, u64, GapReason)) {
        let Some(slot) = self.slots.get_mut(&partition) else { return };
        let count = slot.window.skip(first, end);
        if count > 0 {
            slot.is_dirty = true;
            let notice = gap(&slot.topic, self.epoch, partition, (first, end), count, reason);
            self.outbox.push_back(Outgoing::Gap(notice));
            self.generation += 1;
        }
    }

    /// Decides what to do next for the owner's session.
    pub(crate) fn step(
        &mut self,
        budget: Budget,
        session: u64,
        now: Duration,
        deadline: Option<Duration>,
    ) -> Step {
        if self.owner.as_ref().is_some_and(|owner| owner.is_stream && owner.session != session) {
            return Step::Out(Outgoing::Closed(taken_over()));
        }
        if let Some(out) = self.outbox.pop_front() {
            return Step::Out(out);
        }
        if let Some(refusal) = &self.closed {
            return Step::Out(Outgoing::Closed(refusal.clone()));
        }
        let timer = self.expire(now);
        let room = self.room();
        if let Some(notice) = self.pause_or_resume(room, now) {
            return Step::Out(notice);
        }
        let budget =
            Budget { events: budget.events.min(room.events), bytes: budget.bytes.min(room.bytes) };
        if budget.events == 0 || budget.bytes == 0 || self.unconfirmed > self.limits.events {
            return Step::Wait(timer);
        }
        while let Some(&partition) = self.ready.front() {
            let Some(slot) = self.slots.get_mut(&partition) else {
                self.ready.pop_front();
                continue;
            };
            let before = slot.fresh.bytes();
            let turn = slot.take(budget, now);
            self.queued_bytes = self.queued_bytes - before + slot.fresh.bytes();
            match turn {
                Turn::Nothing => {
                    slot.is_ready = false;
                    self.ready.pop_front();
                }
                Turn::Later => self.ready.rotate_left(1),
                Turn::Read(from, again) => return Step::Read(partition, from, again),
                Turn::Send(run, piece) => {
                    let bytes = piece.body.len() as u64;
                    slot.window.sent(run, piece.end(), session, bytes, deadline);
                    if self.is_ephemeral {
                        slot.window.ack(run.first, piece.end(), session);
                    } else {
                        self.in_flight.events += u64::from(piece.count);
                        self.in_flight.bytes += bytes;
                    }
                    if deadline.is_some() {
                        self.timed.insert(partition);
                    }
                    let topic = Arc::clone(&slot.topic);
                    return Step::Send(Sent { topic, partition, run, piece });
                }
            }
        }
        Step::Wait(timer)
    }

    /// Gives back what is overdue, wakes what may go out again; says when to look next.
    pub(crate) fn expire(&mut self, now: Duration) -> Option<Duration> {
        let mut earliest: Option<Duration> = None;
        let mut freed = Freed::default();
        // Few: only pull has deadlines, and only what was given back is due.
        let timed: Vec<_> = self.timed.iter().copied().collect();
        for partition in timed {
            let Some(slot) = self.slots.get_mut(&partition).filter(|s| !s.window.is_idle()) else {
                self.timed.remove(&partition);
                continue;
            };
            let late = slot.window.expire(now);
            freed.events += late.events;
            freed.bytes += late.bytes;
            let times = [slot.window.deadline(), slot.window.due_at().filter(|&at| at > now)];
            earliest = times.into_iter().flatten().chain(earliest).min();
            if !slot.is_ready && slot.has_work(now) {
                slot.is_ready = true;
                self.ready.push_back(partition);
            }
        }
        self.free(freed);
        earliest
    }

    /// Settles runs that are in flight to a session. Returns what was settled and what was not.
    pub(crate) fn ack(&mut self, session: u64, run: Run, up_to: bool, now: Duration) -> Vec<Run> {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| run.epoch == self.epoch) else {
            return Vec::new();
        };
        let first = if up_to { 0 } else { run.first.0 };
        let (settled, freed) = slot.window.ack(first, run.last.0.saturating_add(1), session);
        if settled.is_empty() {
            return Vec::new();
        }
        slot.is_dirty = true;
        self.free(freed);
        self.acked(freed.events, now);
        self.wake(partition, now);
        settled
            .into_iter()
            .map(|(a, b)| Run { first: Offset(a), last: Offset(b - 1), ..run })
            .collect()
    }

    /// Settles what of a run is due again, for the session that had it last; says how much.
    pub(crate) fn ack_late(&mut self, session: u64, run: Run, now: Duration) -> u64 {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| run.epoch == self.epoch) else {
            return 0;
        };
        let count = slot.window.ack_late(run.first.0, run.last.0.saturating_add(1), session);
        if count > 0 {
            slot.is_dirty = true;
            self.acked(count, now);
            self.wake(partition, now);
        }
        count
    }

    /// Gives runs back. Returns what was in flight.
    pub(crate) fn nack(
        &mut self,
        session: u64,
        run: Run,
        now: Duration,
        delay: Duration,
    ) -> Vec<Run> {
        let partition = run.topic_partition();
        let Some(slot) = self.slots.get_mut(&partition).filter(|_| run.epoch == self.epoch) else {
            return Vec::new();
        };
        let end = run.last.0.saturating_add(1);
        let (given, freed) = slot.window.nack(run.first.0, end, session, now.saturating_add(delay));
        self.timed.insert(partition);
        self.free(freed);
        self.wake(partition, now);
        given
            .into_iter()
            .map(|(a, b)| Run { first: Offset(a), last: Offset(b - 1), ..run })
            .collect()
    }

    /// A session is gone: everything it had is due again.
    pub(crate) fn detach(&mut self, session: u64) {
        if self.owner.as_ref().is_none_or(|owner| owner.session != session) {
            return;
        }
        self.owner = None;
        let partitions: Vec<_> = self.slots.keys().copied().collect();
        for partition in partitions {
            if let Some(slot) = self.slots.get_mut(&partition) {
                let freed = slot.window.detach(session);
                slot.again.clear();
                if !slot.window.is_idle() {
                    self.timed.insert(partition);
                }
                self.free(freed);
            }
            self.wake(partition, Duration::MAX);
        }
        self.outbox.retain(|out| matches!(out, Outgoing::Gap(_)));
        self.is_paused = false;
        self.forget_live();
    }

    /// Gives the live blocks back.
    pub(crate) fn forget_live(&mut self) {
        for slot in self.slots.values_mut() {
            slot.fresh.clear();
        }
        self.queued_bytes = 0;
    }

    /// How much more may be in flight.
    fn room(&self) -> Budget {
        let window = self.owner.as_ref().map_or(u64::MAX, |owner| owner.window);
        Budget {
            events: self.limits.events.min(window).saturating_sub(self.in_flight.events),
            bytes: self.limits.bytes.saturating_sub(self.in_flight.bytes),
        }
    }

    /// Tells an owner that wants to hear it that its window is full and holds events back, and
    /// that there is room again.
    fn pause_or_resume(&mut self, room: Budget, now: Duration) -> Option<Outgoing> {
        let is_full = room.events == 0 || room.bytes == 0;
        let hears = self.owner.as_ref().is_some_and(|owner| owner.hears_pauses);
        if !hears || is_full == self.is_paused {
            return None;
        }
        let has_work = |at: &TopicPartition| self.slots.get(at).is_some_and(|s| s.has_work(now));
        if is_full && !self.ready.iter().any(has_work) {
            return None;
        }
        self.is_paused = is_full;
        let in_flight = self.in_flight.events;
        Some(if is_full { Outgoing::Paused { in_flight } } else { Outgoing::Resumed { in_flight } })
    }

    fn free(&mut self, freed: Freed) {
        self.in_flight.events = self.in_flight.events.saturating_sub(freed.events);
        self.in_flight.bytes = self.in_flight.bytes.saturating_sub(freed.bytes);
    }

    fn wake(&mut self, partition: TopicPartition, now: Duration) {
        if let Some(slot) = self.slots.get_mut(&partition)
            && !slot.is_ready
            && slot.has_work(now)
        {
            slot.is_ready = true;
            self.ready.push_back(partition);
        }
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

//! Who consumes a subscription: one, one with others waiting behind it, or a group.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::Sharing;
use tidings_event::{Code, Refusal, TopicPartition};

use super::State;
use crate::dead_letter::AttemptOutcome;
use crate::gates::FailedAttempt;
use crate::outgoing::Outgoing;
use crate::slot::{Budget, Signs, Slot};
use crate::window::{Freed, Landed};

/// Who consumes a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Consumer {
    pub(crate) name: Arc<str>,
    pub(crate) session: u64,
    pub(crate) is_stream: bool,
    /// Most events in flight, where it wants fewer than the subscription allows.
    pub(crate) window: u64,
    /// Whether it is told when a full window holds events back.
    pub(crate) hears_pauses: bool,
}

/// Up to so many partitions are looked through one by one.
const FEW: usize = 16;

/// Partitions that may have something for a member, in the order of their turns.
#[derive(Debug, Default)]
pub(super) struct Ready {
    queue: VecDeque<TopicPartition>,
    /// The same ones, where they are more than a few; otherwise none.
    queued: HashSet<TopicPartition>,
}

impl Ready {
    pub(super) fn push(&mut self, partition: TopicPartition) {
        let is_there = if self.queued.is_empty() {
            self.queue.contains(&partition)
        } else {
            self.queued.contains(&partition)
        };
        if is_there {
            return;
        }
        self.queue.push_back(partition);
        if !self.queued.is_empty() {
            self.queued.insert(partition);
        } else if self.queue.len() > FEW {
            self.queued.extend(&self.queue);
        }
    }

    pub(super) fn first(&self) -> Option<TopicPartition> {
        self.queue.front().copied()
    }

    pub(super) fn pop(&mut self) {
        if let Some(partition) = self.queue.pop_front() {
            self.queued.remove(&partition);
        }
    }

    /// Gives back the room of what waited once, when nothing waits now.
    pub(super) fn tidy(&mut self) {
        if self.queue.is_empty() && self.queue.capacity() > FEW {
            *self = Self::default();
        }
    }

    pub(super) fn rotate(&mut self) {
        self.queue.rotate_left(1);
    }
}

/// A consumer that is there.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) consumer: Consumer,
    /// Pulls under way.
    pulls: u32,
    pub(crate) in_flight: Freed,
    pub(super) outbox: VecDeque<Outgoing>,
    pub(super) ready: Ready,
    /// Whether it was told that it is held back.
    is_paused: bool,
}

impl Member {
    fn new(consumer: Consumer) -> Self {
        Self {
            consumer,
            pulls: 0,
            in_flight: Freed::default(),
            outbox: VecDeque::new(),
            ready: Ready::default(),
            is_paused: false,
        }
    }

    /// Whether it waits for events.
    fn is_active(&self) -> bool {
        self.consumer.is_stream || self.pulls > 0
    }

    /// Whether it waits for nothing and has nothing.
    fn is_idle(&self) -> bool {
        !self.is_active() && self.in_flight.events == 0
    }
}

/// All consumers that are there, in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Members(Vec<Member>);

impl Members {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.0.iter_mut()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, session: u64) -> Option<&Member> {
        self.0.iter().find(|member| member.consumer.session == session)
    }

    pub(super) fn get_mut(&mut self, session: u64) -> Option<&mut Member> {
        self.0.iter_mut().find(|member| member.consumer.session == session)
    }

    fn position(&self, session: u64) -> Option<usize> {
        self.0.iter().position(|member| member.consumer.session == session)
    }
}

impl State {
    /// Whether live blocks are wanted.
    pub(crate) fn is_active(&self) -> bool {
        self.members.iter().any(Member::is_active)
    }

    /// Whether anybody consumes it: waits for events, or has some.
    pub(crate) fn is_consumed(&self) -> bool {
        !self.members.iter().all(Member::is_idle)
    }

    /// Who is sent events.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Member> {
        let at_most = if self.group.is_some() { usize::MAX } else { 1 };
        self.members.iter().take(at_most)
    }

    /// Takes a consumer in. A pull consumer that is there already goes on in its session, which is
    /// returned; a stream that follows one that is there takes its place.
    pub(crate) fn claim(
        &mut self,
        consumer: Consumer,
        follows: Option<u64>,
        now: Duration,
    ) -> Result<u64, Refusal> {
        if let Some(refusal) = &self.closed {
            return Err(Refusal::clone(refusal));
        }
        self.expire(now);
        let is_same = |held: &&Member| {
            let held = &held.consumer;
            match (held.is_stream, consumer.is_stream) {
                (true, true) => follows == Some(held.session),
                (false, false) => held.name == consumer.name,
                _ => false,
            }
        };
        let same = self.members.iter().find(is_same).map(|held| held.consumer.session);
        let (is_stream, mut session) = (consumer.is_stream, consumer.session);
        match same {
            Some(held) if is_stream => {
                let place = self.members.position(held);
                self.detach(held, now);
                self.admit(consumer, place, now)?;
            }
            Some(held) => session = held,
            None => {
                self.make_way(now)?;
                self.admit(consumer, None, now)?;
            }
        }
        if let Some(member) = self.members.get_mut(session).filter(|_| !is_stream) {
            member.pulls += 1;
            if let Some(group) = &mut self.group {
                group.wakes(session);
            }
        }
        Ok(session)
    }

    /// Lets one that only could consume give way; refuses where only one may be there.
    fn make_way(&mut self, now: Duration) -> Result<(), Refusal> {
        if self.subscription.spec.sharing == Sharing::Group {
            return Ok(());
        }
        let idle = self.members.iter().find(|member| member.is_idle());
        if let Some(session) = idle.map(|member| member.consumer.session) {
            self.detach(session, now);
        }
        match self.members.iter().next() {
            Some(held) if self.subscription.spec.sharing == Sharing::Exclusive => {
                Err(busy(self, &format!("consumer `{}` is attached to", held.consumer.name)))
            }
            _ => Ok(()),
        }
    }

    fn admit(
        &mut self,
        consumer: Consumer,
        place: Option<usize>,
        now: Duration,
    ) -> Result<(), Refusal> {
        if let Some(group) = &mut self.group
            && group.join(consumer.session, &consumer.name, now).is_err()
        {
            return Err(busy(self, "as many consumers as may be are attached to"));
        }
        let place = place.unwrap_or(self.members.0.len()).min(self.members.0.len());
        if self.members.is_empty() {
            // Most are alone.
            self.members.0.reserve_exact(1);
        }
        self.members.0.insert(place, Member::new(consumer));
        self.wake_all();
        Ok(())
    }

    /// A session is gone: everything it had is due again.
    pub(crate) fn detach(&mut self, session: u64, now: Duration) {
        let Some(place) = self.members.position(session) else { return };
        let consumer = self.consumer(session);
        let outcome = AttemptOutcome::ConnectionLost;
        let lost = FailedAttempt { at: now, consumer, outcome, detail: Arc::default() };
        self.members.0.remove(place);
        if let Some(group) = &mut self.group {
            group.dead(session, now);
        }
        let partitions: Vec<_> = self.slots.awake().map(|(at, _)| at).collect();
        for partition in partitions {
            let Some(slot) = self.slots.get_mut(&partition) else { continue };
            let back = slot.window.give_back(0, u64::MAX, session);
            if !slot.gates.is_empty() {
                back.iter().for_each(|r| slot.gates.lost(r.first, r.flight.end, &lost));
            }
            if self.members.is_empty() {
                slot.again.clear();
            }
            self.landed(partition, &back);
        }
        self.outbox.retain(|out| matches!(out, Outgoing::Gap(_)));
        if !self.is_active() {
            self.forget_live();
        }
        self.wake_all();
    }

    /// One pull of a session ends; the session stays, with what it has in flight.
    pub(crate) fn end_pull(&mut self, session: u64, now: Duration) {
        let Some(member) = self.members.get_mut(session) else { return };
        member.pulls = member.pulls.saturating_sub(1);
        if member.pulls == 0
            && let Some(group) = &mut self.group
        {
            group.rests(session, now);
        }
        if !self.is_active() {
            self.forget_live();
        }
        self.expire(now);
    }

    /// Lets consumers go that are none any more, and those that wait take their places. Says when
    /// to look next.
    pub(super) fn expire_members(&mut self, now: Duration) -> Option<Duration> {
        let Some(group) = &mut self.group else {
            // The only one stays, for those who ask who it was.
            let idle = self.members.iter().filter(|m| m.is_idle() && self.members.0.len() > 1);
            for session in idle.map(|member| member.consumer.session).collect::<Vec<_>>() {
                self.detach(session, now);
            }
            return None;
        };
        let fenced: BTreeMap<_, _> = group.expire(now).into_iter().collect();
        let next = group.next_at();
        let is_gone = |held: &&Member| !group.has(held.consumer.session);
        let gone: Vec<_> =
            self.members.iter().filter(is_gone).map(|m| m.consumer.session).collect();
        for session in gone {
            self.detach(session, now);
        }
        if !fenced.is_empty() {
            self.counts.fenced += fenced.len() as u64;
            let partitions: Vec<_> = self.slots.awake().map(|(at, _)| at).collect();
            for partition in partitions {
                let Some(slot) = self.slots.get_mut(&partition) else { continue };
                let back = slot.fence(&fenced);
                self.landed(partition, &back);
            }
            self.wake_all();
        }
        next
    }

    /// Takes note that runs are in flight no more.
    pub(super) fn landed(&mut self, partition: TopicPartition, landed: &[Landed]) {
        for run in landed {
            self.in_flight.take(run.events, run.flight.bytes);
            if let Some(member) = self.members.get_mut(run.flight.session) {
                member.in_flight.take(run.events, run.flight.bytes);
            }
        }
        let (Some(group), Some(slot)) = (&mut self.group, self.slots.get_mut(&partition)) else {
            return;
        };
        if slot.landed(landed, group) {
            self.wake_all();
        }
    }

    /// The partition whose turn it is with a member.
    pub(super) fn turn(&mut self, session: u64) -> Option<TopicPartition> {
        let ready = &mut self.members.get_mut(session)?.ready;
        while let Some(partition) = ready.first() {
            if self.slots.contains(&partition) {
                return Some(partition);
            }
            ready.pop();
        }
        None
    }

    /// The partition that has its turn with a member after so many others.
    pub(super) fn ready(&self, session: u64, after: usize) -> Option<TopicPartition> {
        self.members.get(session)?.ready.queue.get(after).copied()
    }

    /// Ends a partition's turn with a member; it has another one later when there is more.
    pub(super) fn turn_over(&mut self, session: u64, has_more: bool) {
        if let Some(member) = self.members.get_mut(session) {
            if has_more {
                member.ready.rotate();
            } else {
                member.ready.pop();
            }
        }
    }

    /// How much more a member may have in flight.
    pub(super) fn room(&self, member: &Member) -> Budget {
        let events = self.limits.events.min(member.consumer.window);
        Budget {
            events: events.saturating_sub(member.in_flight.events),
            bytes: self.limits.bytes.saturating_sub(member.in_flight.bytes),
        }
    }

    /// Tells a member that wants to hear it that its window is full and holds events back, and
    /// that there is room again.
    pub(super) fn pause_or_resume(&mut self, session: u64, room: Budget) -> Option<Outgoing> {
        let is_full = room.events == 0 || room.bytes == 0;
        let member = self.members.get(session)?;
        if !member.consumer.hears_pauses || is_full == member.is_paused {
            return None;
        }
        let has_work = |at: &TopicPartition| self.slots.get(at).is_some_and(Slot::has_work);
        if is_full && !member.ready.queue.iter().any(has_work) {
            return None;
        }
        let member = self.members.get_mut(session)?;
        member.is_paused = is_full;
        let in_flight = member.in_flight.events;
        Some(if is_full { Outgoing::Paused { in_flight } } else { Outgoing::Resumed { in_flight } })
    }

    /// Gives the live blocks back.
    pub(crate) fn forget_live(&mut self) {
        self.slots.forget_live();
        self.queued_bytes = 0;
    }

    /// Tells a session something when it is there.
    pub(crate) fn tell(&mut self, session: u64, out: Outgoing) {
        if let Some(member) = self.members.get_mut(session).filter(|m| m.consumer.is_stream) {
            member.outbox.push_back(out);
        }
    }

    pub(super) fn wake_all(&mut self) {
        for (partition, _) in self.slots.awake().filter(|(_, slot)| slot.has_work()) {
            self.members.iter_mut().for_each(|member| member.ready.push(partition));
        }
    }

    pub(super) fn wake(&mut self, partition: TopicPartition) {
        let Some(slot) = self.slots.get(&partition) else { return };
        let signs = slot.signs();
        self.awoken(partition, signs);
    }

    /// Goes by the signs of a slot to which something happened.
    pub(super) fn awoken(&mut self, partition: TopicPartition, signs: Signs) {
        if signs.is_timed {
            self.timed.insert(partition);
        }
        if signs.has_work {
            self.members.iter_mut().for_each(|member| member.ready.push(partition));
        }
    }

    /// Who a session is.
    pub(super) fn consumer(&self, session: u64) -> Arc<str> {
        let member = self.members.get(session);
        member.map_or_else(|| Arc::from(""), |member| Arc::clone(&member.consumer.name))
    }
}

fn busy(state: &State, why: &str) -> Refusal {
    let name = &state.subscription.spec.name;
    Refusal::new(Code::SubscriptionBusy, format!("{why} subscription `{name}`"))
        .with_hint("wait for it to end, or make another subscription")
}

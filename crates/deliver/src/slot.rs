//! One partition of one live subscription: its window, the gates of its keys, and the blocks its
//! deliveries come from.

mod age;
mod batching;
mod expiry;
mod folding;
mod passing;
mod shared;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::Topic;
use tidings_event::PartitionId;
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::key::KeyHash;

use crate::feed::{Feed, Piece};
use crate::gates::{Gates, Released};
use crate::group::Group;
use crate::matching::{Judge, Selected};
use crate::runs::RunSet;
use crate::sent::{Picker, Sent};
use crate::slots::Rest;
use crate::window::{Due, Sendable, To, Window};

use age::Ages;
pub(crate) use batching::Batch;
use folding::Folds;
pub(crate) use shared::Share;

/// Bytes a partition may send in one turn.
const TURN_BYTES: i64 = 64 << 10;

/// See the module.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) topic: Arc<Topic>,
    partition: PartitionId,
    pub(crate) window: Window,
    pub(crate) gates: Gates,
    /// First offset that is not known to be durable.
    pub(crate) tail: u64,
    /// What of its blocks the subscription is for; absent where it is for all.
    pub(crate) judge: Option<Judge>,
    /// Blocks for first deliveries.
    pub(crate) fresh: Feed,
    /// Blocks for redeliveries.
    pub(crate) again: Feed,
    /// How old what is in flight is.
    pub(crate) ages: Ages,
    /// What folds its anomalies.
    folds: Option<Box<Folds>>,
    /// What a group of consumers needs to share it.
    pub(crate) share: Option<Box<Share>>,
    /// How deliveries are put together; absent where each block goes as it comes.
    pub(crate) batch: Option<Box<Batch>>,
    /// What expired, and nobody was told.
    pub(crate) expired: RunSet,
    /// Whether its cursor moved since it was last saved.
    pub(crate) is_dirty: bool,
    /// Where its cursor was when it was last saved.
    pub(crate) saved_low: u64,
    /// Whether its cursor has grown too large to go on.
    pub(crate) is_oversized: bool,
    turn: i64,
    /// Dead letters that come back, and below which offset nothing may be out before they go.
    behind: BTreeMap<u64, u64>,
}

/// While the log has to be read first, no more live blocks wait than this.
const HANDOVER_BYTES: usize = 64 << 10;

/// How much may be sent now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// What there is to do with a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signs {
    /// Whether there may be something to send, or to read.
    pub(crate) has_work: bool,
    /// Whether time alone may change it.
    pub(crate) is_timed: bool,
}

/// What the log is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadFor {
    /// First deliveries.
    Fresh,
    /// Redeliveries.
    Again,
    /// The keys of events that failed.
    Keys,
    /// Events that wait for their member.
    Waiting,
}

/// Why a slot does not send when it is its turn.
#[derive(Debug)]
pub(crate) enum Pass {
    /// Others first.
    Later,
    /// The log has to be read from an offset on.
    Read(u64, ReadFor),
}

/// What may be sent next.
#[derive(Clone, Copy, Debug)]
enum Next {
    /// An event that was looked at, and waited for its member.
    Waiting(u64),
    Run(Sendable),
}

impl Slot {
    pub(crate) fn new(topic: Arc<Topic>, at: PartitionId, window: Window, tail: u64) -> Self {
        Self {
            topic,
            partition: at,
            window,
            gates: Gates::default(),
            tail,
            judge: None,
            fresh: Feed::default(),
            again: Feed::default(),
            ages: Ages::default(),
            folds: None,
            share: None,
            batch: None,
            expired: RunSet::default(),
            is_dirty: false,
            saved_low: 0,
            is_oversized: false,
            turn: TURN_BYTES,
            behind: BTreeMap::new(),
        }
    }

    /// Where it is, when it has nothing to do and would be the same made anew from that.
    pub(crate) fn rests(&self) -> Option<Rest> {
        let level = self.window.level().filter(|level| level.low == self.tail)?;
        let is_saved = !self.is_dirty && self.saved_low == level.low && !self.is_oversized;
        let is_told = self.expired.is_empty() && self.folds_nothing();
        let is_quiet = !self.is_timed() && self.gates.is_empty() && self.shares_nothing();
        let is_offered = self.fresh.is_offered();
        (is_saved && is_told && is_quiet && self.fresh.bytes() == 0)
            .then_some(Rest { level, is_offered })
    }

    /// Whether there may be something to send, or to read.
    pub(crate) fn has_work(&self) -> bool {
        self.gates.unlearned().is_some() || self.sendable().is_some() || self.has_waiting()
    }

    /// What there is to do.
    pub(crate) fn signs(&self) -> Signs {
        Signs { has_work: self.has_work(), is_timed: self.is_timed() }
    }

    /// Whether settled runs above an unsettled offset hold it back.
    pub(crate) fn is_stalled(&self) -> bool {
        (self.is_oversized && !self.window.is_between()) || self.window.is_stalled()
    }

    /// Whether time alone may change it.
    pub(crate) fn is_timed(&self) -> bool {
        let times = [self.gates.next_at(), self.next_digest(), self.next_batch()];
        let waits = times.iter().any(Option::is_some) || self.gates.unlearned().is_some();
        waits || !self.behind.is_empty() || !self.window.is_timeless()
    }

    fn sendable(&self) -> Option<Sendable> {
        let may_start = || !self.is_stalled() && !self.gates.are_full() && !self.is_share_full();
        self.window.sendable(self.tail).filter(|run| run.again || may_start())
    }

    /// Takes what to send next, if anything.
    pub(crate) fn take(
        &mut self,
        budget: Budget,
        to: To<'_>,
        mut group: Option<&mut Group>,
    ) -> Result<Option<Sent>, Pass> {
        // What is to be sent may be of a key that just failed: nothing goes before that is known.
        if let Some(offset) = self.gates.unlearned() {
            return Err(Pass::Read(offset, ReadFor::Keys));
        }
        let bounds = self.bounds(budget);
        while let Some(next) = self.next(to.session, group.as_deref()) {
            if matches!(next, Next::Run(run) if self.gathers(run, to)) {
                return Ok(None);
            }
            if self.turn <= 0 {
                self.turn += TURN_BYTES;
                return Err(Pass::Later);
            }
            if let Some(mut sent) = self.once(next, bounds, to, group.as_deref_mut())? {
                if self.batch.is_some() {
                    self.fill_up(&mut sent, bounds, to, group);
                } else {
                    self.gather(&mut sent, bounds, to);
                }
                // A block has at most 1 MiB.
                self.turn -= i64::try_from(sent.delivery.body.len()).unwrap_or(TURN_BYTES);
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    /// Events of one block.
    fn once(
        &mut self,
        next: Next,
        budget: Budget,
        to: To<'_>,
        group: Option<&mut Group>,
    ) -> Result<Option<Sent>, Pass> {
        match next {
            Next::Waiting(offset) => self.waited(offset, budget, to, group),
            Next::Run(run) if self.is_whole(run) => self.whole(run, budget, to),
            Next::Run(run) => self.picked(run, budget, to, group),
        }
    }

    /// What a session may be sent next: what is due or waited for it, in offset order, then what is
    /// new. What waits may have been due: a key came to this session with the rest of it due still.
    fn next(&mut self, session: u64, group: Option<&Group>) -> Option<Next> {
        let run = self.pass();
        let due = run.filter(|run| run.again).map(|run| run.first);
        match self.next_waiting(session, group) {
            Some(offset) if due.is_none_or(|due| offset < due) => Some(Next::Waiting(offset)),
            _ => run.map(Next::Run),
        }
    }

    /// Whether no event of a run has to be looked at.
    fn is_whole(&mut self, run: Sendable) -> bool {
        let lies_apart =
            if run.again { self.window.is_scattered() } else { self.window.is_between() };
        let expires = self.feed(run).0.expires(run.first);
        let looks_at_all = self.share.is_some() || self.folds.is_some() || expires;
        !looks_at_all && self.gates.are_open() && !lies_apart
    }

    /// Events of one block, none of which has to be looked at.
    fn whole(&mut self, run: Sendable, budget: Budget, to: To<'_>) -> Result<Option<Sent>, Pass> {
        let (feed, why) = self.feed(run);
        // What follows the run in its block is first sent, too, unless it may have been before.
        let goes_on = !run.again && !run.redelivered;
        let count = if goes_on { u64::MAX } else { run.end - run.first };
        let piece = feed.take(run.first, count.min(budget.events), budget.bytes);
        let piece = piece.ok_or(Pass::Read(run.first, why))?;
        self.goes(run, &piece, to);
        Ok(Some(Sent::whole(&self.topic, self.partition, run, &piece)))
    }

    /// Takes note that all of a piece goes out, as a run that it begins with.
    fn goes(&mut self, run: Sendable, piece: &Piece, to: To<'_>) {
        let mut from = run.first;
        for (first, end, bytes) in piece.runs() {
            if from < first {
                self.filter(from, first);
            }
            self.window.sent(Sendable { first, end, ..run }, end, bytes, to);
            from = end;
        }
        if from < piece.end() {
            self.filter(from, piece.end());
        }
    }

    /// Events of one block that may lie apart. Those whose gates are closed are held; those of
    /// another member wait for it.
    fn picked(
        &mut self,
        run: Sendable,
        budget: Budget,
        to: To<'_>,
        mut group: Option<&mut Group>,
    ) -> Result<Option<Sent>, Pass> {
        let (feed, why) = self.feed(run);
        let piece = feed.block(run.first).ok_or(Pass::Read(run.first, why))?;
        let mut picker = Picker::new(&self.topic, self.partition, piece.clone());
        let mut from = run.first;
        let is_same = |next: &Sendable| next.again == run.again;
        let waits = self.next_waiting(to.session, group.as_deref()).unwrap_or(u64::MAX);
        let until = picker.end().min(waits);
        while let Some(run) = self.pass().filter(is_same).filter(|r| r.first < until) {
            let Some((event, frame)) = picker.seek(run.first) else { break };
            let end = run.first + 1;
            if self.expires(run, (&event, &piece), to.time) {
                from = end;
                continue;
            }
            let looks = group.is_some() || !self.gates.are_open();
            let key = looks.then(|| key_of(&event));
            let is_held = key.is_some_and(|key| self.gates.holds(run.first, key));
            let group = group.as_deref_mut();
            if let Some(key) = key.filter(|_| is_held) {
                let due = self.window.hold(run, end).unwrap_or_else(|| Due::first(run));
                self.gates.hold(run.first, key, due);
            } else if let Some(other) = key.filter(|&key| is_others(group.as_deref(), key, to)) {
                let due = self.window.hold(run, end).unwrap_or_else(|| Due::first(run));
                self.let_wait((run.first, other), due, &piece, group.as_deref());
            } else if picker.is_full(frame.len(), budget) {
                break;
            } else if self.folds(run, &event, &piece, to.now) {
                self.window.hold(run, end);
            } else {
                self.window.sent(run, end, frame.len() as u64, to);
                picker.tell(run.first, self.digest(run.first));
                let letters = key.map_or_else(Vec::new, |key| self.gates.skipped(key));
                self.lend(run.first, key, group);
                picker.pick(run, frame, &letters);
            }
            from = end;
        }
        self.feed(run).0.drop_below(from);
        Ok(picker.finish())
    }

    fn feed(&mut self, run: Sendable) -> (&mut Feed, ReadFor) {
        if run.again {
            (&mut self.again, ReadFor::Again)
        } else {
            (&mut self.fresh, ReadFor::Fresh)
        }
    }

    /// Takes a live block, when there is room for it.
    pub(crate) fn push(&mut self, block: &Committed, selected: &Selected, has_room: bool) {
        self.tail = self.tail.max(block.end_offset().0);
        // Before it is known what is offered, by which rules a block was matched is not known.
        if self.judge.is_some() && !self.fresh.is_offered() {
            return;
        }
        let is_wanted =
            self.fresh.bytes() < HANDOVER_BYTES || !self.fresh.is_behind(block, self.window.next());
        if has_room && is_wanted {
            self.fresh.push(block, self.window.next(), selected);
        } else {
            self.fresh.dropped(block);
        }
    }

    /// Lets go of every block, but for those of first deliveries that are to be kept: all of them can be
    /// read again. Says how many bytes they had.
    pub(crate) fn shed(&mut self, keeps_fresh: bool) -> usize {
        let fresh = if keeps_fresh {
            self.fresh.compact();
            0
        } else {
            self.fresh.shed()
        };
        fresh + self.again.shed() + self.clear_shelf()
    }

    /// Takes blocks that were read from `from` on.
    pub(crate) fn fill(&mut self, blocks: &[Committed], from: u64, why: ReadFor) {
        if why == ReadFor::Keys {
            self.learn(blocks, from);
        }
        let judge = self.judge.as_ref().filter(|_| why == ReadFor::Fresh);
        let selected = |block| judge.map_or_else(|| Selected::all(block), |j| j.select(block));
        let pieces = blocks.iter().map(|block| Piece::of(block, &selected(block))).collect();
        match why {
            ReadFor::Fresh => self.fresh.fill(pieces, from),
            ReadFor::Waiting => self.shelve(blocks),
            ReadFor::Again | ReadFor::Keys => {
                self.again.clear();
                self.again.fill(pieces, from);
            }
        }
    }

    /// Learns the keys of failing events that are in blocks read from `from` on.
    fn learn(&mut self, blocks: &[Committed], from: u64) {
        for block in blocks {
            let base = block.block.header.base_offset.0;
            let wanted = self.gates.unlearned_in(base.max(from), block.end_offset().0);
            let mut walk = (base..).zip(events(&block.block.body).map_while(Result::ok));
            for offset in wanted {
                if let Some((_, event)) = walk.find(|(at, _)| *at == offset) {
                    self.gates.learn(offset, key_of(event));
                }
            }
        }
    }

    /// Takes a dead letter that comes back after it was sent so often; says whether it is new.
    pub(crate) fn redrive(
        &mut self,
        (offset, sent): (u64, u32),
        key: Option<KeyHash>,
        now: Duration,
    ) -> bool {
        if !self.window.is_settled(offset) {
            // After a seek: it comes in its order.
            let is_new = !self.window.is_redriven(offset);
            self.window.redrive(offset, sent);
            return is_new;
        }
        if self.gates.get(offset).is_some() {
            return false;
        }
        let attempt = self.window.redrive(offset, sent);
        self.gates.redrive(offset, key, (now, attempt));
        self.behind.insert(offset, self.window.next());
        true
    }

    /// A letter that comes back will not go out.
    pub(crate) fn forget_redriven(&mut self, offset: u64) {
        self.behind.remove(&offset);
        self.window.end_redriven(offset, offset + 1);
        self.window.forget_due(offset);
        let released = self.gates.forget_redriven(offset);
        self.release(released);
    }

    /// Lets letters go out that nothing sent before is ahead of any more.
    fn let_through(&mut self) {
        let Self { behind, window, gates, .. } = self;
        behind.retain(|&offset, until| {
            let waits = window.has_out_below(*until);
            if !waits {
                gates.wait(offset, Duration::ZERO);
            }
            waits
        });
    }

    /// Lets parked events go out.
    pub(crate) fn release(&mut self, released: Vec<Released>) {
        for (offset, due) in released {
            self.window.release(offset, due);
        }
    }

    /// Makes due what waited for its time; says when to look next.
    pub(crate) fn wake(&mut self, now: Duration) -> Option<Duration> {
        self.let_through();
        let ready = self.gates.ready(now);
        self.release(ready);
        self.unfold(now);
        let times = [self.gates.next_at(), self.next_digest(), self.next_batch()];
        times.into_iter().chain([self.window.deadline()]).flatten().min()
    }
}

/// Whether a key is another member's, where keys are shared.
fn is_others(group: Option<&Group>, key: KeyHash, to: To<'_>) -> bool {
    group.is_some_and(|group| !group.is_for(key, to.session))
}

/// The key of a stored event. Admission scanned it: it can be scanned.
pub(crate) fn key_of(event: &[u8]) -> KeyHash {
    tidings_event::glance(event).map_or(KeyHash(0), |envelope| envelope.key_hash())
}

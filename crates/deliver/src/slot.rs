//! One partition of one live subscription: its window, the gates of its keys, and the blocks its
//! deliveries come from.

use std::sync::Arc;
use std::time::Duration;

use tidings_catalog::Topic;
use tidings_event::PartitionId;
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::key::KeyHash;

use crate::feed::Feed;
use crate::gates::{Gates, Released};
use crate::sent::{Picker, Sent};
use crate::window::{Due, Sendable, To, Window};

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
    /// Blocks for first deliveries.
    pub(crate) fresh: Feed,
    /// Blocks for redeliveries.
    pub(crate) again: Feed,
    /// Whether it waits for its turn.
    pub(crate) is_ready: bool,
    /// Whether its cursor moved since it was last saved.
    pub(crate) is_dirty: bool,
    /// Whether its cursor has grown too large to go on.
    pub(crate) is_oversized: bool,
    turn: i64,
}

/// How much may be sent now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
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
}

/// Why a slot does not send when it is its turn.
#[derive(Debug)]
pub(crate) enum Pass {
    /// Others first.
    Later,
    /// The log has to be read from an offset on.
    Read(u64, ReadFor),
}

impl Slot {
    pub(crate) fn new(topic: Arc<Topic>, at: PartitionId, window: Window, tail: u64) -> Self {
        Self {
            topic,
            partition: at,
            window,
            gates: Gates::default(),
            tail,
            fresh: Feed::default(),
            again: Feed::default(),
            is_ready: false,
            is_dirty: false,
            is_oversized: false,
            turn: TURN_BYTES,
        }
    }

    /// Whether there may be something to send, or to read.
    pub(crate) fn has_work(&self) -> bool {
        self.gates.unlearned().is_some() || self.sendable().is_some()
    }

    /// Whether settled runs above an unsettled offset hold it back.
    pub(crate) fn is_stalled(&self) -> bool {
        self.is_oversized || self.window.is_stalled()
    }

    /// Whether time alone may change it.
    pub(crate) fn is_timed(&self) -> bool {
        let waits = self.gates.next_at().is_some() || self.gates.unlearned().is_some();
        waits || !self.window.is_timeless()
    }

    fn sendable(&self) -> Option<Sendable> {
        let may_start = || !self.is_oversized && !self.gates.are_full();
        self.window.sendable(self.tail).filter(|run| run.again || may_start())
    }

    /// Takes what to send next, if anything.
    pub(crate) fn take(&mut self, budget: Budget, to: To) -> Result<Option<Sent>, Pass> {
        // What is to be sent may be of a key that just failed: nothing goes before that is known.
        if let Some(offset) = self.gates.unlearned() {
            return Err(Pass::Read(offset, ReadFor::Keys));
        }
        while let Some(run) = self.sendable() {
            if self.turn <= 0 {
                self.turn += TURN_BYTES;
                return Err(Pass::Later);
            }
            let is_scattered = run.again && self.window.is_scattered();
            let sent = if self.gates.are_open() && !is_scattered {
                self.whole(run, budget, to)
            } else {
                self.picked(run, budget, to)
            };
            if let Some(sent) = sent? {
                // A block has at most 1 MiB.
                self.turn -= i64::try_from(sent.delivery.body.len()).unwrap_or(TURN_BYTES);
                return Ok(Some(sent));
            }
        }
        Ok(None)
    }

    /// Consecutive events of one block, none of which has to be looked at.
    fn whole(&mut self, run: Sendable, budget: Budget, to: To) -> Result<Option<Sent>, Pass> {
        let (feed, why) = self.feed(run);
        let count = (run.end - run.first).min(budget.events);
        let piece = feed.take(run.first, count, budget.bytes);
        let piece = piece.ok_or(Pass::Read(run.first, why))?;
        self.window.sent(run, piece.end(), piece.body.len() as u64, to);
        Ok(Some(Sent::whole(&self.topic, self.partition, run, piece)))
    }

    /// Events of one block that may lie apart. Those whose gates are closed are held.
    fn picked(&mut self, run: Sendable, budget: Budget, to: To) -> Result<Option<Sent>, Pass> {
        let (feed, why) = self.feed(run);
        let piece = feed.take_block(run.first).ok_or(Pass::Read(run.first, why))?;
        let mut picker = Picker::new(&self.topic, self.partition, piece);
        let mut from = run.first;
        let is_same = |next: &Sendable| next.again == run.again;
        while let Some(run) = self.sendable().filter(is_same).filter(|r| r.first < picker.end()) {
            let Some((event, frame)) = picker.seek(run.first) else { break };
            let end = run.first + 1;
            let key = (!self.gates.are_open()).then(|| key_of(&event));
            if let Some(key) = key.filter(|key| self.gates.holds(run.first, *key)) {
                let due = self.window.hold(run, end).unwrap_or_else(|| Due::first(run));
                self.gates.hold(run.first, key, due);
            } else {
                let is_over = picker.bytes() + frame.len() as u64 > budget.bytes;
                if picker.count() >= budget.events || (picker.count() > 0 && is_over) {
                    break;
                }
                self.window.sent(run, end, frame.len() as u64, to);
                let letters = key.map_or_else(Vec::new, |key| self.gates.skipped(key));
                picker.pick(run, frame, &letters);
            }
            from = end;
        }
        let (sent, rest) = picker.finish(from);
        if let Some(rest) = rest {
            self.feed(run).0.put_back(rest);
        }
        Ok(sent)
    }

    fn feed(&mut self, run: Sendable) -> (&mut Feed, ReadFor) {
        if run.again {
            (&mut self.again, ReadFor::Again)
        } else {
            (&mut self.fresh, ReadFor::Fresh)
        }
    }

    /// Learns the keys of failing events that are in blocks read from `from` on.
    pub(crate) fn learn(&mut self, blocks: &[Committed], from: u64) {
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

    /// Lets parked events go out.
    pub(crate) fn release(&mut self, released: Vec<Released>) {
        for (offset, due) in released {
            self.window.release(offset, due);
        }
    }

    /// Makes due what waited for its time; says when to look next.
    pub(crate) fn wake(&mut self, now: Duration) -> Option<Duration> {
        let ready = self.gates.ready(now);
        self.release(ready);
        let times = [self.window.deadline(), self.gates.next_at()];
        times.into_iter().flatten().min()
    }
}

/// The key of a stored event. Admission scanned it: it can be scanned.
pub(crate) fn key_of(event: &[u8]) -> KeyHash {
    tidings_event::scan(event).map_or(KeyHash(0), |envelope| envelope.key_hash())
}

//! What a group of consumers needs of one partition: what waits for which member, whose keys are in
//! flight, and the blocks that were looked at last.

use std::collections::{BTreeMap, VecDeque};

use tidings_event::hop::Committed;
use tidings_event::key::KeyHash;

use super::{Budget, Pass, ReadFor, Slot, key_of};
use crate::feed::Piece;
use crate::group::waiting::Waiting;
use crate::group::{Group, KeySlot};
use crate::matching::Selected;
use crate::sent::{Picker, Sent};
use crate::window::{Due, Landed, Sendable, To};

/// Bytes of blocks that are kept for those whose turn comes later; then they read the log.
const SHELF_BYTES: usize = 512 << 10;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Share {
    waiting: Waiting<Due>,
    /// The key slot of every event in flight.
    lent: BTreeMap<u64, KeySlot>,
    shelf: VecDeque<Piece>,
    shelf_bytes: usize,
}

impl Share {
    fn shelve(&mut self, piece: Piece) {
        if self.shelf.iter().any(|kept| kept.first <= piece.first && kept.end() >= piece.end()) {
            return;
        }
        self.shelf_bytes += piece.body.len();
        self.shelf.push_back(piece);
        while self.shelf_bytes > SHELF_BYTES && self.shelf.len() > 1 {
            self.shelf_bytes -= self.shelf.pop_front().map_or(0, |old| old.body.len());
        }
    }

    fn on_shelf(&self, offset: u64) -> Option<&Piece> {
        self.shelf.iter().find(|piece| piece.holds(offset))
    }
}

impl Slot {
    /// Whether events wait for their members.
    pub(super) fn has_waiting(&self) -> bool {
        self.share.as_ref().is_some_and(|share| share.waiting.len() > 0)
    }

    /// Whether no event waits for its member or is with it.
    pub(super) fn shares_nothing(&self) -> bool {
        let share = self.share.as_deref();
        share.is_none_or(|share| share.waiting.len() == 0 && share.lent.is_empty())
    }

    /// Lets go of the blocks that were looked at; says how many bytes they had.
    pub(super) fn clear_shelf(&mut self) -> usize {
        let Some(share) = self.share.as_deref_mut() else { return 0 };
        share.shelf = VecDeque::new();
        std::mem::take(&mut share.shelf_bytes)
    }

    /// How many events wait for their members.
    pub(crate) fn waiting(&self) -> usize {
        self.share.as_ref().map_or(0, |share| share.waiting.len())
    }

    /// Whether so much waits that nothing new may be looked at.
    pub(super) fn is_share_full(&self) -> bool {
        self.share.as_ref().is_some_and(|share| share.waiting.is_full())
    }

    /// The first event that waited for a session and may go to it now.
    pub(super) fn next_waiting(&mut self, session: u64, group: Option<&Group>) -> Option<u64> {
        let share = self.share.as_deref_mut()?;
        share.waiting.align(group?);
        share.waiting.next(session, 0).map(|(offset, _)| offset)
    }

    /// Lets an event of a block wait for its member.
    pub(super) fn let_wait(
        &mut self,
        (offset, key): (u64, KeyHash),
        due: Due,
        block: &Piece,
        group: Option<&Group>,
    ) {
        let (Some(share), Some(group)) = (self.share.as_deref_mut(), group) else { return };
        share.waiting.insert(offset, KeySlot::of(key), due, group);
        if share.on_shelf(offset).is_none() {
            share.shelve(block.clone());
        }
    }

    /// Takes note that an event goes out, where keys are shared.
    pub(super) fn lend(&mut self, offset: u64, key: Option<KeyHash>, group: Option<&mut Group>) {
        let (Some(share), Some(group)) = (self.share.as_deref_mut(), group) else { return };
        let Some(slot) = key.map(KeySlot::of) else { return };
        share.lent.insert(offset, slot);
        group.sent(slot, 1);
    }

    /// Keeps blocks that were read for what waits.
    pub(crate) fn shelve(&mut self, blocks: &[Committed]) {
        if let Some(share) = self.share.as_deref_mut() {
            let pieces = blocks.iter().map(|block| Piece::of(block, &Selected::all(block)));
            pieces.for_each(|piece| share.shelve(piece));
        }
    }

    /// Events of one block that waited for this member.
    pub(super) fn waited(
        &mut self,
        offset: u64,
        budget: Budget,
        to: To<'_>,
        mut group: Option<&mut Group>,
    ) -> Result<Option<Sent>, Pass> {
        let read = Pass::Read(offset, ReadFor::Waiting);
        let piece = self.share.as_deref().and_then(|share| share.on_shelf(offset)).cloned();
        let piece = piece.ok_or(read)?;
        let mut picker = Picker::new(&self.topic, self.partition, piece.clone());
        let mut from = offset;
        let due = self.pass().filter(|run| run.again).map_or(u64::MAX, |run| run.first);
        let until = picker.end().min(due);
        while let Some(share) = self.share.as_deref_mut()
            && let Some((offset, due)) = share.waiting.next(to.session, from)
            && offset < until
        {
            let due = *due;
            let Some((event, frame)) = picker.seek(offset) else { break };
            let key = key_of(&event);
            let is_held = self.gates.holds(offset, key);
            if !is_held && picker.is_full(frame.len(), budget) {
                break;
            }
            let Due { attempt, redelivered, .. } = due;
            let run =
                Sendable { first: offset, end: offset + 1, attempt, redelivered, again: true };
            if !is_held && self.expires(run, (&event, &piece), to.time) {
                if let Some(share) = self.share.as_deref_mut() {
                    share.waiting.take(to.session, offset);
                }
                from = offset + 1;
                continue;
            }
            let is_folded = !is_held && self.folds(run, &event, &piece, to.now);
            if let Some(share) = self.share.as_deref_mut() {
                share.waiting.take(to.session, offset);
            }
            if is_held {
                self.gates.hold(offset, key, due);
            } else if !is_folded {
                self.window.release(offset, due);
                self.window.sent(run, offset + 1, frame.len() as u64, to);
                picker.tell(offset, self.digest(offset));
                self.lend(offset, Some(key), group.as_deref_mut());
                let letters = self.gates.skipped(key);
                picker.pick(run, frame, &letters);
            }
            from = offset + 1;
        }
        self.forget_shelf();
        Ok(picker.finish())
    }

    /// Takes note that runs are in flight no more; says whether keys came to another member by it.
    pub(crate) fn landed(&mut self, landed: &[Landed], group: &mut Group) -> bool {
        let Some(share) = self.share.as_deref_mut() else { return false };
        let mut moves = false;
        for run in landed {
            let offsets = share.lent.range(run.first..run.flight.end);
            for (offset, slot) in offsets.map(|(&at, &slot)| (at, slot)).collect::<Vec<_>>() {
                share.lent.remove(&offset);
                moves |= group.settled(slot, run.flight.session, 1);
            }
        }
        moves
    }

    /// Takes back what fenced members have in flight of slots they lost.
    pub(crate) fn fence(&mut self, fenced: &BTreeMap<KeySlot, u64>) -> Vec<Landed> {
        let Some(share) = self.share.as_deref() else { return Vec::new() };
        let lost = share.lent.iter().filter_map(|(&at, slot)| Some((at, *fenced.get(slot)?)));
        let back = |(at, session)| self.window.give_back(at, at + 1, session);
        lost.collect::<Vec<_>>().into_iter().flat_map(back).collect()
    }

    /// Takes out what waits of a range and passes.
    pub(crate) fn drop_waiting(
        &mut self,
        first: u64,
        end: u64,
        passes: impl Fn(&Due) -> bool,
    ) -> Vec<(u64, Due)> {
        let share = self.share.as_deref_mut();
        share.map_or_else(Vec::new, |share| share.waiting.drop_range(first, end, passes))
    }

    /// Gives the kept blocks back when nobody waits for them.
    fn forget_shelf(&mut self) {
        if let Some(share) = self.share.as_deref_mut().filter(|share| share.waiting.len() == 0) {
            share.shelf = VecDeque::new();
            share.shelf_bytes = 0;
        }
    }
}

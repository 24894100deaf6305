//! Which member of a consumer group has which keys. Pure: members, counts and time in, decisions
//! out.
//!
//! Keys fall into 4,096 slots by the top bits of their hash. A slot belongs to the member with the
//! highest score for it (rendezvous hashing): the map follows from who the members are, and one
//! that comes or goes moves only its own share. A slot that moves stays with its holder, who is sent
//! nothing new of it, until what the holder has in flight of it is settled or [`DRAIN`] is over;
//! then the new owner goes on. So no key is ever with two members, but for what a fenced one still
//! has in its hands.

mod key_slot;
mod members;
pub(crate) mod waiting;

use std::collections::VecDeque;
use std::time::Duration;

use tidings_event::key::KeyHash;

pub(crate) use key_slot::KeySlot;
use members::{Members, NOBODY, Seat};

/// How long a holder may take to settle what it has of a slot that moves.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// How long after its last pull a member without anything in flight still is one.
pub(crate) const REST: Duration = Duration::from_secs(3);

/// One slot: who is to have it, who has it, and how many events of it are in flight to that one.
#[derive(Clone, Copy, Debug)]
struct Place {
    owner: Seat,
    holder: Seat,
    in_flight: u32,
}

/// Slots that began to move together.
#[derive(Debug)]
struct Move {
    until: Duration,
    slots: Vec<KeySlot>,
}

/// No more members can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Group {
    members: Members,
    /// One for each slot while there are members.
    places: Vec<Place>,
    moves: VecDeque<Move>,
    version: u64,
    moved: u64,
}

impl Group {
    /// Grows whenever a slot gets another owner.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Grows whenever a slot comes to its owner.
    pub(crate) fn moved(&self) -> u64 {
        self.moved
    }

    /// Names and sessions, by session.
    pub(crate) fn members(&self) -> impl Iterator<Item = (&str, u64)> {
        self.members.staying()
    }

    /// Whether a session is a member that has not begun to leave.
    pub(crate) fn has(&self, session: u64) -> bool {
        self.members.stays(session)
    }

    /// Takes a member in; slots begin to move to it.
    pub(crate) fn join(&mut self, session: u64, name: &str, now: Duration) -> Result<(), Full> {
        if self.has(session) {
            return Ok(());
        }
        let seat = self.members.seat(session, name).ok_or(Full)?;
        if self.places.is_empty() {
            let place = Place { owner: seat, holder: seat, in_flight: 0 };
            self.places = vec![place; KeySlot::COUNT];
            self.version += 1;
            return Ok(());
        }
        let wins = |slot, owner| owner == NOBODY || self.members.beats(seat, owner, slot);
        let won: Vec<_> = self.slots().filter(|&(slot, place)| wins(slot, place.owner)).collect();
        self.reassign(won.into_iter().map(|(slot, _)| (slot, seat)).collect(), now);
        Ok(())
    }

    /// A member is sent nothing new; its slots begin to move away.
    pub(crate) fn leave(&mut self, session: u64, now: Duration) {
        let Some(seat) = self.members.find(session) else { return };
        self.members.leaves(seat);
        self.vacate(seat, now);
    }

    /// A member is gone; its slots are with their owners at once. What it had in flight counts no
    /// more.
    pub(crate) fn dead(&mut self, session: u64, now: Duration) {
        let Some(seat) = self.members.find(session) else { return };
        self.members.leaves(seat);
        for place in self.places.iter_mut().filter(|place| place.holder == seat) {
            self.members.settled(seat, place.in_flight);
            place.in_flight = 0;
            place.holder = place.owner;
        }
        self.moved += 1;
        self.vacate(seat, now);
    }

    /// A pull of a member begins: it does not rest.
    pub(crate) fn wakes(&mut self, session: u64) {
        self.members.rests(session, None);
    }

    /// The last pull of a member ended: it stays a member for [`REST`], and while it has anything
    /// in flight.
    pub(crate) fn rests(&mut self, session: u64, now: Duration) {
        self.members.rests(session, Some(now));
    }

    /// Who is to have a slot.
    pub(crate) fn owner(&self, slot: KeySlot) -> Option<u64> {
        self.members.session(self.place(slot)?.owner)
    }

    /// Who has a slot.
    pub(crate) fn holder(&self, slot: KeySlot) -> Option<u64> {
        self.members.session(self.place(slot)?.holder)
    }

    /// Whether a slot waits for its holder to settle what it has.
    pub(crate) fn is_moving(&self, slot: KeySlot) -> bool {
        self.place(slot).is_some_and(|place| place.holder != place.owner)
    }

    /// Whether events of a slot may go to a session now.
    pub(crate) fn may_send(&self, slot: KeySlot, session: u64) -> bool {
        !self.is_moving(slot) && self.owner(slot) == Some(session)
    }

    /// As [`Self::may_send`], by the key.
    pub(crate) fn is_for(&self, key: KeyHash, session: u64) -> bool {
        self.may_send(KeySlot::of(key), session)
    }

    /// Events of a slot went to its holder.
    pub(crate) fn sent(&mut self, slot: KeySlot, count: u32) {
        if let Some(place) = self.places.get_mut(slot.index()) {
            place.in_flight += count;
            self.members.sent(place.holder, count);
        }
    }

    /// Events of a slot are in flight no more to a session. Says whether the slot moved by it.
    pub(crate) fn settled(&mut self, slot: KeySlot, session: u64, count: u32) -> bool {
        let holds = self.holder(slot) == Some(session);
        let Some(place) = self.places.get_mut(slot.index()).filter(|_| holds) else {
            return false;
        };
        let (seat, count) = (place.holder, count.min(place.in_flight));
        place.in_flight -= count;
        let moves = place.in_flight == 0 && place.holder != place.owner;
        if moves {
            place.holder = place.owner;
            self.moved += 1;
        }
        if self.members.settled(seat, count) {
            self.sweep();
        }
        moves
    }

    /// Ends what is over: members that rested long enough leave, and slots that were not drained in
    /// time move. Returns what was fenced: what the session has in flight of the slot is due again,
    /// and counts no more.
    pub(crate) fn expire(&mut self, now: Duration) -> Vec<(KeySlot, u64)> {
        while let Some(session) = self.members.rested(now, REST) {
            self.dead(session, now);
        }
        let mut fenced = Vec::new();
        while self.moves.front().is_some_and(|due| due.until <= now) {
            for slot in self.moves.pop_front().into_iter().flat_map(|due| due.slots) {
                let Some(place) = self.places.get_mut(slot.index()) else { continue };
                if place.holder == place.owner {
                    continue;
                }
                fenced.extend(self.members.session(place.holder).map(|session| (slot, session)));
                self.members.settled(place.holder, place.in_flight);
                place.in_flight = 0;
                place.holder = place.owner;
                self.moved += 1;
            }
        }
        self.sweep();
        fenced
    }

    /// When [`Self::expire`] next has something to do.
    pub(crate) fn next_at(&self) -> Option<Duration> {
        let moves = self.moves.front().map(|due| due.until);
        moves.into_iter().chain(self.members.next_rested(REST)).min()
    }

    fn place(&self, slot: KeySlot) -> Option<&Place> {
        self.places.get(slot.index())
    }

    fn slots(&self) -> impl Iterator<Item = (KeySlot, Place)> {
        KeySlot::all().zip(self.places.iter().copied())
    }

    /// Gives a seat's slots to those who stay.
    fn vacate(&mut self, seat: Seat, now: Duration) {
        let lost: Vec<_> = self.slots().filter(|(_, place)| place.owner == seat).collect();
        let heirs = lost.into_iter().map(|(slot, _)| (slot, self.members.best(slot)));
        let heirs = heirs.collect();
        self.reassign(heirs, now);
        self.sweep();
    }

    /// Gives slots new owners; those that their holder has something of in flight begin to move,
    /// or go on to: the time of a slot that moved already runs on.
    fn reassign(&mut self, slots: Vec<(KeySlot, Seat)>, now: Duration) {
        if slots.is_empty() {
            return;
        }
        self.version += 1;
        self.forget_moved();
        let mut begun = Vec::new();
        for (slot, owner) in slots {
            let Some(place) = self.places.get_mut(slot.index()) else { continue };
            let moved_already = place.holder != place.owner;
            place.owner = owner;
            if place.in_flight == 0 {
                place.holder = owner;
            } else if !moved_already && place.holder != owner {
                begun.push(slot);
            }
        }
        self.forget_moved();
        if !begun.is_empty() {
            self.moves.push_back(Move { until: now.saturating_add(DRAIN), slots: begun });
        }
    }

    /// Forgets the moves of slots that are with their owners: should they move again, it is
    /// another move.
    fn forget_moved(&mut self) {
        let places = &self.places;
        let is_moving =
            |slot: &KeySlot| places.get(slot.index()).is_some_and(|p| p.holder != p.owner);
        for due in &mut self.moves {
            due.slots.retain(is_moving);
        }
        self.moves.retain(|due| !due.slots.is_empty());
    }

    /// Forgets members that left and have nothing any more.
    fn sweep(&mut self) {
        if self.members.sweep() && self.members.is_empty() {
            self.places = Vec::new();
            self.moves.clear();
        }
    }
}

#[cfg(test)]
mod tests;

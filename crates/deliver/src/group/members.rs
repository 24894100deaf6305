//! The members of a group, each on a numbered seat, and how they score for slots.

use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::KeySlot;

/// Most members at a time.
const MEMBERS_MAX: usize = 1_000;

/// Where a member sits; small, because every slot names two.
pub(super) type Seat = u16;

/// No seat.
pub(super) const NOBODY: Seat = Seat::MAX;

#[derive(Debug)]
struct Member {
    session: u64,
    name: Box<str>,
    /// What it scores with.
    seed: u64,
    is_leaving: bool,
    /// Since when it has no pull under way, where it is a pull consumer.
    rests_since: Option<Duration>,
    in_flight: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Members {
    seats: Vec<Option<Member>>,
}

impl Members {
    /// Seats a member. It scores by its name, so that a consumer which comes back gets the slots it
    /// had; by its session too while another one has the name.
    pub(super) fn seat(&mut self, session: u64, name: &str) -> Option<Seat> {
        if self.seats.iter().flatten().count() >= MEMBERS_MAX {
            return None;
        }
        let has_name = |member: &Member| &*member.name == name && !member.is_leaving;
        let is_taken = self.seats.iter().flatten().any(has_name);
        let seed = if is_taken {
            xxh3_64_with_seed(name.as_bytes(), session)
        } else {
            xxh3_64(name.as_bytes())
        };
        let member = Member {
            session,
            name: name.into(),
            seed,
            is_leaving: false,
            rests_since: None,
            in_flight: 0,
        };
        let free = self.seats.iter().position(Option::is_none);
        let seat = free.unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        self.seats[seat] = Some(member);
        Seat::try_from(seat).ok()
    }

    pub(super) fn find(&self, session: u64) -> Option<Seat> {
        let sits = |member: &Option<Member>| member.as_ref().is_some_and(|m| m.session == session);
        Seat::try_from(self.seats.iter().position(sits)?).ok()
    }

    pub(super) fn session(&self, seat: Seat) -> Option<u64> {
        self.get(seat).map(|member| member.session)
    }

    pub(super) fn stays(&self, session: u64) -> bool {
        self.seats.iter().flatten().any(|m| m.session == session && !m.is_leaving)
    }

    /// Names and sessions of those who stay, by session.
    pub(super) fn staying(&self) -> impl Iterator<Item = (&str, u64)> {
        let mut staying: Vec<_> = self.seats.iter().flatten().filter(|m| !m.is_leaving).collect();
        staying.sort_by_key(|member| member.session);
        staying.into_iter().map(|member| (&*member.name, member.session))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.seats.iter().all(Option::is_none)
    }

    pub(super) fn leaves(&mut self, seat: Seat) {
        if let Some(member) = self.get_mut(seat) {
            member.is_leaving = true;
        }
    }

    pub(super) fn rests(&mut self, session: u64, since: Option<Duration>) {
        if let Some(member) = self.find(session).and_then(|seat| self.get_mut(seat)) {
            member.rests_since = since;
        }
    }

    /// A member that has rested for so long and has nothing in flight.
    pub(super) fn rested(&self, now: Duration, long: Duration) -> Option<u64> {
        let over = |member: &&Member| member.rest_ends(long).is_some_and(|end| end <= now);
        self.seats.iter().flatten().find(over).map(|member| member.session)
    }

    /// When the next one has.
    pub(super) fn next_rested(&self, long: Duration) -> Option<Duration> {
        self.seats.iter().flatten().filter_map(|member| member.rest_ends(long)).min()
    }

    pub(super) fn sent(&mut self, seat: Seat, count: u32) {
        if let Some(member) = self.get_mut(seat) {
            member.in_flight += u64::from(count);
        }
    }

    /// Says whether it is gone by it.
    pub(super) fn settled(&mut self, seat: Seat, count: u32) -> bool {
        let Some(member) = self.get_mut(seat) else { return false };
        member.in_flight = member.in_flight.saturating_sub(u64::from(count));
        member.is_gone()
    }

    /// Frees the seats of those who left and have nothing in flight; says whether there were any.
    pub(super) fn sweep(&mut self) -> bool {
        let mut swept = false;
        for seat in &mut self.seats {
            swept |= seat.take_if(|member| member.is_gone()).is_some();
        }
        swept
    }

    /// The one of those who stay that is to have a slot.
    pub(super) fn best(&self, slot: KeySlot) -> Seat {
        let seats = (0..NOBODY).zip(&self.seats);
        let staying = seats.filter_map(|(seat, member)| Some((seat, member.as_ref()?)));
        staying
            .filter(|(_, member)| !member.is_leaving)
            .max_by_key(|(_, member)| member.score(slot))
            .map_or(NOBODY, |(seat, _)| seat)
    }

    /// Whether one seat is to have a slot rather than another.
    pub(super) fn beats(&self, seat: Seat, other: Seat, slot: KeySlot) -> bool {
        let score = |seat| self.get(seat).map(|member| member.score(slot));
        score(seat) > score(other)
    }

    fn get(&self, seat: Seat) -> Option<&Member> {
        self.seats.get(usize::from(seat))?.as_ref()
    }

    fn get_mut(&mut self, seat: Seat) -> Option<&mut Member> {
        self.seats.get_mut(usize::from(seat))?.as_mut()
    }
}

impl Member {
    /// The session decides between equals.
    fn score(&self, slot: KeySlot) -> (u64, u64) {
        let mut key = [0; 10];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..].copy_from_slice(&slot.bytes());
        (xxh3_64(&key), self.session)
    }

    fn is_gone(&self) -> bool {
        self.is_leaving && self.in_flight == 0
    }

    fn rest_ends(&self, long: Duration) -> Option<Duration> {
        let over = self.in_flight == 0 && !self.is_leaving;
        self.rests_since.filter(|_| over).map(|since| since.saturating_add(long))
    }
}

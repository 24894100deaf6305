//! A group against the definition: the owner recomputed from who the members are, in-flight counts
//! by session, and when each slot began to move.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use tidings_event::key::KeyHash;

use super::{DRAIN, Full, Group, KeySlot, Place, REST};

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn slot(number: u64) -> KeySlot {
    KeySlot::of(KeyHash(number << 52))
}

/// A group of consumers with these names; their sessions count from 1.
fn group_of(names: &[&str]) -> Group {
    let mut group = Group::default();
    for (name, session) in names.iter().zip(1..) {
        group.join(session, name, Duration::ZERO).unwrap();
    }
    group
}

fn owners(group: &Group) -> Vec<Option<u64>> {
    KeySlot::all().map(|slot| group.owner(slot)).collect()
}

fn share(group: &Group, session: u64) -> usize {
    owners(group).into_iter().filter(|&owner| owner == Some(session)).count()
}

/// The slots that have another owner now, as pairs of before and after.
fn moved(before: &[Option<u64>], group: &Group) -> Vec<(Option<u64>, Option<u64>)> {
    let pairs = before.iter().copied().zip(owners(group));
    pairs.filter(|(old, new)| old != new).collect()
}

#[test]
fn slots_spread_evenly_and_one_that_comes_or_goes_moves_only_its_share() {
    for count in 1..12 {
        let names: Vec<_> = (0..=count).map(|n| format!("worker-{n}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut group = group_of(&names[..count]);
        let fair = KeySlot::COUNT / count;
        for session in 1..=count as u64 {
            assert!((fair * 8 / 10..=fair * 12 / 10).contains(&share(&group, session)));
        }
        let (before, version) = (owners(&group), group.version());
        let newcomer = count as u64 + 1;
        group.join(newcomer, names[count], secs(1)).unwrap();
        let came = moved(&before, &group);
        assert!(came.len() <= KeySlot::COUNT * 12 / 10 / (count + 1), "{} of {count}", came.len());
        assert!(came.iter().all(|(_, to)| *to == Some(newcomer)));
        group.leave(newcomer, secs(2));
        assert_eq!(group.version(), version + 2);
        assert_eq!(owners(&group), before, "what came went back");
    }
}

#[test]
fn the_map_follows_from_the_members_not_from_how_they_came() {
    let mut one = group_of(&["a", "b", "c", "d"]);
    one.dead(2, secs(1));
    one.dead(4, secs(2));
    let mut other = Group::default();
    other.join(3, "c", secs(9)).unwrap();
    other.join(1, "a", secs(9)).unwrap();
    assert_eq!(owners(&one), owners(&other));
    // Back under its name, in another session: the same slots.
    let had = share(&group_of(&["a", "b", "c", "d"]), 4);
    one.join(2, "b", secs(3)).unwrap();
    one.join(77, "d", secs(3)).unwrap();
    assert_eq!(share(&one, 77), had);
}

#[test]
fn members_of_one_name_share_all_the_same() {
    let group = group_of(&["worker", "worker", "worker"]);
    assert!((1..=3).all(|session| share(&group, session) > 1_000));
}

#[test]
fn a_slot_waits_for_its_holder_and_is_fenced_in_the_end() {
    let mut group = group_of(&["a"]);
    for slot in KeySlot::all() {
        group.sent(slot, 2);
    }
    group.join(2, "b", secs(10)).unwrap();
    let going: Vec<_> = KeySlot::all().filter(|&slot| group.owner(slot) == Some(2)).collect();
    let (drained, stuck) = going.split_at(1);
    assert!(!group.settled(drained[0], 1, 1), "one is still out");
    assert!(!group.may_send(drained[0], 1) && !group.may_send(drained[0], 2));
    assert!(group.settled(drained[0], 1, 1), "the last one moves the slot");
    assert!(group.may_send(drained[0], 2));
    assert_eq!(group.next_at(), Some(secs(15)));
    assert_eq!(group.expire(secs(14)), Vec::new());
    let fenced = group.expire(secs(15));
    assert_eq!(fenced, stuck.iter().map(|&slot| (slot, 1)).collect::<Vec<_>>());
    assert!(going.iter().all(|&slot| group.may_send(slot, 2)));
    assert!(!group.settled(stuck[0], 1, 2), "too late to count");
    assert_eq!(group.next_at(), None);
}

#[test]
fn one_that_leaves_drains_and_one_that_dies_does_not() {
    let mut group = group_of(&["a", "b"]);
    let of_b: Vec<_> = KeySlot::all().filter(|&slot| group.owner(slot) == Some(2)).collect();
    group.sent(of_b[0], 1);
    group.leave(2, secs(1));
    assert_eq!(group.holder(of_b[0]), Some(2));
    assert!(of_b[1..].iter().all(|&slot| group.may_send(slot, 1)));
    assert!(group.settled(of_b[0], 2, 1));
    assert_eq!(group.members().collect::<Vec<_>>(), [("a", 1)]);
    group.join(3, "b", secs(2)).unwrap();
    group.sent(of_b[0], 1);
    group.dead(3, secs(2));
    assert!(group.may_send(of_b[0], 1));
}

#[test]
fn a_pull_member_rests_and_goes() {
    let mut group = group_of(&["a", "b"]);
    let of_b = KeySlot::all().find(|&slot| group.owner(slot) == Some(2)).unwrap();
    group.sent(of_b, 1);
    group.rests(2, secs(1));
    group.expire(secs(100));
    assert!(group.has(2), "it has something in flight");
    group.settled(of_b, 2, 1);
    group.rests(2, secs(100));
    group.wakes(2);
    assert_eq!(group.next_at(), None);
    group.rests(2, secs(100));
    assert_eq!(group.next_at(), Some(secs(100) + REST));
    group.expire(secs(100) + REST);
    assert!(!group.has(2) && group.may_send(of_b, 1));
}

#[test]
fn a_group_is_small_and_takes_a_bounded_number_of_members() {
    assert!(size_of::<Place>() * KeySlot::COUNT <= 32 << 10);
    let mut group = Group::default();
    assert_eq!(group.places.capacity(), 0, "nothing is kept while nobody consumes");
    let name = |session: u64| format!("worker-{session}");
    for session in 0..1_000 {
        group.join(session, &name(session), secs(1)).unwrap();
    }
    assert_eq!(group.join(1_000, "one more", secs(1)), Err(Full));
    for session in 0..1_000 {
        group.dead(session, secs(2));
    }
    assert_eq!(group.places.capacity(), 0);
}

#[derive(Clone, Debug)]
enum Act {
    Join(usize),
    Leave(usize),
    Dead(usize),
    Send(u64),
    Settle(u64),
    Pass(u64),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        3 => (0..5usize).prop_map(Act::Join),
        1 => (0..5usize).prop_map(Act::Leave),
        1 => (0..5usize).prop_map(Act::Dead),
        8 => (0..SAMPLE).prop_map(Act::Send),
        6 => (0..SAMPLE).prop_map(Act::Settle),
        3 => (1..4u64).prop_map(Act::Pass),
    ]
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
/// Slots that the property looks at.
const SAMPLE: u64 = 48;

#[derive(Default)]
struct Naive {
    group: Group,
    /// Sessions by name.
    here: BTreeMap<usize, u64>,
    in_flight: BTreeMap<(u64, u64), u32>,
    moving_since: BTreeMap<u64, u64>,
    sessions: u64,
    now: u64,
}

impl Naive {
    fn apply(&mut self, act: &Act) {
        let now = secs(self.now);
        match *act {
            Act::Join(name) => {
                if !self.here.contains_key(&name) {
                    self.sessions += 1;
                    self.here.insert(name, self.sessions);
                    self.group.join(self.sessions, NAMES[name], now).unwrap();
                }
            }
            Act::Leave(name) => {
                if let Some(session) = self.here.remove(&name) {
                    self.group.leave(session, now);
                }
            }
            Act::Dead(name) => {
                if let Some(session) = self.here.remove(&name) {
                    self.group.dead(session, now);
                    self.in_flight.retain(|(_, holder), _| *holder != session);
                }
            }
            Act::Send(number) => {
                let may = |session: &&u64| self.group.may_send(slot(number), **session);
                if let Some(&session) = self.here.values().find(may) {
                    self.group.sent(slot(number), 1);
                    *self.in_flight.entry((number, session)).or_default() += 1;
                }
            }
            Act::Settle(number) => {
                let held = self.in_flight.range((number, 0)..=(number, u64::MAX)).next();
                if let Some((&(_, session), &count)) = held {
                    self.group.settled(slot(number), session, 1);
                    self.in_flight.insert((number, session), count - 1);
                    self.in_flight.retain(|_, count| *count > 0);
                }
            }
            Act::Pass(time) => self.now += time,
        }
        for (fenced, session) in self.group.expire(secs(self.now)) {
            self.in_flight
                .retain(|(number, holder), _| (slot(*number), *holder) != (fenced, session));
        }
    }

    /// The owner by definition: of those here, the one whose hash with the slot is highest.
    fn owner(&self, at: KeySlot) -> Option<u64> {
        use xxhash_rust::xxh3::xxh3_64;
        let score = |name: usize| {
            let seed = xxh3_64(NAMES[name].as_bytes()).to_le_bytes();
            xxh3_64(&[&seed[..], &at.bytes()[..]].concat())
        };
        self.here.iter().max_by_key(|(name, _)| score(**name)).map(|(_, &session)| session)
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for number in 0..SAMPLE {
            let at = slot(number);
            prop_assert_eq!(self.group.owner(at), self.owner(at));
            let has: Vec<_> = self.in_flight.range((number, 0)..=(number, u64::MAX)).collect();
            prop_assert!(has.len() <= 1, "two have events of a slot in flight: {:?}", has);
            let holder = has.first().map(|((_, session), _)| *session);
            prop_assert_eq!(self.group.holder(at), holder.or(self.owner(at)));
            for &session in self.here.values() {
                let want = self.owner(at) == Some(session) && holder.is_none_or(|h| h == session);
                prop_assert_eq!(self.group.may_send(at, session), want);
            }
            if self.group.is_moving(at) {
                let since = *self.moving_since.entry(number).or_insert(self.now);
                prop_assert!(secs(self.now - since) < DRAIN, "it moves for too long");
            } else {
                self.moving_since.remove(&number);
            }
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn a_group_is_its_definition(acts in prop::collection::vec(any_act(), 1..60)) {
        let mut naive = Naive::default();
        for act in &acts {
            naive.apply(act);
            naive.check()?;
        }
    }
}

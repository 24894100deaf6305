//! Who may take what waits, through moves and ends of members.

use std::time::Duration;

use super::{EVENTS_MAX, Group, KeySlot, Waiting};

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn slots_of(group: &Group, session: u64) -> Vec<KeySlot> {
    KeySlot::all().filter(|&slot| group.owner(slot) == Some(session)).collect()
}

/// The offsets that a session may take, in order.
#[track_caller]
fn check(waiting: &mut Waiting<char>, group: &Group, session: u64, want: &[u64]) {
    waiting.align(group);
    let mut found = Vec::new();
    while let Some((offset, _)) = waiting.next(session, found.last().map_or(0, |at| at + 1)) {
        found.push(offset);
    }
    assert_eq!(found, want);
}

#[test]
fn each_member_takes_its_own_in_offset_order() {
    let mut group = Group::default();
    group.join(1, "a", secs(0)).unwrap();
    group.join(2, "b", secs(0)).unwrap();
    let (of_a, of_b) = (slots_of(&group, 1)[0], slots_of(&group, 2)[0]);
    let mut waiting = Waiting::default();
    for (offset, slot) in [(7, of_b), (3, of_a), (5, of_b), (4, of_b)] {
        waiting.insert(offset, slot, 'x', &group);
    }
    check(&mut waiting, &group, 1, &[3]);
    check(&mut waiting, &group, 2, &[4, 5, 7]);
    assert_eq!(waiting.take(1, 4), None, "it is the other's");
    assert_eq!(waiting.take(2, 4), Some((of_b, 'x')));
    assert_eq!(waiting.len(), 3);
    group.dead(2, secs(1));
    check(&mut waiting, &group, 1, &[3, 5, 7]);
    check(&mut waiting, &group, 2, &[]);
    assert_eq!(waiting.drop_range(4, 7, |_| true), [(5, 'x')]);
    assert!(waiting.drop_range(0, 9, |_| false).is_empty());
    check(&mut waiting, &group, 1, &[3, 7]);
    group.dead(1, secs(1));
    check(&mut waiting, &group, 1, &[]);
    group.join(3, "c", secs(2)).unwrap();
    check(&mut waiting, &group, 3, &[3, 7]);
}

#[test]
fn what_moves_waits_for_its_slot() {
    let mut group = Group::default();
    group.join(1, "a", secs(0)).unwrap();
    for slot in KeySlot::all() {
        group.sent(slot, 1);
    }
    group.join(2, "b", secs(0)).unwrap();
    let moving = slots_of(&group, 2);
    let mut waiting = Waiting::default();
    waiting.insert(1, moving[0], 'x', &group);
    waiting.insert(2, moving[1], 'x', &group);
    check(&mut waiting, &group, 1, &[]);
    check(&mut waiting, &group, 2, &[]);
    group.settled(moving[1], 1, 1);
    check(&mut waiting, &group, 2, &[2]);
    group.expire(secs(5));
    check(&mut waiting, &group, 2, &[1, 2]);
}

#[test]
fn so_many_may_wait() {
    let mut group = Group::default();
    group.join(1, "a", secs(0)).unwrap();
    let slot = slots_of(&group, 1)[0];
    let mut waiting = Waiting::default();
    for offset in 0..EVENTS_MAX as u64 {
        assert!(!waiting.is_full());
        waiting.insert(offset, slot, 'x', &group);
    }
    assert!(waiting.is_full());
    waiting.take(1, 0);
    assert!(!waiting.is_full());
}

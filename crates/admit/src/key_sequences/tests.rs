//! Key sequences against a naive reading that keeps every number.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Every number of a key since it was last counted from its beginning.
#[derive(Default)]
struct Naive {
    came: BTreeSet<u64>,
    last: u64,
}

impl Naive {
    fn step(&mut self, number: u64) -> Option<(KeyState, u64)> {
        let (fresh, last) = (self.came.is_empty(), self.last);
        let out = |state| Some((state, last + 1));
        if fresh || number > last {
            self.came.insert(number);
            self.last = number;
            return if fresh || number == last + 1 { None } else { out(KeyState::Gap) };
        }
        if last - number <= 64 && self.came.insert(number) {
            return out(KeyState::Late);
        }
        if number <= 1 {
            *self = Self { came: [number].into(), last: number };
            return out(KeyState::Reset);
        }
        out(KeyState::Repeat)
    }
}

fn count(key: u64, number: u64) -> KeyCount {
    KeyCount { key, number }
}

/// Numbers near each other, and sometimes far.
fn numbers() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let number = prop_oneof![4 => 0..12u64, 3 => 0..90u64, 1 => 60..300u64];
    proptest::collection::vec((0..3u64, number), 0..200)
}

proptest! {
    #[test]
    fn key_sequences_agree_with_a_naive_map(numbers in numbers()) {
        let mut keys = KeySequences::new(1_000_000);
        let mut naive: BTreeMap<u64, Naive> = BTreeMap::new();
        for (key, number) in numbers {
            let step = keys.step(count(key, number)).unwrap();
            let wanted = naive.entry(key).or_default().step(number);
            prop_assert_eq!(step.out.map(|out| (out.state, out.expected)), wanted);
            let passed = step.out.filter(|out| out.state == KeyState::Gap);
            prop_assert!(passed.is_none_or(|out| out.missing == number - out.expected));
        }
    }

    #[test]
    fn what_is_taken_back_leaves_no_trace(numbers in numbers(), lost in numbers()) {
        let (mut keys, mut same) = (KeySequences::new(1_000_000), KeySequences::new(1_000_000));
        for (key, number) in &numbers {
            keys.step(count(*key, *number));
            same.step(count(*key, *number));
        }
        let steps: Vec<_> = lost.iter().filter_map(|(k, n)| keys.step(count(*k, *n))).collect();
        steps.iter().rev().for_each(|step| keys.undo(step));
        for bucket in 0..BUCKETS {
            let sorted = |keys: &mut KeySequences| {
                keys.changed(bucket, true).map(|mut all| {
                    all.sort_unstable_by_key(|(key, _)| *key);
                    all
                })
            };
            prop_assert_eq!(sorted(&mut keys), sorted(&mut same));
        }
    }
}

/// Each number with what is to be said of it.
#[track_caller]
fn check(numbers: &[(u64, Option<KeyState>)]) {
    let mut keys = KeySequences::new(1_000);
    for (number, wanted) in numbers {
        let out = keys.step(count(7, *number)).unwrap().out;
        assert_eq!(out.map(|out| out.state), *wanted, "{number} of {numbers:?}");
    }
}

#[test]
fn each_state_has_its_case() {
    use KeyState::{Gap, Late, Repeat, Reset};
    check(&[(1, None), (2, None), (3, None), (5, Some(Gap)), (6, None)]);
    check(&[(1, None), (3, Some(Gap)), (2, Some(Late)), (2, Some(Repeat)), (4, None)]);
    check(&[(40, None), (41, None), (41, Some(Repeat)), (42, None)]);
    check(&[(1, None), (2, None), (1, Some(Reset)), (2, None), (3, None)]);
    check(&[(0, None), (500, Some(Gap)), (0, Some(Reset)), (1, None)]);
    check(&[(900, None), (1_000, Some(Gap)), (901, Some(Repeat)), (1_001, None)]);
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_is_not_spoken_of() {
    let mut keys = KeySequences::new(BUCKETS * 8);
    for key in 0..100_000 {
        assert_eq!(keys.step(count(key, 1)).unwrap().out, None);
    }
    let kept: usize = (0..BUCKETS).filter_map(|at| keys.changed(at, true)).map(|k| k.len()).sum();
    assert!((BUCKETS * 4..=BUCKETS * 8).contains(&kept), "{kept}");
    assert_eq!(keys.step(count(0, 9)).unwrap().out, None, "the oldest is forgotten");
    assert!(keys.step(count(99_999, 9)).unwrap().out.is_some(), "the newest is not");
}

#[test]
fn none_at_all_is_a_bound_too() {
    assert_eq!(KeySequences::new(0).step(count(1, 1)), None);
}

#[test]
fn what_was_saved_is_remembered() {
    let mut keys = KeySequences::new(1_000);
    keys.step(count(5, 1));
    keys.step(count(5, 3));
    let saved = keys.changed(5, false).unwrap();
    assert_eq!(keys.changed(5, false), None, "nothing has changed since");
    let mut again = KeySequences::new(1_000);
    saved.into_iter().for_each(|(key, seen)| again.restore(key, seen));
    assert_eq!(again.changed(5, false), None);
    let late = again.step(count(5, 2)).unwrap().out;
    assert_eq!(late.map(|out| (out.state, out.expected)), Some((KeyState::Late, 4)));
}

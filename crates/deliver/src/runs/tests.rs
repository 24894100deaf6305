//! A run set is a set of numbers.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::RunSet;

proptest! {
    #[test]
    fn is_a_set_of_offsets(
        inserts in proptest::collection::vec((0u64..40, 0u64..8), 0..20),
        asked in 0u64..50,
        length in 0u64..20,
    ) {
        let mut runs = RunSet::default();
        let mut naive = BTreeSet::new();
        for (first, length) in inserts {
            runs.insert(first, first + length);
            naive.extend(first..first + length);
        }
        let held: Vec<u64> = runs.iter().flat_map(|(first, end)| first..end).collect();
        prop_assert_eq!(&held, &naive.iter().copied().collect::<Vec<_>>());
        let list: Vec<_> = runs.iter().collect();
        let are_runs = |list: &[(u64, u64)]| {
            list.windows(2).all(|w| w[0].1 < w[1].0) && list.iter().all(|run| run.0 < run.1)
        };
        prop_assert!(are_runs(&list), "{:?}", list);
        prop_assert_eq!((runs.len(), runs.is_empty()), (list.len(), naive.is_empty()));
        let above = list.iter().map(|run| run.0).find(|&first| first >= asked);
        prop_assert_eq!(runs.next_above(asked), above);
        if !naive.contains(&asked) && !naive.contains(&(asked + length)) {
            let inside = list.iter().copied().filter(|run| asked < run.0 && run.1 <= asked + length);
            prop_assert_eq!(runs.within(asked, asked + length), inside.collect::<Vec<_>>());
        }
        prop_assert_eq!(runs.overlap(asked, asked + length), naive.range(asked..asked + length).count() as u64);
        prop_assert_eq!(runs.covers(asked, asked + length), (asked..asked + length).all(|o| naive.contains(&o)));
        let before = naive.contains(&asked.wrapping_sub(1)).then(|| (0..asked).rev().find(|o| !naive.contains(o)).map_or(0, |o| o + 1));
        prop_assert_eq!(runs.start_before(asked), before);
        let mut less = runs.clone();
        less.remove(asked, asked + length);
        let kept: Vec<u64> = naive.iter().copied().filter(|o| !(asked..asked + length).contains(o)).collect();
        prop_assert_eq!(less.iter().flat_map(|(first, end)| first..end).collect::<Vec<_>>(), kept);
        let list: Vec<_> = less.iter().collect();
        prop_assert!(are_runs(&list), "{:?}", list);
        let end = (asked..).find(|o| !naive.contains(o)).filter(|&e| e > asked);
        prop_assert_eq!(runs.end_of(asked), end);
        let mut absorbed = runs.clone();
        let want = (asked..).find(|o| !naive.contains(o)).unwrap();
        prop_assert_eq!(absorbed.absorb(asked), want);
        prop_assert!(absorbed.iter().all(|(first, _)| first > want));
    }
}

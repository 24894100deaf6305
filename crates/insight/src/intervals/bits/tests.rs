//! Against ordinary sets.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::Bits;

proptest! {
    #[test]
    fn bits_are_a_set(numbers in prop::collection::vec(0u32..300, 0..80)) {
        let mut bits = Bits::default();
        let mut naive = BTreeSet::new();
        for &number in &numbers {
            prop_assert_eq!(bits.insert(number), naive.insert(number));
        }
        prop_assert_eq!(bits.iter().collect::<Vec<_>>(), naive.iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(bits.len() as usize, naive.len());
        prop_assert!((0..320).all(|n| bits.contains(n) == naive.contains(&n)));
    }

    #[test]
    fn in_at_least_counts_sets(
        sets in prop::collection::vec(prop::collection::btree_set(0u32..140, 0..40), 0..5),
        least in 1usize..4,
    ) {
        let bits: Vec<Bits> = sets.iter().map(|set| set.iter().copied().collect()).collect();
        let found = Bits::in_at_least(least, &bits.iter().collect::<Vec<_>>());
        let naive: Vec<u32> = (0..140)
            .filter(|n| sets.iter().filter(|set| set.contains(n)).count() >= least)
            .collect();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), naive);
        if let [first, second, ..] = &bits[..] {
            let both = sets[0].intersection(&sets[1]).count();
            prop_assert_eq!(first.shared(second) as usize, both);
        }
    }
}

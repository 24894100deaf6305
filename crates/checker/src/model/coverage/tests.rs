//! Coverage says the same as a list of all that was added.

use proptest::prelude::*;

use super::Coverage;

proptest! {
    #[test]
    fn coverage_agrees_with_a_list_of_all_runs(
        runs in proptest::collection::vec((0..40_u64, 0..12_u64), 0..30),
    ) {
        let mut coverage = Coverage::default();
        for (at, &(first, length)) in runs.iter().enumerate() {
            coverage.add(first, first + length, at);
        }
        let named = |offset| {
            runs.iter().position(|&(first, length)| (first..=first + length).contains(&offset))
        };
        for offset in 0..60 {
            prop_assert_eq!(coverage.first_named(offset), named(offset));
            let end = (offset..).find(|&offset| named(offset).is_none());
            prop_assert_eq!(coverage.end_of(offset), end);
        }
        prop_assert_eq!(coverage.times(), runs.len());
    }
}

#[test]
fn the_last_offset_there_is_ends_it() {
    let mut coverage = Coverage::default();
    coverage.add(5, u64::MAX, 1);
    coverage.add(0, u64::MAX, 2);
    assert_eq!((coverage.first_named(u64::MAX), coverage.first_named(4)), (Some(1), Some(2)));
    assert_eq!(coverage.end_of(0), None);
    coverage.add(3, 2, 3);
    assert_eq!(coverage.first_named(2), Some(2));
}

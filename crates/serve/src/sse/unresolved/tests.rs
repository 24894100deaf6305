//! Against one entry per event.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidings_deliver::Run;
use tidings_event::{Epoch, Offset, PartitionId, TopicId};

use super::Unresolved;

fn run(partition: u32, first: u64, last: u64) -> Run {
    Run {
        topic: TopicId(1),
        epoch: Epoch(1),
        partition: PartitionId(partition),
        first: Offset(first),
        last: Offset(last),
    }
}

fn flat(runs: impl IntoIterator<Item = Run>) -> Vec<(u32, u64)> {
    let each = |run: Run| (run.first.0..=run.last.0).map(move |at| (run.partition.0, at));
    runs.into_iter().flat_map(each).collect()
}

proptest! {
    #[test]
    fn agrees_with_one_entry_per_event(
        steps in proptest::collection::vec((0u8..4, 0u32..3, 1u64..9, 0u64..60), 1..60),
    ) {
        let (mut sent, mut naive) = (Unresolved::default(), BTreeMap::new());
        let (mut last, mut next) = (0, [0u64; 3]);
        for (what, partition, count, number) in steps {
            match what {
                0 | 1 => {
                    let from = next[partition as usize];
                    next[partition as usize] += count;
                    prop_assert_eq!(sent.push(run(partition, from, from + count - 1)), last + 1);
                    for offset in from..from + count {
                        last += 1;
                        naive.insert(last, (partition, offset));
                    }
                }
                2 => {
                    let above = naive.split_off(&(number + 1));
                    let below = std::mem::replace(&mut naive, above);
                    let want: Vec<_> = below.into_values().collect();
                    prop_assert_eq!(flat(sent.take_up_to(number)), want);
                }
                _ => {
                    let want: Vec<_> = naive.remove(&number).into_iter().collect();
                    prop_assert_eq!(flat(sent.take(number)), want);
                }
            }
            prop_assert!(sent.len() <= naive.len());
        }
        prop_assert_eq!(flat(sent.take_up_to(u64::MAX)), naive.into_values().collect::<Vec<_>>());
    }
}

//! Coalescing says of every offset what the runs said of it, in as few runs as can be.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use tidings_event::{Timestamp, TopicPartition};

use super::*;
use crate::settlement::Outcome;

fn run((partition, first, length): (u32, u64, u64), delivered: bool, who: &str) -> Settled {
    Settled {
        partition: TopicPartition::new(1, partition),
        first,
        end: first + length,
        count: length,
        outcome: if delivered { Outcome::Delivered } else { Outcome::Expired },
        first_sent: Timestamp(first),
        attempts: 1,
        consumer: Arc::from(who),
    }
}

fn by_offset(runs: &[Settled]) -> BTreeMap<(u32, u64), (Outcome, Arc<str>)> {
    let offsets = runs.iter().flat_map(|run| {
        (run.first..run.end).map(|offset| {
            let at = (run.partition.partition.0, offset);
            (at, (run.outcome, Arc::clone(&run.consumer)))
        })
    });
    offsets.collect()
}

proptest! {
    #[test]
    fn coalesced_runs_say_the_same_of_every_offset(
        lengths in prop::collection::vec((0u32..2, 0u64..3, 1u64..5, any::<bool>(), 0usize..2), 0..40),
        seed in any::<u64>(),
    ) {
        let (mut at, mut runs) = ([0u64; 2], Vec::new());
        for (partition, gap, length, delivered, who) in lengths {
            let next = &mut at[partition as usize];
            runs.push(run((partition, *next + gap, length), delivered, ["a", "b"][who]));
            *next += gap + length;
        }
        let told = by_offset(&runs);
        // In whatever order they come.
        let turn = usize::try_from(seed % 40).unwrap_or(0).min(runs.len());
        runs.rotate_left(turn);
        let few = coalesce(runs);
        prop_assert_eq!(by_offset(&few), told);
        for pair in few.windows(2) {
            let joins = pair[0].partition == pair[1].partition
                && pair[0].end == pair[1].first
                && pair[0].outcome == pair[1].outcome
                && pair[0].consumer == pair[1].consumer;
            prop_assert!(!joins, "{:?}", pair);
        }
        let counted: u64 = few.iter().map(|run| run.count).sum();
        prop_assert_eq!(counted, few.iter().map(|run| run.end - run.first).sum::<u64>());
    }
}

#[test]
fn of_what_is_joined_the_first_sending_and_the_last_attempt_are_told() {
    for (first, second, want) in [(0, 5, 5), (5, 0, 5), (3, 5, 3), (5, 3, 3), (0, 0, 0)] {
        for (once, again) in [(1, 4), (4, 1)] {
            let mut runs = vec![run((0, 0, 2), true, "a"), run((0, 2, 3), true, "a")];
            (runs[0].first_sent, runs[1].first_sent) = (Timestamp(first), Timestamp(second));
            (runs[0].attempts, runs[1].attempts) = (once, again);
            // The filter left one of the second out.
            runs[1].count = 2;
            let joined = Settled {
                count: 4,
                first_sent: Timestamp(want),
                attempts: 4,
                ..run((0, 0, 5), true, "a")
            };
            assert_eq!(coalesce(runs), [joined]);
        }
    }
}

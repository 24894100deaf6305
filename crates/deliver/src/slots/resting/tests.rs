//! Packed or not, each partition rests where it was laid.

use std::time::Duration;

use proptest::prelude::*;
use tidings_catalog::Durability;
use tidings_event::{Timestamp, TopicId, TopicName};
use tidings_log::Retention;

use super::*;

const PARTITIONS: u32 = 5;

fn resting() -> Resting {
    let topic = Topic {
        id: TopicId(3),
        name: TopicName::default_tenant("a").unwrap(),
        partitions: PARTITIONS,
        retention: Retention { age: Duration::from_secs(60), bytes: None },
        durability: Durability::Durable,
        template: None,
        created_at: Timestamp(0),
    };
    Resting::new(Arc::new(topic), false)
}

fn rests() -> impl Strategy<Value = Rest> {
    let lows = prop_oneof![
        0u64..1_000,
        Packed::LOW_MAX - 1..Packed::LOW_MAX + 3,
        Just(u64::MAX >> 8),
        Just(u64::MAX)
    ];
    let attempts = prop_oneof![0u32..3, 126u32..130, Just(u32::MAX)];
    let before = prop_oneof![Just(0u32), Just(7)];
    let flags = prop_oneof![3 => Just(None), 1 => Just(Some((9, 1)))];
    (lows, attempts, before, flags, any::<bool>()).prop_map(
        |(low, attempts, attempts_before, flags, is_offered)| {
            let level = Level { low, attempts, attempts_before, flags };
            Rest { level, is_offered }
        },
    )
}

proptest! {
    #[test]
    fn what_is_laid_is_found(
        acts in proptest::collection::vec((0u32..PARTITIONS + 1, proptest::option::of(rests())), 1..40),
        forgets_at in 0usize..40,
    ) {
        let mut resting = resting();
        let mut naive = vec![None; PARTITIONS as usize];
        for (number, (at, rest)) in acts.into_iter().enumerate() {
            if number == forgets_at {
                resting.forget_offers();
                naive.iter_mut().flatten().for_each(|rest: &mut Rest| rest.is_offered = false);
            }
            match (rest, naive.get_mut(at as usize)) {
                (Some(rest), place) => {
                    resting.lay(PartitionId(at), rest);
                    place.into_iter().for_each(|place| *place = Some(rest));
                }
                (None, place) => {
                    prop_assert_eq!(resting.take(PartitionId(at)), place.and_then(Option::take));
                }
            }
            let want = naive.iter().enumerate().filter_map(|(at, rest)| Some((at as u32, (*rest)?)));
            let found: Vec<_> = resting.places().map(|(at, rest)| (at.partition.0, rest)).collect();
            prop_assert_eq!(found, want.collect::<Vec<_>>());
            prop_assert_eq!(resting.is_empty(), naive.iter().all(Option::is_none));
        }
    }
}

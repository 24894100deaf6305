//! Against a plain map.

use proptest::prelude::*;

use super::*;

fn offsets() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0u64..300, 65_530u64..65_540, 1u64 << 40..(1 << 40) + 9, Just(u64::MAX)]
}

proptest! {
    #[test]
    fn it_is_what_it_was_made_of(
        made_of in proptest::collection::btree_map((0u64..6, 0u32..9), offsets(), 0..40),
    ) {
        let mut plain: BTreeMap<_, _> = made_of
            .into_iter()
            .map(|((topic, partition), offset)| {
                (TopicPartition::new(topic << 33, partition), Offset(offset))
            })
            .collect();
        let boundary: Boundary = plain.clone().into_iter().collect();
        // What was left out below one that was not is at 0.
        for place in plain.keys().copied().collect::<Vec<_>>() {
            for partition in (0..place.partition.0).map(PartitionId) {
                plain.entry(TopicPartition { partition, ..place }).or_insert(Offset(0));
            }
        }
        prop_assert_eq!(boundary.iter().collect::<Vec<_>>(), plain.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(boundary.is_empty(), plain.is_empty());
        prop_assert_eq!(&boundary, &Boundary::from(&plain));
        for topic in 0..7 {
            for partition in 0..10 {
                let place = TopicPartition::new(topic << 33, partition);
                prop_assert_eq!(boundary.get(place), plain.get(&place).copied());
            }
            let is_there = plain.keys().any(|place| place.topic.0 == topic << 33);
            prop_assert_eq!(boundary.has(TopicId(topic << 33)), is_there);
        }
    }
}

#[test]
fn offsets_that_are_near_each_other_take_a_byte_each() {
    let near = (0..16).map(|partition| {
        (TopicPartition::new(1, partition), Offset((1 << 50) + u64::from(partition) * 16))
    });
    let boundary: Boundary = near.collect();
    assert_eq!(boundary.bytes.len(), ENTRY_BYTES + 16);
}

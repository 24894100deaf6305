//! Records come back as they were put; anything else is refused.

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_record_comes_back_as_it_was_put(
        numbers in any::<(u64, u64, u32, u64, u64, u32, u32)>(),
        reason in prop::sample::select(Reason::ALL.to_vec()),
        redriving in any::<bool>(),
        cut in 0usize..19,
    ) {
        let (id, topic, partition, offset, copy, bytes, epoch) = numbers;
        let place = Place { partition: TopicPartition::new(topic, partition), offset };
        let state = if redriving { LetterState::Redriving } else { LetterState::Dead };
        let record =
            Record { copy: Offset(copy), bytes, epoch: Epoch(epoch), reason, state };
        let change = record.put(SubscriptionId(id), place);
        let value = change.value.unwrap();
        prop_assert_eq!(read_key(&change.key), Some((SubscriptionId(id), place)));
        prop_assert_eq!(Record::read(&value), Some(record));
        prop_assert_eq!(Record::read(&value[..cut]), None);
        prop_assert_eq!(read_key(&change.key[..cut]), None);
        prop_assert!(change.key.len() + value.len() < 64);

        let marked = mark(SubscriptionId(id), place);
        prop_assert_eq!(read_mark(&marked.key), Some((SubscriptionId(id), place)));
        prop_assert_eq!(read_key(&marked.key), None);
        prop_assert_eq!(read_mark(&change.key), None);
        prop_assert_eq!(unmark(SubscriptionId(id), place).key, marked.key);
    }
}

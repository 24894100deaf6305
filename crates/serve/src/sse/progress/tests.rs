//! Ids that carry positions say them exactly, and nothing else is one.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidings_event::{Code, Epoch, TopicPartition};

use super::read;

/// The id alone, written behind something else.
fn spell(epoch: Epoch, next: &BTreeMap<TopicPartition, u64>) -> String {
    let mut text = "id: ".to_owned();
    super::spell(epoch, next, &mut text);
    text.split_off(4)
}

proptest! {
    #[test]
    fn an_id_says_its_positions(
        epoch in any::<u32>(),
        next in proptest::collection::btree_map((1u64..9, 0u32..32), any::<u64>(), 0..40),
    ) {
        let next: BTreeMap<_, _> = next
            .into_iter()
            .map(|((topic, partition), offset)| (TopicPartition::new(topic, partition), offset))
            .collect();
        let text = spell(Epoch(epoch), &next);
        let read = read(&text).unwrap();
        prop_assert!(read.iter().all(|position| position.epoch == Epoch(epoch)));
        let read: BTreeMap<_, _> =
            read.iter().map(|p| (p.topic_partition(), p.offset.0)).collect();
        prop_assert_eq!(read, next);
        prop_assert!(http::HeaderValue::from_str(&text).is_ok());
    }

    #[test]
    fn nothing_else_is_one(text in ".{0,60}", cut in 0usize..40) {
        prop_assert_eq!(read(&text).unwrap_err().code, Code::StreamIdInvalid);
        let mut real = spell(Epoch(1), &[(TopicPartition::new(1, 2), 77)].into());
        real.remove(cut % real.len());
        prop_assert!(read(&real).is_err());
    }
}

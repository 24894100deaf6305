//! One position, one text.

use super::*;
use proptest::prelude::*;

proptest! {
    #[test]
    fn text_round_trip(topic: u64, epoch: u32, partition: u32, offset: u64) {
        let position = Position {
            topic: TopicId(topic),
            epoch: Epoch(epoch),
            partition: PartitionId(partition),
            offset: Offset(offset),
        };
        prop_assert_eq!(position.to_string().parse::<Position>(), Ok(position));
    }

    #[test]
    fn what_parses_is_canonical(text in "p1(-[0-9a-fA-F+]{0,17}){3,5}") {
        if let Ok(position) = text.parse::<Position>() {
            prop_assert_eq!(position.to_string(), text);
        }
    }
}

#[test]
fn foreign_text_is_refused() {
    for text in
        ["", "p1", "p1-1-1-1", "p1-1-1-1-1-1", "p2-1-1-1-1", "p1-1-100000000-1-1", "p1-01-1-1-1"]
    {
        assert_eq!(text.parse::<Position>(), Err(PositionError), "{text}");
    }
}

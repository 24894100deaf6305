//! Ack ids survive their text; any other text is refused.

use proptest::prelude::*;
use tidings_event::{Code, Epoch, Offset, PartitionId, Position, TopicId};

use super::AckId;

proptest! {
    #[test]
    fn text_round_trip(n: (u64, u32, u32, u64, u32, u64)) {
        let position = Position {
            topic: TopicId(n.0),
            epoch: Epoch(n.1),
            partition: PartitionId(n.2),
            offset: Offset(n.3),
        };
        let id = AckId::new(position, n.4, n.5);
        prop_assert_eq!(id.to_string().parse::<AckId>().unwrap(), id);
    }

    #[test]
    fn a_changed_text_is_refused(at: prop::sample::Index, to in "[ -~]") {
        let id = AckId::new("p1-7-1-3-ff".parse().unwrap(), 2, 9).to_string();
        let at = at.index(id.len());
        let mut changed = id.clone();
        changed.replace_range(at..=at, &to);
        if changed != id {
            prop_assert_eq!(changed.parse::<AckId>().unwrap_err().code, Code::AckIdInvalid);
        }
    }

    #[test]
    fn any_text_is_refused(text in ".{0,60}") {
        prop_assert_eq!(text.parse::<AckId>().unwrap_err().code, Code::AckIdInvalid);
    }
}

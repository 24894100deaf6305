//! Cursors survive their bytes; other bytes are refused without a panic.

use proptest::prelude::*;

use tidings_catalog::SubscriptionId;
use tidings_event::TopicPartition;

use super::{Cursor, key};
use crate::runs::RunSet;

proptest! {
    #[test]
    fn cursor_round_trip(low in 0..u64::MAX / 2, runs in proptest::collection::vec((1u64..1 << 20, 1u64..1 << 20), 0..50)) {
        let mut settled = RunSet::default();
        let mut at = low;
        for (gap, length) in runs {
            settled.insert(at + gap, at + gap + length);
            at += gap + length;
        }
        let bytes = Cursor::encode(low, &settled);
        prop_assert_eq!(Cursor::decode(&bytes), Some(Cursor { low, settled }));
    }

    #[test]
    fn bytes_of_this_version_decode_to_themselves_or_not_at_all(
        bytes in proptest::collection::vec(prop::sample::select(&[0, 1, 2, 0x7F, 0x80, 0x81, 0xFF][..]), 0..24),
    ) {
        let bytes = [&[1], &bytes[..]].concat();
        if let Some(cursor) = Cursor::decode(&bytes) {
            prop_assert_eq!(&Cursor::encode(cursor.low, &cursor.settled)[..], &bytes[..]);
        }
    }

    #[test]
    fn any_bytes_decode_to_themselves_or_not_at_all(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Some(cursor) = Cursor::decode(&bytes) {
            prop_assert_eq!(&Cursor::encode(cursor.low, &cursor.settled)[..], &bytes[..]);
        }
    }
}

#[test]
fn a_later_version_is_refused() {
    assert_eq!(Cursor::decode(&[2, 0]), None);
    assert_eq!(Cursor::decode(&[]), None);
}

#[test]
fn the_largest_offsets_are_kept_and_larger_ones_refused() {
    let mut settled = RunSet::default();
    settled.insert(u64::MAX - 3, u64::MAX);
    for low in [0, u64::MAX - 4] {
        let bytes = Cursor::encode(low, &settled);
        assert_eq!(Cursor::decode(&bytes), Some(Cursor { low, settled: settled.clone() }));
    }
    let max = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
    assert_eq!(Cursor::decode(&[&[1], &max[..]].concat()).map(|c| c.low), Some(u64::MAX));
    let over = [&[1], &max[..9], &[2]].concat();
    assert_eq!(Cursor::decode(&over), None);
    // A run past the end, one of no length, and one that touches what is before it.
    for runs in [&[1, 1][..], &[1, 0], &[0, 1]] {
        let low = if runs == [1, 1] { &max[..] } else { &[5] };
        assert_eq!(Cursor::decode(&[&[1], low, runs].concat()), None, "{runs:?}");
    }
}

#[test]
fn keys_are_in_the_order_of_subscription_topic_and_partition() {
    let of = |id, topic, partition| key(SubscriptionId(id), TopicPartition::new(topic, partition));
    assert_eq!(of(1, 2, 3)[..], [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3]);
    let ordered = [of(1, 2, 3), of(1, 2, 256), of(1, 300, 0), of(256, 0, 0)];
    assert!(ordered.is_sorted());
}

//! Cursors survive their bytes; other bytes are refused without a panic.

use proptest::prelude::*;

use super::Cursor;
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

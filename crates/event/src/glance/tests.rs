//! A glance sees what the scanner sees.

use proptest::prelude::*;

use super::{Raw, fields, glance};
use crate::scan::tests::reference::mutated;
use crate::{Envelope, encode, sample, scan};

proptest! {
    #[test]
    fn a_glance_agrees_with_the_scanner(event in sample::event()) {
        let bytes = encode(&event);
        let scanned = Envelope { has_definitions: false, ..scan(&bytes).unwrap() };
        prop_assert_eq!(glance(&bytes), Some(scanned));
    }

    #[test]
    fn whatever_the_scanner_accepts_is_seen(bytes in mutated()) {
        if let Ok(scanned) = scan(&bytes) {
            let scanned = Envelope { has_definitions: false, ..scanned };
            prop_assert_eq!(glance(&bytes), Some(scanned));
        }
    }

    #[test]
    fn any_bytes_are_looked_at_without_a_panic(bytes in any::<Vec<u8>>()) {
        let _envelope = glance(&bytes);
        prop_assert!(fields(&bytes).count() <= bytes.len());
    }
}

#[test]
fn fields_come_in_order_and_end_at_what_is_none() {
    let message = [0x08, 0x07, 0x12, 0x01, b'x', 0x1A, 0x7F];
    let met: Vec<_> = fields(&message).collect();
    assert_eq!(met, [(1, Raw::Varint(7)), (2, Raw::Bytes(b"x"))]);
}

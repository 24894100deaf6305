//! No value is lost between JSON and canonical bytes, and nothing makes either direction panic.

use proptest::prelude::*;

use crate::json::{from_json, json_to_canonical, parse, to_json};
use crate::{encode, sample, scan};

proptest! {
    #[test]
    fn canonical_bytes_survive_json(event in sample::event()) {
        let bytes = encode(&event);
        prop_assert!(scan(&bytes).is_ok());
        let text = to_json(&bytes).unwrap();
        prop_assert_eq!(from_json(text.as_bytes()).unwrap(), event);
        prop_assert_eq!(json_to_canonical(text.as_bytes()).unwrap(), bytes);
    }

    #[test]
    fn json_survives_canonical_bytes(event in sample::event()) {
        let text = to_json(&encode(&event)).unwrap();
        // Another spelling of the same document: keys in another order, blanks between.
        let other = format!("{:#}", parse(text.as_bytes()).unwrap());
        prop_assert_eq!(to_json(&json_to_canonical(other.as_bytes()).unwrap()).unwrap(), text);
    }

    #[test]
    fn whatever_is_scanned_has_json(bytes in crate::scan::tests::reference::mutated()) {
        if scan(&bytes).is_ok() {
            let text = to_json(&bytes).unwrap();
            let again = json_to_canonical(text.as_bytes()).unwrap();
            prop_assert!(scan(&again).is_ok());
            prop_assert_eq!(to_json(&again).unwrap(), text);
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in any::<Vec<u8>>(), text in any::<String>()) {
        let _outcomes = (to_json(&bytes), from_json(&bytes), from_json(text.as_bytes()));
    }
}

//! No value is lost between JSON and canonical bytes, and nothing makes either direction panic.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::slow;
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

    #[test]
    fn the_fast_reading_agrees_with_the_slow_one(
        event in sample::event(),
        cuts in vec((any::<Index>(), 0..4usize, any::<Index>()), 0..3),
    ) {
        let mut text = to_json(&encode(&event)).unwrap();
        for (at, what, with) in cuts {
            damage(&mut text, at, what, with);
        }
        let fast = json_to_canonical(text.as_bytes());
        let slow = parse(text.as_bytes()).and_then(|v| slow::event(&v).map_err(|fault| *fault));
        match (fast, slow) {
            (Ok(fast), Ok(slow)) => prop_assert_eq!(fast, slow),
            // Of several faults each names one.
            (fast, slow) => prop_assert_eq!(fast.is_err(), slow.is_err(), "{:?} {:?} {}", fast, slow, text),
        }
    }
}

/// Changes a text: a character gone, one twice, one of those that mean something put in, or a part
/// of it put in elsewhere.
fn damage(text: &mut String, at: Index, what: usize, with: Index) {
    if text.is_empty() {
        return;
    }
    let place = |index: Index| {
        let mut place = index.index(text.len());
        while !text.is_char_boundary(place) {
            place -= 1;
        }
        place
    };
    let (at, with) = (place(at), place(with));
    match what {
        0 => drop(text.remove(at)),
        1 => {
            let twice = text[at..].chars().next().unwrap_or('"');
            text.insert(at, twice);
        }
        2 => text.insert_str(at, ["\"", "\\u12", "{", "]", ",", ":", "e9", "0", "-"][with % 9]),
        _ => {
            let (from, to) = (at.min(with), at.max(with));
            let part = text[from..to].to_owned();
            text.insert_str(with, &part);
        }
    }
}

//! The check fails for every way in which a sequence can be another.

use super::{Tally, acknowledged};
use crate::input::Input;

fn sent() -> Vec<Vec<u8>> {
    Input::seeded(100).events().map(<[u8]>::to_vec).collect()
}

fn judge(came: &[Vec<u8>]) -> bool {
    let mut tally = Tally::default();
    came.iter().for_each(|event| tally.add(event));
    tally.is(&Tally::of(&Input::seeded(100))).is_ok()
}

#[test]
fn what_was_sent_passes() {
    assert!(judge(&sent()));
}

#[test]
fn a_dropped_event_is_seen() {
    for at in [0, 50, 99] {
        let mut came = sent();
        came.remove(at);
        assert!(!judge(&came), "dropped {at}");
    }
}

#[test]
fn a_repeated_event_is_seen() {
    for at in [0, 50, 99] {
        let mut came = sent();
        came.insert(at, came[at].clone());
        assert!(!judge(&came), "repeated {at}");
    }
}

#[test]
fn an_event_repeated_in_place_of_another_is_seen() {
    let mut came = sent();
    came[51] = came[50].clone();
    assert!(!judge(&came));
}

#[test]
fn reordered_events_are_seen() {
    for (one, other) in [(0, 1), (10, 90), (98, 99)] {
        let mut came = sent();
        came.swap(one, other);
        assert!(!judge(&came), "swapped {one} and {other}");
    }
}

#[test]
fn a_changed_byte_and_a_moved_boundary_are_seen() {
    let mut came = sent();
    came[7][100] ^= 1;
    assert!(!judge(&came));
    let mut came = sent();
    let byte = came[7].pop().unwrap();
    came[8].insert(0, byte);
    assert!(!judge(&came));
}

#[test]
fn each_event_is_acknowledged_once() {
    assert!(acknowledged(100, 100).is_ok());
    assert!(acknowledged(99, 100).is_err());
    assert!(acknowledged(101, 100).is_err());
}

//! The input is the same each time, in events of the length that is told.

use super::Input;

#[test]
fn the_same_events_come_each_time() {
    let (one, other) = (Input::seeded(20_001), Input::seeded(20_001));
    assert_eq!(one.bytes, other.bytes);
    assert_eq!(one.events().count(), 20_001);
    assert!((200..=212).contains(&one.size), "{} bytes", one.size);
}

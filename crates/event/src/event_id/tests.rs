//! Event ids are UUIDs of the right version, and their text form is one.

use super::*;

#[test]
fn a_new_id_is_version_7_and_sorts_by_time() {
    let early = new_event_id(Timestamp::from_millis(1_767_323_045_000), [0xFF; 10]);
    let late = new_event_id(Timestamp::from_millis(1_767_323_045_001), [0; 10]);
    assert_eq!(Uuid::from_bytes(early).get_version_num(), 7);
    assert!(early < late);
    assert_eq!(format_event_id(&early), "019b7ca9-8c88-7fff-bfff-ffffffffffff");
}

#[test]
fn a_foreign_id_is_version_8_and_depends_on_the_source() {
    let id = foreign_event_id("ta-1", "evt_123");
    assert_eq!(id, foreign_event_id("ta-1", "evt_123"));
    assert_ne!(id, foreign_event_id("ta-2", "evt_123"));
    assert_ne!(foreign_event_id("a", "bc"), foreign_event_id("ab", "c"));
    // python3: uuid.UUID(bytes=sha256(b"ta-1\0evt_123").digest()[:16]), version and variant set.
    assert_eq!(format_event_id(&id), "fce8be49-3bd8-829a-a9e9-72930b3d7bad");
}

#[test]
fn only_the_hyphenated_form_is_an_id() {
    let check = |text: &str, is_id: bool| {
        assert_eq!(parse_event_id(text).is_some(), is_id, "{text}");
    };
    check("019b7d7c-5f08-7fff-bfff-ffffffffffff", true);
    check("019B7D7C-5F08-7FFF-BFFF-FFFFFFFFFFFF", true);
    check("00000000-0000-0000-0000-000000000000", true);
    check("019b7d7c5f087fffbfffffffffffffff", false);
    check("{19b7d7c-5f08-7fff-bfff-fffffffffff}", false);
    check("019b7d7c-5f08-7fff-bfff-fffffffffffg", false);
    check("evt_123", false);
    check("", false);
    let id = foreign_event_id("a", "b");
    assert_eq!(parse_event_id(&format_event_id(&id)), Some(id));
}

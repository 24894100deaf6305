//! Conditions of changes and readers.

use proptest::collection;
use proptest::prelude::*;
use tidings_catalog::{Precondition, Version};
use tidings_event::{Code, Epoch};

use super::{expected, is_known, of};

const EPOCH: Epoch = Epoch(3);
const TAG: &str = "00000000000000ff.3";

#[track_caller]
fn check(if_match: Option<&str>, if_none_match: Option<&str>, wanted: &Precondition) {
    assert_eq!(expected(if_match, if_none_match, EPOCH).as_ref(), Ok(wanted));
}

#[test]
fn conditions_are_read() {
    assert_eq!(of(Version(255), EPOCH), TAG);
    let one = Precondition::Versions(vec![Version(255)]);
    check(None, None, &Precondition::None);
    check(Some("*"), None, &Precondition::Present);
    check(None, Some("*"), &Precondition::Absent);
    check(Some(TAG), None, &one);
    check(Some(&format!("\"{TAG}\"")), None, &one);
    check(Some(&format!("\"other\", \"{TAG}\"")), None, &one);
}

#[test]
fn a_tag_that_is_weak_of_another_epoch_or_not_ours_matches_nothing() {
    let none = Precondition::Versions(Vec::new());
    for text in ["W/\"00000000000000ff.3\"", "\"00000000000000ff.4\"", "\"ff.3\"", "\"x\"", "+f.3"]
    {
        check(Some(text), None, &none);
    }
}

#[test]
fn what_is_no_list_of_tags_is_refused() {
    let long = vec!["\"a\""; 65].join(",");
    for text in ["", ",", "\"\"", "\"a", "a b", &long] {
        let refusal = expected(Some(text), None, EPOCH).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldInvalid, "if-match"));
    }
    for (a, b) in [(Some(TAG), Some("*")), (None, Some(TAG))] {
        let refusal = expected(a, b, EPOCH).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldInvalid, "if-none-match"));
    }
}

#[test]
fn readers_know_a_tag_in_any_spelling() {
    for known in ["*", TAG, "\"00000000000000ff.3\"", "\"a\", W/\"00000000000000ff.3\""] {
        assert_eq!(is_known(known, TAG), Ok(true), "{known}");
    }
    assert_eq!(is_known("\"a\"", TAG), Ok(false));
}

proptest! {
    #[test]
    fn any_list_reads_as_its_entries_do(entries in collection::vec("(W/)?\"?[a-f0-9.]{1,20}\"?", 1..8)) {
        let list = entries.join(",");
        let naive = |entry: &String| {
            let text = entry.trim_matches('"');
            let version = text.strip_suffix(".3").filter(|hex| hex.len() == 16);
            let version = version.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            version.filter(|_| !entry.starts_with("W/")).map(Version)
        };
        // One quote alone is no tag.
        let sound = entries.iter().all(|e| {
            let text = e.trim_start_matches("W/");
            text.starts_with('"') == text.ends_with('"') && text.len() > 1 || !text.contains('"')
        });
        match expected(Some(&list), None, EPOCH) {
            Ok(found) => {
                prop_assert!(sound);
                let wanted = entries.iter().filter_map(naive).collect();
                prop_assert_eq!(found, Precondition::Versions(wanted));
            }
            Err(_) => prop_assert!(!sound),
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,60}") {
        let _read_or_refused = (expected(Some(&text), Some(&text), EPOCH), is_known(&text, TAG));
        let _read_or_refused = expected(Some(&text), None, EPOCH);
    }
}

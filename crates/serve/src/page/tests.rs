//! Cursors: what was given out is read, everything else is refused.

use proptest::prelude::*;
use tidings_event::Code;

use super::{List, Page, cursor_of};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("n{n:03}")).collect()
}

#[track_caller]
fn check_refused(list: List, cursor: &str) {
    let refusal = Page::new(list, 10, cursor).map(|_| ()).unwrap_err();
    assert_eq!((refusal.code, refusal.field.as_str()), (Code::CursorInvalid, "cursor"), "{cursor}");
}

#[test]
fn limits_outside_the_range_are_refused() {
    for limit in [0, 1_001, usize::MAX] {
        let refusal = Page::new(List::Topics, limit, "").map(|_| ()).unwrap_err();
        assert_eq!((refusal.code, refusal.field.as_str()), (Code::FieldInvalid, "limit"));
    }
}

#[test]
fn a_cursor_of_another_list_or_changed_is_refused() {
    let cursor = cursor_of(List::Topics, "analysis/indicators/5m");
    assert!(Page::new(List::Topics, 10, &cursor).is_ok());
    check_refused(List::Subscriptions, &cursor);
    check_refused(List::Topics, &cursor.to_uppercase());
    check_refused(List::Topics, &format!("{cursor}0"));
    check_refused(List::Topics, "analysis/indicators/5m");
    check_refused(List::Topics, &format!("c1-0000000000000000-{}", "61".repeat(10_000)));
    for at in 0..cursor.len() {
        let mut changed = cursor.clone().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        check_refused(List::Topics, &String::from_utf8(changed).unwrap());
    }
}

proptest! {
    #[test]
    fn parts_together_are_the_list(count in 0usize..40, limit in 1usize..12) {
        let all = names(count);
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = Page::new(List::Topics, limit, &cursor).unwrap();
            let (part, next) = page.cut(all.iter().rev().cloned(), |name| name);
            prop_assert!(part.len() <= limit);
            seen.extend(part);
            let Some(next) = next else { break };
            cursor = next;
        }
        prop_assert_eq!(seen, all);
    }

    #[test]
    fn any_text_is_refused(text in ".{1,80}") {
        prop_assert!(Page::new(List::Topics, 10, &text).is_err());
    }
}

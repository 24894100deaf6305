//! The order check: what is in order, what is a repeat, what is neither.

use std::sync::Arc;

use tidings_event::key::KeyHash;

use super::{OrderCheck, Seen, Sighting};

/// Events of one partition and topic as (offset, key, count, redelivered) and what each is.
#[track_caller]
fn check(events: &[(u64, u64, u64, bool, Sighting)]) {
    let topic: Arc<str> = "t".into();
    let mut order = OrderCheck::default();
    for &(offset, key, count, redelivered, want) in events {
        let seen =
            Seen { partition: 0, offset, key: KeyHash(key), key_seq: Some(count), redelivered };
        assert_eq!(order.see(&topic, seen), want, "offset {offset}");
    }
}

#[test]
fn in_order_and_flagged_repeats_are_fine() {
    use Sighting::{First, Repeat};
    check(&[
        (5, 1, 0, false, First),
        (6, 2, 0, false, First),
        (7, 1, 3, false, First),
        (6, 2, 0, true, Repeat),
        (8, 2, 1, true, First),
    ]);
}

#[test]
fn holes_unflagged_repeats_and_counts_that_go_back_are_violations() {
    use Sighting::{First, Violation};
    check(&[(0, 1, 0, false, First), (2, 1, 1, false, Violation)]);
    check(&[(0, 1, 0, false, First), (0, 1, 0, false, Violation)]);
    check(&[(0, 1, 1, false, First), (1, 1, 0, false, Violation)]);
}

#[test]
fn an_announced_gap_is_no_hole() {
    let topic: Arc<str> = "t".into();
    let mut order = OrderCheck::default();
    order.gap(&topic, 0, 9);
    let seen =
        Seen { partition: 0, offset: 10, key: KeyHash(1), key_seq: None, redelivered: false };
    assert_eq!(order.see(&topic, seen), Sighting::First);
}

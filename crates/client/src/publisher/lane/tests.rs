//! Blocks fill up while one is under way, and seal at their size.

use super::{Lane, Place};

fn lane() -> Lane {
    Lane::new(Some(Place { topic: "t".into(), partition: 0, partitions: 1 }), 5)
}

#[test]
fn a_block_seals_at_its_size() {
    let mut lane = lane();
    for _ in 0..3 {
        let _receipt = lane.push(&[7; 40], 90, 40);
    }
    let first = lane.take(1).map(|b| (b.count, b.first_sequence, b.reserved));
    assert_eq!(first, Some((2, 5, 80)));
    assert!(!lane.is_sendable(), "the second block is not full and one is unanswered");
    assert!(lane.answered(1).is_some());
    assert_eq!(lane.take(2).map(|b| (b.count, b.first_sequence)), Some((1, 7)));
}

#[test]
fn an_unknown_answer_changes_nothing() {
    let mut lane = lane();
    let _receipt = lane.push(b"x", 90, 1);
    assert!(lane.take(1).is_some());
    assert!(lane.answered(2).is_none());
    assert!(lane.answered(1).is_some());
}

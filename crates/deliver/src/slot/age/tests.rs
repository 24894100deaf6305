//! How old the oldest event is, through sends and settlements.

use tidings_event::Timestamp;

use super::{AGES_MAX, Ages};

const SECOND: u64 = 1_000_000_000;

#[track_caller]
fn check(ages: &mut Ages, offset: u64, want: Option<u64>) {
    assert_eq!(ages.of(offset).map(|at| at.0 / SECOND), want, "of {offset}");
}

#[test]
fn the_oldest_is_as_old_as_its_block_to_a_second() {
    let mut ages = Ages::default();
    check(&mut ages, 0, None);
    for block in 0..5 {
        ages.sent(block * 10, block * 10 + 10, Timestamp((100 + block) * SECOND));
    }
    ages.sent(50, 60, Timestamp(104 * SECOND + 5));
    check(&mut ages, 0, Some(100));
    check(&mut ages, 19, Some(101));
    check(&mut ages, 30, Some(103));
    check(&mut ages, 55, Some(104));
    check(&mut ages, 60, None);
}

#[test]
fn what_was_never_sent_is_read() {
    let mut ages = Ages::default();
    ages.sent(0, 10, Timestamp(100 * SECOND));
    check(&mut ages, 12, None);
    ages.read(10, 20, Timestamp(90 * SECOND));
    check(&mut ages, 12, Some(90));
    ages.sent(15, 20, Timestamp(90 * SECOND));
    check(&mut ages, 19, Some(90));
}

#[test]
fn a_bounded_number_is_kept() {
    let mut ages = Ages::default();
    for block in 0..1_000 {
        ages.sent(block, block + 1, Timestamp(block * SECOND));
    }
    assert_eq!(ages.0.len(), AGES_MAX);
    check(&mut ages, 999, Some(AGES_MAX as u64 - 1));
}

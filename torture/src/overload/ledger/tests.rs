//! What is wrong is found, and what is right is not.

use super::{Ledger, Totals};

const KEY: (usize, usize) = (1, 2);

fn check(tell: impl FnOnce(&Ledger), expected: Result<Totals, &str>) {
    let ledger = Ledger::new(2, 3);
    tell(&ledger);
    match (ledger.judge(&[1]), expected) {
        (Ok(totals), Ok(expected)) => assert_eq!(totals, expected),
        (Err(how), Err(part)) => assert!(how.contains(part), "{how}"),
        (found, expected) => panic!("{found:?}, expected {expected:?}"),
    }
}

#[test]
fn what_was_acknowledged_and_came_is_right() {
    let tell = |ledger: &Ledger| {
        ledger.acked(KEY, 7, 70);
        ledger.acked(KEY, 8, 80);
        ledger.acked((0, 2), 9, 3);
        ledger.unknown(KEY, 9);
        ledger.unknown(KEY, 10);
        for (number, offset, again) in
            [(7, 70, false), (8, 80, false), (7, 70, true), (10, 90, false)]
        {
            ledger.came(KEY, number, offset, again);
        }
        ledger.came((0, 2), 9, 3, true);
    };
    check(tell, Ok(Totals { acked: 3, came: 4 }));
}

#[test]
fn what_did_not_come_is_lost() {
    check(|ledger| ledger.acked(KEY, 7, 70), Err("did not come"));
    let elsewhere = |ledger: &Ledger| {
        ledger.acked(KEY, 7, 70);
        ledger.came(KEY, 7, 71, false);
    };
    check(elsewhere, Err("did not come there"));
}

#[test]
fn what_was_refused_must_not_come() {
    check(|ledger| ledger.came(KEY, 7, 70, false), Err("refused or never sent"));
}

#[test]
fn what_comes_out_of_order_or_twice_is_found() {
    let backwards = |ledger: &Ledger| {
        ledger.came(KEY, 8, 80, false);
        ledger.came(KEY, 7, 70, false);
    };
    check(backwards, Err("offset 70 came after 80"));
    let repeated = |ledger: &Ledger| {
        ledger.came(KEY, 7, 70, false);
        ledger.came(KEY, 7, 70, false);
    };
    check(repeated, Err("offset 70 came after 70"));
    let twice = |ledger: &Ledger| {
        ledger.came(KEY, 7, 70, false);
        ledger.came(KEY, 7, 71, false);
    };
    check(twice, Err("7 is stored twice"));
}

#[test]
fn a_producer_that_keeps_its_order_is_held_to_it() {
    let crossed = |ledger: &Ledger, key| {
        for (number, offset) in [(8, 70), (7, 80)] {
            ledger.acked(key, number, offset);
            ledger.came(key, number, offset, false);
        }
    };
    check(|ledger| crossed(ledger, KEY), Err("in which they were sent"));
    check(|ledger| crossed(ledger, (0, 2)), Ok(Totals { acked: 2, came: 2 }));
}

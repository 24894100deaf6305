//! The damage proof, as much of it as fits a test run; `cargo xtask torture corruption` goes on.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use tidings_log::corruption::{Effort, Tally, corruption};

#[test]
fn no_damage_is_served_or_kept_quiet() {
    let (mut tally, effort) = (Tally::default(), Effort { flips: 300, small: 64, stride: 997 });
    for seed in 0..4 {
        tally += corruption(seed, effort, |_| true).unwrap_or_else(|v| panic!("{v}"));
    }
    println!("{tally:?}");
    let seen = [tally.flips, tally.cuts, tally.blocks, tally.files, tally.lost];
    assert!(tally.harms >= 4_000 && seen.iter().all(|n| *n > 200), "vacuous: {tally:?}");
}

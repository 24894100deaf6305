//! The crash proof, as much of it as fits a test run; `cargo xtask torture crash_states` goes on.

#![expect(clippy::panic, reason = "a test fails by panicking")]

use tidings_log::Sabotage;
use tidings_log::crash_states::{Effort, Exhaustive, Tally, damage_a_header, exhaustive, random};
use tidings_log::fake_disk::Model;

const PLAN: Exhaustive = Exhaustive {
    pieces: 1,
    model: Model::Anything,
    marks: false,
    most: 128,
    share: (0, 1),
    seed: 1,
    sabotage: Sabotage::None,
};

const EFFORT: Effort = Effort { lives: 4, steps: 60, moments: 20, states: 3 };

fn all(plan: &Exhaustive) -> Tally {
    exhaustive(plan, |_| true).unwrap_or_else(|violation| panic!("{violation}"))
}

#[test]
fn every_crash_of_every_short_sequence_recovers() {
    let mut tally = Tally::default();
    for pieces in 0..=2 {
        for (model, marks) in [(Model::Anything, false), (Model::Ordered, true)] {
            let share = if pieces == 2 { (1, 5) } else { (0, 1) };
            tally += all(&Exhaustive { pieces, model, marks, share, ..PLAN });
        }
    }
    println!("{tally:?}");
    let seen = [tally.torn, tally.unsynced, tally.kept, tally.gone, tally.killed, tally.twice];
    assert!(tally.states >= 5_000 && seen.iter().all(|n| *n > 30), "vacuous: {tally:?}");
}

#[test]
fn thousands_of_crashes_of_long_sequences_recover() {
    let mut tally = Tally::default();
    for seed in 0..12 {
        tally += random(seed, EFFORT, Sabotage::None).unwrap_or_else(|v| panic!("{v}"));
    }
    println!("{tally:?}");
    assert!(tally.states >= 2_000 && tally.kept > 150 && tally.gone > 500, "vacuous: {tally:?}");
}

#[test]
fn the_same_seed_sees_the_same() {
    let run = || random(5, Effort { lives: 2, ..EFFORT }, Sabotage::None);
    assert_eq!(run(), run());
}

#[test]
fn a_header_damaged_after_a_crash_costs_nothing() {
    for seed in 0..150 {
        damage_a_header(seed).unwrap_or_else(|violation| panic!("{violation}"));
    }
}

/// Explores until the bug shows.
fn caught(sabotage: Sabotage) {
    for seed in 0..100 {
        if let Err(violation) = random(seed, EFFORT, sabotage) {
            println!("{violation}");
            return;
        }
    }
    panic!("{sabotage:?} was not caught");
}

#[test]
fn no_fsync_is_caught() {
    caught(Sabotage::NoFsync);
}

#[test]
fn ack_before_fsync_is_caught() {
    caught(Sabotage::AckBeforeFsync);
}

#[test]
fn no_directory_fsync_is_caught() {
    caught(Sabotage::NoDirFsync);
}

#[test]
fn resurrected_tail_is_caught() {
    caught(Sabotage::ResurrectTail);
}

#[test]
fn swallowed_sequence_gap_is_caught() {
    caught(Sabotage::SwallowGap);
}

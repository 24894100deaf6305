//! The crash proof: after any crash the log holds what it confirmed, and nothing that was not asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "crash/explore.rs"]
mod explore;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/workload.rs"]
mod workload;

use std::sync::Mutex;

use explore::{Effort, Tally, explore};
use tidings_log::Sabotage;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn ten_thousand_crash_states_recover() {
    // More seeds, for a long run by hand.
    let seeds = std::env::var("CRASH_SEEDS").map_or(60, |seeds| seeds.parse().unwrap());
    let effort = Effort { lives: 4, steps: 60, crashes: 40 };
    let tally = Mutex::new(Tally::default());
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let tally = &tally;
            scope.spawn(move || {
                for seed in (0..seeds).filter(|seed| seed % 2 == thread) {
                    match runtime().block_on(explore(seed, effort, Sabotage::None)) {
                        Ok(seen) => tally.lock().unwrap().add(seen),
                        Err(violation) => panic!("{violation}"),
                    }
                }
            });
        }
    });
    let tally = tally.into_inner().unwrap();
    println!("{tally:?}");
    assert!(tally.states >= 10_000 && tally.kept > 1000 && tally.gone > 1000, "vacuous: {tally:?}");
}

#[test]
fn a_header_damaged_after_a_crash_costs_nothing() {
    for seed in 0..300 {
        if let Err(violation) = runtime().block_on(explore::damage_a_header(seed)) {
            panic!("seed {seed}: {violation}");
        }
    }
}

/// Explores until the bug shows.
fn caught(sabotage: Sabotage) {
    let effort = Effort { lives: 4, steps: 60, crashes: 40 };
    for seed in 0..100 {
        if let Err(violation) = runtime().block_on(explore(seed, effort, sabotage)) {
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

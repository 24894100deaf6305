//! The crash proof: after any crash the log holds what it confirmed, and nothing that was not asked.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "crash/explore.rs"]
mod explore;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/workload.rs"]
mod workload;

use std::sync::atomic::{AtomicUsize, Ordering};

use explore::{Effort, explore};
use tidings_log::Sabotage;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn ten_thousand_crash_states_recover() {
    // More seeds, for a long run by hand.
    let seeds = std::env::var("CRASH_SEEDS").map_or(60, |seeds| seeds.parse().unwrap());
    let effort = Effort { lives: 4, steps: 60, crashes: 40 };
    let states = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let states = &states;
            scope.spawn(move || {
                for seed in (0..seeds).filter(|seed| seed % 2 == thread) {
                    match runtime().block_on(explore(seed, effort, Sabotage::None)) {
                        Ok(looked_at) => states.fetch_add(looked_at, Ordering::Relaxed),
                        Err(violation) => panic!("{violation}"),
                    };
                }
            });
        }
    });
    let states = states.into_inner();
    println!("{states} crash states recovered");
    assert!(states >= 10_000, "only {states} crash states");
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

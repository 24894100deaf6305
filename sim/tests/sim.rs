//! The simulator is held to its word: a seed is a history.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidings-sim")).args(arguments).output().unwrap()
}

#[test]
fn the_same_seed_gives_the_same_history_byte_by_byte() {
    for seed in ["1", "2", "3", "4", "5", "6"] {
        let (first, second) = (sim(&["--seed", seed]), sim(&["--seed", seed]));
        assert!(first.stdout.len() > 10_000, "seed {seed} tells nothing");
        assert!(first.stdout == second.stdout, "seed {seed} told two histories");
    }
}

#[test]
fn a_history_does_not_depend_on_where_memory_lies() {
    // Words on the command line move everything that is allocated after them.
    for seed in ["1", "35", "376"] {
        let plain = sim(&["--seed", seed]);
        for words in [&["--workers", "11111"][..], &["--workers", "3", "--workers", "4"]] {
            let moved = sim(&[&["--seed", seed], words].concat());
            assert!(plain.stdout == moved.stdout, "seed {seed} told two histories");
        }
    }
}

#[test]
fn other_seeds_give_other_histories() {
    assert_ne!(sim(&["--seed", "1"]).stdout, sim(&["--seed", "2"]).stdout);
}

#[test]
fn a_batch_adds_up_what_its_seeds_saw() {
    let output = sim(&["--seeds", "2..4"]);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.starts_with("2 seeds, 0 failed, 0 vacuous\n"), "{told}");
}

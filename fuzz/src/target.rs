//! What a target is, where its corpus lies, and trying it.

use std::path::PathBuf;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::mutate::Mutator;

/// One parser and what must hold of it.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name of the target and of its corpus' directory.
    pub name: &'static str,
    /// Panics when something does not hold.
    pub run: fn(&[u8]),
    /// Good inputs to start from, beside the corpus' files.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Mutations that a test tries: fewer where one takes long.
    pub tries: usize,
}

/// The inputs that a target starts from: its seeds, then its corpus' files by name.
///
/// # Panics
/// When the corpus cannot be read.
#[must_use]
pub fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&dir) {
        Ok(entries) => entries.map(|entry| entry.expect("the corpus is readable").path()).collect(),
        Err(_) => Vec::new(),
    };
    files.sort();
    let read = |file: PathBuf| std::fs::read(file).expect("the corpus is readable");
    (target.seeds)().into_iter().chain(files.into_iter().map(read)).collect()
}

/// Tries the corpus as it is, then mutations of it while `go_on` says so of their count. The same
/// seed makes the same inputs.
pub fn hunt(target: &Target, seed: u64, mut go_on: impl FnMut(usize) -> bool) {
    let corpus = corpus(target);
    let mut trial = Trial { target: target.name, seed, number: 0, input: Vec::new() };
    for input in &corpus {
        trial.input.clone_from(input);
        (target.run)(&trial.input);
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let mut mutator = Mutator::new(&corpus);
    while go_on(trial.number) {
        trial.number += 1;
        let steps = rng.random_range(1..=4);
        mutator.make(&mut rng, steps, &mut trial.input);
        (target.run)(&trial.input);
    }
}

/// The input being tried: when the target panics, it is written where it can be kept.
struct Trial {
    target: &'static str,
    seed: u64,
    number: usize,
    input: Vec<u8>,
}

impl Drop for Trial {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let Self { target, seed, number, input } = self;
        let file = std::env::temp_dir().join(format!("tidings-fuzz-{target}-{seed}-{number}"));
        let kept = std::fs::write(&file, input).map_or("not kept", |()| "kept");
        eprintln!("{target}: try {number} of seed {seed} fails; {kept}: {}", file.display());
    }
}

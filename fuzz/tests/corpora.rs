//! Every target on its corpus and on some mutations of it, the same ones every time.

use tidings_fuzz::{TARGETS, corpus, hunt};

const SEED: u64 = 7;

#[test]
fn every_target_holds_on_its_corpus_and_on_mutations_of_it() {
    for target in TARGETS {
        hunt(target, SEED, |tried| tried < target.tries);
    }
}

#[test]
fn every_target_has_something_to_start_from_and_a_name_of_its_own() {
    for (at, target) in TARGETS.iter().enumerate() {
        assert!(!corpus(target).is_empty(), "{}", target.name);
        assert!(TARGETS[..at].iter().all(|other| other.name != target.name), "{}", target.name);
    }
}

#[test]
fn every_corpus_belongs_to_a_target() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/corpus");
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries {
        let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
        assert!(TARGETS.iter().any(|target| name == *target.name), "{}", name.display());
    }
}

//! Tidings beside its peers: builds both, and runs them in turns. The crate in `bench/peers` is a workspace of its
//! own, which the steps of the other do not reach.

use std::path::Path;

use crate::steps::{Failure, Steps};

const USAGE: &str =
    "usage: cargo xtask bench --peers [--rounds N] [--only SCENARIO,..] | bench --check";
const MANIFEST: &str = "bench/peers/Cargo.toml";

/// Runs what is asked: `--peers` with what the program takes, or `--check` of its code.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let outcome = match args.split_first() {
        Some((first, rest)) if first == "--peers" => peers(&mut steps, rest),
        Some((first, [])) if first == "--check" => check(&mut steps),
        _ => Err(Failure::Step(USAGE.to_owned())),
    };
    steps.report();
    outcome
}

/// What costs no build of other systems' clients: they are built where they are measured.
pub(crate) fn steps(steps: &mut Steps<'_>) -> Result<(), Failure> {
    format(steps)?;
    let metadata = ["metadata", "--locked", "--quiet", "--format-version", "1"];
    let args = [&metadata[..], &["--manifest-path", MANIFEST]].concat();
    steps.run_quietly("lock of peers", "cargo", &args)
}

fn format(steps: &mut Steps<'_>) -> Result<(), Failure> {
    steps.run("format peers", "cargo", &["fmt", "--manifest-path", MANIFEST, "--check"])
}

fn check(steps: &mut Steps<'_>) -> Result<(), Failure> {
    let locked = ["--locked", "--manifest-path", MANIFEST];
    let clippy = [&["clippy"], &locked[..], &["--all-targets", "--", "-D", "warnings"]].concat();
    format(steps)?;
    steps.run("clippy peers", "cargo", &clippy)?;
    steps.run("test peers", "cargo", &[&["test"], &locked[..]].concat())
}

fn peers(steps: &mut Steps<'_>, rest: &[String]) -> Result<(), Failure> {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let release = ["build", "--release", "--locked"];
    steps.run("build tidings", "cargo", &[&release[..], &["-p", "tidings"]].concat())?;
    let manifest = ["--manifest-path", MANIFEST, "--target-dir", &target];
    steps.run("build peers", "cargo", &[&release[..], &manifest].concat())?;
    let (program, server) =
        (format!("{target}/release/tidings-peers"), format!("{target}/release/tidings"));
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    steps.run("peers", &program, &[&["--server", &server], &rest[..]].concat())
}

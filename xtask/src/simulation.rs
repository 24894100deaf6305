//! The simulator in `sim/`: a workspace of its own, which the steps of the other do not reach.

use crate::steps::{Failure, Steps};

/// Checks it, and that a seed is one history in every process.
pub(crate) fn steps(steps: &mut Steps<'_>) -> Result<(), Failure> {
    steps.run("format sim", "cargo", &["fmt", "--manifest-path", MANIFEST, "--check"])?;
    let warnings = ["--all-targets", "--", "-D", "warnings"];
    cargo(steps, "clippy sim", "clippy", &warnings)?;
    cargo(steps, "test sim", "test", &[])
}

/// Builds it where the torture looks for it.
pub(crate) fn build(steps: &mut Steps<'_>) -> Result<(), Failure> {
    cargo(steps, "build sim", "build", &[])
}

const MANIFEST: &str = "sim/Cargo.toml";

fn cargo(steps: &mut Steps<'_>, name: &str, command: &str, rest: &[&str]) -> Result<(), Failure> {
    let around = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    let target = format!("{around}/sim");
    let args =
        [command, "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir", &target];
    steps.run(name, "cargo", &[&args[..], rest].concat())
}

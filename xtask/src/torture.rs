//! Torture of the real binary: kills, power cuts, damage and faults, judged by the checker.

use std::path::Path;

use crate::simulation;
use crate::steps::{Failure, Steps};

/// The service, what stands between it and its disk and clock, and the program that harms it.
const PACKAGES: [&str; 3] = ["tidings", "tidings-shim", "tidings-torture"];

/// What is shipped.
const RELEASE: &str = "release";

/// The same optimized less, which is built sooner.
pub(crate) const QUICK: &str = "torture";

/// Runs the program that harms the service with these arguments, on what is shipped.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // One after the other: built together, the service would get what the tests alone may have.
    for package in PACKAGES {
        build(&mut steps, RELEASE, &[package])?;
    }
    self::steps(&mut steps, RELEASE, &args)
}

/// Builds all at once, for `ci`: the service then lets tests give it a disk, and none does.
pub(crate) fn build_quickly(steps: &mut Steps<'_>) -> Result<(), Failure> {
    build(steps, QUICK, &PACKAGES)
}

/// The steps that follow a build.
pub(crate) fn steps(steps: &mut Steps<'_>, profile: &str, args: &[&str]) -> Result<(), Failure> {
    simulation::build(steps)?;
    let around = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    steps.run("torture", &format!("{around}/{profile}/tidings-torture"), args)
}

fn build(steps: &mut Steps<'_>, profile: &str, packages: &[&str]) -> Result<(), Failure> {
    let chosen = packages.iter().flat_map(|package| ["--package", package]);
    let args: Vec<&str> =
        ["build", "--locked", "--profile", profile].into_iter().chain(chosen).collect();
    steps.run(&format!("build {}", packages.join(", ")), "cargo", &args)
}

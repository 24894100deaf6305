//! The gate for costs: what an event takes in allocations and instructions must stay what the baseline says.

use std::path::Path;

use crate::install::debian_package;
use crate::steps::{Failure, Steps, is_installed};
use crate::torture::QUICK;

/// Runs it with what the program takes: `--renew`, `--case NAME`.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = measure(&mut steps, &args);
    steps.report();
    outcome
}

/// The steps, for `ci` to run among others.
pub(crate) fn steps(steps: &mut Steps<'_>) -> Result<(), Failure> {
    measure(steps, &[])
}

/// Builds as what is harmed is built: the libraries are the same, and a baseline is of one way to build.
fn measure(steps: &mut Steps<'_>, args: &[&str]) -> Result<(), Failure> {
    valgrind(steps)?;
    let build = ["build", "--locked", "--profile", QUICK, "--package", "tidings-gate"];
    steps.run("build gate", "cargo", &build)?;
    let around = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
    steps.run("gate", &format!("{around}/{QUICK}/tidings-gate"), args)
}

/// Without it the gate says that instructions were not counted.
fn valgrind(steps: &mut Steps<'_>) -> Result<(), Failure> {
    if is_installed("valgrind", &["--version"]) {
        return Ok(());
    }
    let installed = debian_package(steps, "valgrind");
    if installed.is_err() && std::env::var_os("TIDINGS_INSTRUCTIONS_REQUIRED").is_none() {
        println!("\n!! valgrind could not be installed: instructions will not be counted.");
        println!("!! Set TIDINGS_INSTRUCTIONS_REQUIRED=1 to make this an error.\n");
        return Ok(());
    }
    installed
}

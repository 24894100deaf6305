//! Torture of the release binary: kills, power cuts, damage and faults, judged by the checker.

use std::path::Path;

use crate::simulation;
use crate::steps::{Failure, Steps};

/// Builds the service and the program that harms it, and runs that with these arguments.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    self::steps(&mut steps, &args)
}

/// The steps, for `ci` to run among others.
pub(crate) fn steps(steps: &mut Steps<'_>, args: &[&str]) -> Result<(), Failure> {
    // One after the other: built together, the service would get what the tests alone may have.
    for package in ["tidings", "tidings-shim", "tidings-torture"] {
        let build = ["build", "--release", "--locked", "--package", package];
        steps.run(&format!("build {package}"), "cargo", &build)?;
    }
    simulation::build(steps)?;
    let run = ["run", "--release", "--quiet", "--locked", "--package", "tidings-torture", "--"];
    steps.run("torture", "cargo", &[&run[..], args].concat())
}

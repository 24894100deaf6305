//! Every test, once, under coverage: unit, property, conformance, crash and end to end.

use std::path::Path;

use crate::install::{cargo_subcommand, llvm_tools};
use crate::steps::{Failure, Steps};

const LLVM_COV_VERSION: &str = "0.9.1";

/// Least share of lines that the tests must run, in percent.
const COVERAGE_FLOOR: &str = "90";

/// Not part of the product, or tests; and the log on Pulsar, whose tests run where a broker does.
const NOT_COVERED: &str = r"(^|/)(xtask|bench|torture|log-pulsar)/|/tests/|/tests\.rs$|/build\.rs$";

/// Runs the tests and reports the times.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let outcome = self::steps(&mut steps);
    steps.report();
    outcome
}

/// The steps, for `ci` to run among others.
pub(crate) fn steps(steps: &mut Steps<'_>) -> Result<(), Failure> {
    if llvm_tools(steps).is_err() && std::env::var_os("TIDINGS_COVERAGE_REQUIRED").is_none() {
        println!(
            "\n!! COVERAGE WAS NOT MEASURED: the component llvm-tools could not be installed."
        );
        println!("!! Set TIDINGS_COVERAGE_REQUIRED=1 to make this an error.\n");
        return prebuilt(steps, "tests", &["test", "--locked", "--workspace"]);
    }
    cargo_subcommand(steps, "llvm-cov", "cargo-llvm-cov", LLVM_COV_VERSION)?;
    prebuilt(steps, "tests", &["llvm-cov", "--no-report", "--locked", "--workspace"])?;
    let report = [
        "llvm-cov",
        "report",
        "--cobertura",
        "--output-path",
        "target/coverage.xml",
        "--ignore-filename-regex",
        NOT_COVERED,
        "--fail-under-lines",
        COVERAGE_FLOOR,
    ];
    steps.run("coverage", "cargo", &report)
}

/// Cargo, with the executable that the end-to-end tests drive built beside them, and as they are.
fn prebuilt(steps: &mut Steps<'_>, name: &str, args: &[&str]) -> Result<(), Failure> {
    steps.run(name, "env", &[&["TIDINGS_E2E_PREBUILT=1", "cargo"], args].concat())
}

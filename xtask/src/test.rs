//! Every test, once, under coverage: unit, property, conformance, crash and end to end.

use std::path::Path;

use crate::install::{cargo_subcommand, llvm_tools};
use crate::steps::{Failure, Steps};

const LLVM_COV_VERSION: &str = "0.9.1";

/// Least share of lines that the tests must run, in percent.
const COVERAGE_FLOOR: &str = "90";

/// Not part of the product, or tests.
const NOT_COVERED: &str = r"(^|/)(xtask|bench|torture)/|/tests/|/tests\.rs$|/build\.rs$";
/// Neither is the log on Pulsar, where there may be no broker to test it with.
const NOT_COVERED_ALONE: &str =
    r"(^|/)(xtask|bench|torture|log-pulsar)/|/tests/|/tests\.rs$|/build\.rs$";

/// Whether a broker is there for the tests that need one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    /// It is, or they fail.
    Required,
    /// Without one they say that they did not run.
    IfAny,
}

/// Runs the tests and reports the times.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let outcome = self::steps(&mut steps, Broker::IfAny);
    steps.report();
    outcome
}

/// The steps, for `ci` to run among others.
pub(crate) fn steps(steps: &mut Steps<'_>, broker: Broker) -> Result<(), Failure> {
    if llvm_tools(steps).is_err() && std::env::var_os("TIDINGS_COVERAGE_REQUIRED").is_none() {
        println!(
            "\n!! COVERAGE WAS NOT MEASURED: the component llvm-tools could not be installed."
        );
        println!("!! Set TIDINGS_COVERAGE_REQUIRED=1 to make this an error.\n");
        return prebuilt(steps, broker, &["test", "--locked", "--workspace"]);
    }
    cargo_subcommand(steps, "llvm-cov", "cargo-llvm-cov", LLVM_COV_VERSION)?;
    prebuilt(steps, broker, &["llvm-cov", "--no-report", "--locked", "--workspace"])?;
    let not_covered = match broker {
        Broker::Required => NOT_COVERED,
        Broker::IfAny => NOT_COVERED_ALONE,
    };
    let report = [
        "llvm-cov",
        "report",
        "--cobertura",
        "--output-path",
        "target/coverage.xml",
        "--ignore-filename-regex",
        not_covered,
        "--fail-under-lines",
        COVERAGE_FLOOR,
    ];
    steps.run("coverage", "cargo", &report)
}

/// Cargo, with the executable that the end-to-end tests drive built beside them, and as they are.
fn prebuilt(steps: &mut Steps<'_>, broker: Broker, args: &[&str]) -> Result<(), Failure> {
    let environment: &[&str] = match broker {
        Broker::Required => &["TIDINGS_E2E_PREBUILT=1", "TIDINGS_PULSAR_REQUIRED=1"],
        Broker::IfAny => &["TIDINGS_E2E_PREBUILT=1"],
    };
    steps.run("tests", "env", &[environment, &["cargo"], args].concat())
}

//! Every test, once, under coverage: unit, property, conformance, crash and end to end.

use std::path::Path;

use crate::ci::install;
use crate::steps::{Failure, Steps};

const TARPAULIN_VERSION: &str = "0.37.5";

/// Least share of lines that the tests must run, in percent.
const COVERAGE_FLOOR: &str = "90";

/// Runs the tests and reports the times.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let outcome = self::steps(root, &mut steps);
    steps.report();
    outcome
}

/// The steps, for `ci` to run among others.
pub(crate) fn steps(_root: &Path, steps: &mut Steps<'_>) -> Result<(), Failure> {
    install(steps, "tarpaulin", "cargo-tarpaulin", TARPAULIN_VERSION)?;
    // The executable that the end-to-end tests drive is built with the tests, instrumented.
    let args = [
        "TIDINGS_E2E_PREBUILT=1",
        "cargo",
        "tarpaulin",
        "--locked",
        "--workspace",
        "--engine",
        "llvm",
        "--follow-exec",
        "--skip-clean",
        "--timeout",
        "1200",
        "--out",
        "xml",
        "--output-dir",
        "target",
        "--exclude-files",
        "target/*",
        "xtask/*",
        "bench/*",
        "torture/*",
        "*/tests.rs",
        "*/tests/*",
        "*/build.rs",
        "--fail-under",
        COVERAGE_FLOOR,
    ];
    steps.run("tests and coverage", "env", &args)
}

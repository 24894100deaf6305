//! Tools of the checks, installed by name and version where they are missing.

use crate::steps::{Failure, Steps, is_installed};

/// They run for seconds, so that what counts is how soon they are built.
const QUICKLY: &[&str] = &[
    "CARGO_PROFILE_RELEASE_OPT_LEVEL=0",
    "CARGO_PROFILE_RELEASE_LTO=off",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256",
    "CARGO_PROFILE_RELEASE_DEBUG=0",
    "cargo",
    "install",
    "--locked",
    "--quiet",
];

/// Installs a subcommand of cargo unless it is there.
pub(crate) fn cargo_subcommand(
    steps: &mut Steps<'_>,
    subcommand: &str,
    package: &str,
    version: &str,
) -> Result<(), Failure> {
    if is_installed("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    let name = format!("install {package}");
    steps.run(&name, "env", &[QUICKLY, &[package, "--version", version]].concat())
}

/// Installs what reads the counts of an instrumented program, of the compiler's own version.
pub(crate) fn llvm_tools(steps: &mut Steps<'_>) -> Result<(), Failure> {
    steps.run("install llvm-tools", "rustup", &["component", "add", "llvm-tools"])
}

/// Installs a package of the system, where it is one of Debian's kind and lets us.
pub(crate) fn debian_package(steps: &mut Steps<'_>, package: &str) -> Result<(), Failure> {
    let name = format!("install {package}");
    let install = ["install", "--yes", "--no-install-recommends", package];
    // The list of packages may be older than what it names.
    let first = steps.run(&name, "apt-get", &install);
    first.or_else(|_| {
        steps.run("list packages", "apt-get", &["update"])?;
        steps.run(&name, "apt-get", &install)
    })
}

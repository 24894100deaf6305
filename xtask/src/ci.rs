//! Everything that decides what lands, in the order of cheapest first.

use std::path::Path;

use crate::install::{cargo_subcommand, debian_package};
use crate::steps::{Failure, Steps, is_installed};
use crate::test::Broker;
use crate::{bench, gate, pulsar, simulation, test, tidy, torture};

const DENY_VERSION: &str = "0.20.2";
const AUDIT_VERSION: &str = "0.22.2";

/// A slice of the parts. Overload is not among them: it holds times against each other, which a machine that does other
/// things as well does not keep. Long runs are for releases.
const TORTURE: &[&str] = &[
    "kill",
    "crash_points",
    "power_cut",
    "crash_states",
    "corruption",
    "clocks",
    "simulation",
    "--minutes",
    "5",
    "--seed",
    "1",
];

/// Of these a few rounds leave kinds of call or fault out.
const IO_FAULTS: &[&str] = &["io_faults", "--minutes", "3", "--seed", "1"];

/// Runs all steps; prints their times even when one fails.
pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut steps = Steps::new(root);
    let outcome = all(root, &mut steps);
    steps.report();
    outcome
}

fn all(root: &Path, steps: &mut Steps<'_>) -> Result<(), Failure> {
    steps.run("format", "cargo", &["fmt", "--all", "--check"])?;
    bench::steps(steps)?;
    steps.call("tidy", || tidy::run(root))?;
    let clippy = ["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
    steps.run("clippy", "cargo", &clippy)?;
    cargo_subcommand(steps, "deny", "cargo-deny", DENY_VERSION)?;
    steps.run("deny", "cargo", &["deny", "--locked", "check", "bans", "licenses", "sources"])?;
    audit(root, steps)?;
    tests_beside_a_broker(steps)?;
    simulation::steps(steps)?;
    torture::build_quickly(steps)?;
    torture::steps(steps, torture::QUICK, TORTURE)?;
    torture::steps(steps, torture::QUICK, IO_FAULTS)?;
    gate::steps(steps)
}

/// All tests, with a broker that is stopped whatever they say. Where none can be had they run without, and say so.
fn tests_beside_a_broker(steps: &mut Steps<'_>) -> Result<(), Failure> {
    if let Err(failure) = broker(steps) {
        if std::env::var_os("TIDINGS_PULSAR_REQUIRED").is_some() {
            return Err(failure);
        }
        println!("\n!! THE LOG ON PULSAR WILL NOT BE TESTED: {failure}");
        println!("!! Set TIDINGS_PULSAR_REQUIRED=1 to make this an error.\n");
        return test::steps(steps, Broker::IfAny);
    }
    let tested = test::steps(steps, Broker::Required);
    let stopped = steps.call("stop broker", || run_pulsar(&["down", "--remove-data"]));
    tested.and(stopped)
}

/// Starts one, with what it takes installed.
fn broker(steps: &mut Steps<'_>) -> Result<(), Failure> {
    if !pulsar::has_java() {
        debian_package(steps, pulsar::JAVA_PACKAGE)?;
    }
    if !is_installed("mvn", &["--version"]) {
        debian_package(steps, "maven")?;
    }
    // Makes what a secured one shows.
    if !is_installed("openssl", &["version"]) {
        debian_package(steps, "openssl")?;
    }
    steps.call("start broker", || run_pulsar(&["up"]))
}

fn run_pulsar(words: &[&str]) -> Result<(), Failure> {
    pulsar::run(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
}

/// Known vulnerabilities: from the copy beside the project where there is one, else fetched.
fn audit(root: &Path, steps: &mut Steps<'_>) -> Result<(), Failure> {
    cargo_subcommand(steps, "audit", "cargo-audit", AUDIT_VERSION)?;
    let database = root.join("../shared/advisory-db");
    if database.is_dir() {
        let path = database.to_string_lossy().into_owned();
        return steps.run("audit", "cargo", &["audit", "--db", &path, "--no-fetch", "--stale"]);
    }
    let fetched = steps.run("audit", "cargo", &["audit"]);
    if fetched.is_err() && std::env::var_os("TIDINGS_AUDIT_REQUIRED").is_none() {
        println!("\n!! AUDIT DID NOT RUN: no advisory database at hand and none could be fetched.");
        println!("!! Set TIDINGS_AUDIT_REQUIRED=1 to make this an error.\n");
        return Ok(());
    }
    fetched
}

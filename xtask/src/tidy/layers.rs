//! Imports point down: the layer table against `cargo metadata`.

use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use crate::steps::Failure;

/// Crate and what it may import of the others. What is not listed may import nothing.
const TABLE: &[(&str, &[&str])] = &[
    ("event", &[]),
    ("telemetry", &[]),
    ("wire", &["event"]),
    ("match", &["event"]),
    ("shape", &["event"]),
    ("client", &["wire", "event"]),
    ("market", &["event"]),
    ("checker", &["event"]),
    ("cluster", &["event"]),
    ("log", &["event", "telemetry"]),
    ("log-pulsar", &["log", "event", "telemetry"]),
    ("catalog", &["log", "match", "shape", "event", "telemetry"]),
    ("admit", &["catalog", "log", "shape", "event", "telemetry"]),
    ("deliver", &["catalog", "log", "match", "shape", "event", "telemetry"]),
    ("insight", &["catalog", "log", "event", "telemetry"]),
    ("edge", &["deliver", "catalog", "event", "telemetry"]),
    (
        "serve",
        &["wire", "admit", "deliver", "insight", "catalog", "log", "shape", "event", "telemetry"],
    ),
    ("sink", &["deliver", "client", "catalog", "event", "telemetry"]),
    ("plugin", &["shape", "deliver", "catalog", "event", "telemetry"]),
    ("examples", &["client", "event"]),
];

/// Packages that may import any crate and that none imports.
const OUTSIDE: &[&str] = &[
    "tidings",
    "xtask",
    "tidings-e2e",
    "tidings-bench",
    "tidings-gate",
    "tidings-fuzz",
    "tidings-torture",
    "tidings-shim",
];

/// Third-party crates that stop at one wall: who alone may import them.
const WALLS: &[(&str, &[&str])] = &[
    ("axum", &["serve"]),
    ("tonic", &["wire", "serve", "client"]),
    ("kand", &["market"]),
    ("magnetar-proto", &["log-pulsar"]),
    ("magnetar-runtime-tokio", &["log-pulsar"]),
    ("clap", &[]),
];

/// What `cargo metadata` says, as far as it is of interest.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Asks cargo for the workspace's packages.
pub(crate) fn metadata(root: &Path) -> Result<Metadata, Failure> {
    let failed = |source| Failure::Start { program: "cargo metadata".into(), source };
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1", "--locked"])
        .current_dir(root)
        .output()
        .map_err(failed)?;
    serde_json::from_slice(&output.stdout)
        .map_err(|_| Failure::Step(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Edges that the table does not have.
pub(crate) fn check(metadata: &Metadata) -> Vec<String> {
    let mut places = Vec::new();
    for package in &metadata.packages {
        if OUTSIDE.contains(&package.name.as_str()) {
            continue;
        }
        let short = package.name.trim_start_matches("tidings-");
        let Some((_, may)) = TABLE.iter().find(|(name, _)| *name == short) else {
            places.push(format!("crate {}: not in the layer table", package.name));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| d.kind.is_none()) {
            if let Some(why) = forbidden(short, may, &dependency.name) {
                places.push(format!("crate {}: imports {}: {why}", package.name, dependency.name));
            }
        }
    }
    places
}

fn forbidden(importer: &str, may: &[&str], imported: &str) -> Option<String> {
    if OUTSIDE.contains(&imported) {
        return Some("nothing imports it".into());
    }
    if let Some(short) = imported.strip_prefix("tidings-") {
        return (!may.contains(&short)).then(|| format!("it may import {may:?}"));
    }
    let wall = WALLS.iter().find(|(name, _)| *name == imported)?;
    (!wall.1.contains(&importer)).then(|| format!("only {:?} may", wall.1))
}

#[cfg(test)]
pub(crate) fn parse(json: &str) -> Metadata {
    serde_json::from_str(json).unwrap()
}

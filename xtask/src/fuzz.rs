//! Fuzzing guided by coverage: libFuzzer over the targets of `fuzz/`, on the stable compiler.

use std::path::Path;
use std::process::Command;

use crate::steps::{Failure, Steps};

/// What makes the compiler count which edges of the code an input reaches (as cargo-fuzz does).
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Ccodegen-units=1";

/// Fuzzes one target, or each in turn, for so many minutes in all. New inputs stay in
/// `target/fuzz/corpus`; one that fails is written to `target/fuzz` and ends the run.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), Failure> {
    let minutes = after(args, "--minutes").and_then(|n| n.parse::<u64>().ok()).unwrap_or(5);
    let named = args.first().filter(|name| !name.starts_with('-'));
    let mut steps = Steps::new(root);
    let triple = triple()?;
    let build = [
        &format!("RUSTFLAGS={COVERAGE}"),
        "cargo",
        "build",
        "--release",
        "--manifest-path",
        "fuzz/guided/Cargo.toml",
        "--target",
        &triple,
        "--target-dir",
        "target/fuzz",
    ];
    steps.run("build with coverage", "env", &build)?;
    let program = format!("target/fuzz/{triple}/release/tidings-fuzz-guided");
    let targets = named.map_or_else(|| names(root), |name| Ok(vec![name.clone()]))?;
    let seconds = (minutes * 60 / targets.len().max(1) as u64).max(1);
    for target in targets {
        let found = format!("target/fuzz/corpus/{target}");
        let kept = format!("fuzz/corpus/{target}");
        for dir in [&found, &kept] {
            std::fs::create_dir_all(root.join(dir))
                .map_err(|source| Failure::File { path: dir.clone(), source })?;
        }
        let name = format!("TIDINGS_FUZZ_TARGET={target}");
        let time = format!("-max_total_time={seconds}");
        let limits = ["-rss_limit_mb=2048", "-timeout=10", "-artifact_prefix=target/fuzz/"];
        let args = [&[name.as_str(), &program, &found, &kept, &time][..], &limits].concat();
        steps.run(&target, "env", &args)?;
    }
    steps.report();
    Ok(())
}

fn after<'a>(args: &'a [String], flag: &str) -> Option<&'a String> {
    args.iter().skip_while(|word| *word != flag).nth(1)
}

/// The targets, as the program of `fuzz/` names them.
fn names(root: &Path) -> Result<Vec<String>, Failure> {
    let output = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "--package", "tidings-fuzz", "--", "--list"])
        .current_dir(root)
        .output()
        .map_err(|source| Failure::Start { program: "cargo run".to_owned(), source })?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect())
}

/// The compiler's own target: flags for it leave build scripts alone only when it is named.
fn triple() -> Result<String, Failure> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .map_err(|source| Failure::Start { program: "rustc".to_owned(), source })?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::Step("rustc -vV names no host".to_owned()))
}

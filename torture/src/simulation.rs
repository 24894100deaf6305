//! The delivery core under simulated disks, clocks, networks and people, seed after seed. The simulator
//! is a program of its own: it judges each seed itself.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::{Row, Verdict};

/// Processes beside each other.
const WORKERS: &str = "2";

/// What the simulator counts and the table tells.
const TOLD: &[&str] = &[
    "events acknowledged",
    "kills",
    "power cuts in writes",
    "torn tails",
    "clock jumps",
    "redeliveries",
    "dead letters",
    "group moves",
    "gaps",
];

/// Seeds from the plan's on until the time is over.
pub(crate) async fn run(plan: &Plan) -> Result<Row, TortureError> {
    let row = Row::new("simulation", plan.seed);
    let Some(program) = beside(&plan.server) else {
        let why = "no tidings-sim beside the binary; `cargo xtask torture` builds it";
        return Ok(Row::skipped(row.part, plan.seed, why));
    };
    let mut command = Command::new(&program);
    command.args(["--seeds", &format!("{}..{}", plan.seed, u64::MAX), "--workers", WORKERS]);
    command.args(["--seconds", &plan.time.as_secs().to_string()]);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (told, how) = (text(&output.stdout), text(&output.stderr));
    Ok(judged(row, output.status.code(), &told, &how))
}

/// The row of what a run of the simulator printed.
fn judged(mut row: Row, code: Option<i32>, told: &str, how: &str) -> Row {
    row.runs = told.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0);
    for line in told.lines() {
        let Some((count, what)) = line.trim().split_once(' ') else { continue };
        if let (Some(name), Ok(count)) = (TOLD.iter().find(|name| **name == what), count.parse()) {
            row.count(name, count);
        }
    }
    let lines = |begin: &str| -> Vec<_> {
        told.lines().filter(|line| line.starts_with(begin)).map(str::to_owned).collect()
    };
    row.verdict = match code {
        Some(0) if row.runs > 0 => Verdict::Valid,
        Some(0) => Verdict::Vacuous("no seed".to_owned()),
        Some(2) => Verdict::Vacuous(lines("VACUOUS").join("\n")),
        _ => Verdict::Violated(format!("{}\n{how}", lines("FAILED").join("\n"))),
    };
    row
}

/// The simulator, where `cargo xtask torture` has it built: its workspace is not the service's.
fn beside(server: &Path) -> Option<PathBuf> {
    let program = server.parent()?.parent()?.join("sim/release/tidings-sim");
    program.is_file().then_some(program)
}

#[cfg(test)]
mod tests;

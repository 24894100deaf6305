//! Torture of the real binary: `cargo xtask torture --minutes 5`, or
//! `tidings-torture [PART..] --minutes N --seed S`.
//!
//! Every part does one kind of harm over and over, has the checker judge what clients saw, and gives
//! one row of the table. Exit code 0 when the promise was kept, 1 when it was broken, 2 when too
//! little happened to prove anything.

mod clocks;
mod corruption;
mod crash_points;
mod crash_states;
mod failure;
mod io_faults;
mod kill;
mod lanes;
mod life;
mod overload;
mod parts;
mod plan;
mod power_cut;
mod report;
mod round;
mod simulation;
mod stage;
mod violation;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tidings_event::{Clock, SystemClock};

use crate::failure::TortureError;
use crate::plan::Plan;
use crate::report::Report;

#[derive(Parser)]
#[command(
    name = "tidings-torture",
    about = "Harm the tidings binary and see whether it keeps its promise"
)]
struct Args {
    /// What to do to it; everything when nothing is named
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(parts::names()))]
    parts: Vec<String>,
    /// Minutes in all; the parts share them
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// What chance is drawn from; drawn itself when absent, and printed
    #[arg(long)]
    seed: Option<u64>,
    /// The binary; the one beside this program when absent
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where logs and histories are put; what proves a violation stays there
    #[arg(long, default_value = "target/torture")]
    dir: PathBuf,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(report) => {
            println!("{report}");
            ExitCode::from(report.exit_code())
        }
        Err(error) => {
            eprintln!("tidings-torture: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<Report, TortureError> {
    let server = args.server.map_or_else(beside, Ok)?;
    let server =
        server.canonicalize().map_err(|source| TortureError::File { path: server, source })?;
    std::fs::create_dir_all(&args.dir).map_err(TortureError::at(&args.dir))?;
    let dir = args.dir.canonicalize().map_err(TortureError::at(&args.dir))?;
    let seed = args.seed.unwrap_or_else(|| SystemClock::new().wall().0 / 1_000_000);
    let asked = parts::ALL
        .iter()
        .filter(|p| args.parts.is_empty() || args.parts.iter().any(|n| n == p.name));
    let asked: Vec<_> = asked.collect();
    let time = plan::share(args.minutes, asked.len());
    let mut report = Report::default();
    for part in asked {
        println!("== {}: {time:.0?}, --seed {seed}", part.name);
        let plan = Plan { seed, time, server: server.clone(), dir: dir.join(part.name) };
        std::fs::create_dir_all(&plan.dir).map_err(TortureError::at(&plan.dir))?;
        let row = parts::run(part, plan).await?;
        println!("{row}");
        report.add(row);
    }
    Ok(report)
}

/// The service's binary, built into the same directory as this program.
fn beside() -> Result<PathBuf, TortureError> {
    let program = std::env::current_exe()?;
    Ok(program.with_file_name("tidings"))
}

//! `tidings-sim`: the delivery core under simulated disks, clocks, networks and people.
//!
//! A seed is a world: topics, publishers, subscriptions, lives of the service and how each ends. The
//! log, the catalog, admission and delivery are the real ones; the disk is the one that loses what a
//! disk may lose. One thread does everything and time passes when nobody has anything to do, so that
//! the same seed gives the same history, byte by byte, in every process: hence one process a seed.

mod arguments;
mod batch;
mod clock;
mod end;
mod entropy;
mod event;
mod life;
mod network;
mod node;
mod operator;
mod plan;
mod publisher;
mod run;
mod subscriber;
mod torn;
mod world;

use std::io::{self, Write};
use std::process::ExitCode;

use tidings_checker::{Report, Thresholds, judge};

use crate::arguments::{Arguments, Asked, USAGE};
use crate::run::Outcome;

fn main() -> ExitCode {
    let asked = match Arguments::parse(std::env::args().skip(1)) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("tidings-sim: {error}");
            return ExitCode::from(64);
        }
    };
    let done = match asked {
        Asked::Help => write!(io::stdout(), "{USAGE}").map(|()| 0),
        Asked::One { seed, is_brief } => one(seed, is_brief),
        Asked::Many(many) => batch::run(&many),
    };
    done.map_or_else(
        |error| {
            eprintln!("tidings-sim: {error}");
            ExitCode::from(3)
        },
        ExitCode::from,
    )
}

/// Runs a seed and shows its history and its verdict; in brief, only what a batch adds up.
fn one(seed: u64, is_brief: bool) -> io::Result<u8> {
    entropy::seed(seed);
    let outcome = run::run(seed)?;
    let thresholds = Thresholds { min_acked: 10, min_deliveries: 10, ..Thresholds::default() };
    let report = judge(&outcome.history, &thresholds);
    let mut out = io::BufWriter::new(io::stdout().lock());
    if is_brief {
        writeln!(out, "{}", batch::line(&outcome.counts))?;
    } else {
        for record in &outcome.history.records {
            serde_json::to_writer(&mut out, record)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()?;
    tell(&outcome, &report)
}

fn tell(outcome: &Outcome, report: &Report) -> io::Result<u8> {
    let mut err = io::stderr().lock();
    if let Some(why) = &outcome.broken {
        writeln!(err, "it did not come to its end: {why}")?;
    }
    write!(err, "{}", report.show(&outcome.history.records))?;
    Ok(if outcome.broken.is_some() { 1 } else { report.exit_code() })
}

//! `tidings-checker HISTORY...`: the verdict on histories that clients wrote.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use tidings_checker::history::{History, Limits};
use tidings_checker::{Thresholds, judge};

/// Reads histories that clients wrote and says whether the delivery promise was kept.
///
/// Exit codes: 0 valid, 1 violated, 2 vacuous (too little happened to prove anything), 3 a history
/// cannot be read, 64 wrong usage.
#[derive(Parser)]
#[command(name = "tidings-checker", version)]
struct Arguments {
    /// History files, one JSON record a line.
    #[arg(required = true)]
    history: Vec<PathBuf>,
    /// Fewest acknowledged events.
    #[arg(long, default_value_t = 1)]
    min_acked: usize,
    /// Fewest deliveries.
    #[arg(long, default_value_t = 1)]
    min_deliveries: usize,
    /// A mark that must have been set, e.g. crash; repeatable.
    #[arg(long = "expect", value_name = "MARK")]
    expect: Vec<String>,
    /// Some event must have been redelivered.
    #[arg(long)]
    expect_redelivery: bool,
    /// Most records read.
    #[arg(long, default_value_t = Limits::default().records)]
    max_records: usize,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { 64 } else { 0 };
            return told(error.print(), code);
        }
    };
    let files: Vec<&Path> = arguments.history.iter().map(PathBuf::as_path).collect();
    let history = match History::read(&files, Limits { records: arguments.max_records }) {
        Ok(history) => history,
        Err(error) => return told(writeln!(std::io::stderr(), "{error}"), 3),
    };
    let thresholds = Thresholds {
        min_acked: arguments.min_acked,
        min_deliveries: arguments.min_deliveries,
        expect_marks: arguments.expect,
        expect_redelivery: arguments.expect_redelivery,
    };
    let report = judge(&history, &thresholds);
    told(write!(std::io::stdout(), "{}", report.show(&history.records)), report.exit_code())
}

/// The exit code, unless the verdict could not be told: then nobody may take it for good.
fn told(outcome: std::io::Result<()>, code: u8) -> ExitCode {
    ExitCode::from(if outcome.is_ok() { code } else { 3 })
}

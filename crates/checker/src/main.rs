//! `tidings-checker HISTORY...`: the verdict on histories that clients wrote.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tidings_checker::history::{History, HistoryError, Limits, Merged};
use tidings_checker::{Streaming, Thresholds, judge};

const USAGE: &str = "\
Usage: tidings-checker [OPTIONS] HISTORY...

Reads histories that clients wrote (one JSON record a line) and says whether the delivery promise
was kept.

  --min-acked N        fewest acknowledged events (1)
  --min-deliveries N   fewest deliveries (1)
  --expect MARK        a mark that must have been set, e.g. crash; repeatable
  --expect-redelivery  some event must have been redelivered
  --expect-crash-in-write  some crash must have fallen between a send and its answer
  --max-records N      most records read (20000000)
  --window N           judge while reading, and hold no more than what is open and N records: for
                       histories larger than memory

Exit codes: 0 valid, 1 violated, 2 vacuous (too little happened to prove anything), 3 a history
cannot be read, 64 wrong usage.
";

/// What the command line says.
#[derive(Default)]
struct Arguments {
    histories: Vec<PathBuf>,
    thresholds: Thresholds,
    limits: Limits,
    window: Option<usize>,
    help: bool,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            let mut number = || {
                let text = value()?;
                text.parse().map_err(|_| format!("{word}: `{text}` is not a number"))
            };
            match word.as_str() {
                "-h" | "--help" => arguments.help = true,
                "--min-acked" => arguments.thresholds.min_acked = number()?,
                "--min-deliveries" => arguments.thresholds.min_deliveries = number()?,
                "--max-records" => arguments.limits.records = number()?,
                "--window" => arguments.window = Some(number()?),
                "--expect" => arguments.thresholds.expect_marks.push(value()?),
                "--expect-crash-in-write" => arguments.thresholds.expect_crash_in_write = true,
                "--expect-redelivery" => arguments.thresholds.expect_redelivery = true,
                unknown if unknown.starts_with('-') => {
                    return Err(format!("{unknown} is not an option; see --help"));
                }
                history => arguments.histories.push(history.into()),
            }
        }
        if arguments.histories.is_empty() && !arguments.help {
            return Err("no history; see --help".to_owned());
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) if arguments.help => return told(write!(std::io::stdout(), "{USAGE}"), 0),
        Ok(arguments) => arguments,
        Err(error) => return told(writeln!(std::io::stderr(), "{error}"), 64),
    };
    match verdict(&arguments) {
        Ok((text, code)) => told(write!(std::io::stdout(), "{text}"), code),
        Err(error) => told(writeln!(std::io::stderr(), "{error}"), 3),
    }
}

/// The report, and its exit code.
fn verdict(arguments: &Arguments) -> Result<(String, u8), HistoryError> {
    let files: Vec<&Path> = arguments.histories.iter().map(PathBuf::as_path).collect();
    let Some(window) = arguments.window else {
        let history = History::read(&files, arguments.limits)?;
        let report = judge(&history, &arguments.thresholds);
        return Ok((report.show(&history.records).to_string(), report.exit_code()));
    };
    let mut streaming = Streaming::new(window, arguments.thresholds.clone());
    for record in Merged::open(&files, arguments.limits)? {
        streaming.take(record?);
    }
    let report = streaming.end();
    Ok((report.show(&[]).to_string(), report.exit_code()))
}

/// The exit code, unless the verdict could not be told: then nobody may take it for good.
fn told(outcome: std::io::Result<()>, code: u8) -> ExitCode {
    ExitCode::from(if outcome.is_ok() { code } else { 3 })
}

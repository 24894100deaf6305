//! Instructions for one event, counted by valgrind: what a run of two rounds takes beyond a run of one.
//! The difference leaves out the start, the warm-up and the making of the input, which both have. What is only
//! read is stored before, and not counted: an event that comes in takes ten times what one takes that is read, and
//! the log groups its writes a little differently each time.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::case::{Case, Size};
use crate::error::GateError;
use crate::run::{directory, part};

const COUNT: [&str; 3] = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"];

/// Whether valgrind is there.
pub(crate) fn can_count() -> bool {
    let mut asked = Command::new("valgrind");
    let asked = asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Counts both runs of a case, side by side.
pub(crate) fn per_event(case: Case) -> Result<f64, GateError> {
    let (one, two) = (Counted::start(case, 1)?, Counted::start(case, 2)?);
    let (one, two) = (one.end()?, two.end()?);
    difference(one, two)
        .ok_or_else(|| GateError::check(format!("{one:?} and {two:?} instructions")))
}

/// What the events of the longer run beyond the shorter one took.
fn difference((events, instructions): (u64, u64), more: (u64, u64)) -> Option<f64> {
    let events = more.0.checked_sub(events).filter(|&events| events > 0)?;
    Some(more.1.checked_sub(instructions)? as f64 / events as f64)
}

/// A run that is counted.
struct Counted {
    command: String,
    child: std::process::Child,
    /// Its log, as long as it runs.
    _dir: TempDir,
}

impl Counted {
    fn start(case: Case, rounds: usize) -> Result<Self, GateError> {
        let (name, rounds, dir) = (case.name(), rounds.to_string(), directory()?);
        let place = dir.path().to_string_lossy();
        if case.is_of_stored() {
            part(&["store", &name, &place])?;
        }
        let args = ["rounds", &name, &rounds, &place];
        let command = format!("valgrind {} tidings-gate {}", COUNT.join(" "), args.join(" "));
        let mut counted = Command::new("valgrind");
        counted.args(COUNT).arg(std::env::current_exe()?).args(args).stdin(Stdio::null());
        let child = counted.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        Ok(Self { command, child, _dir: dir })
    }

    /// Events and instructions.
    fn end(self) -> Result<(u64, u64), GateError> {
        let Output { status, stdout, stderr } = self.child.wait_with_output()?;
        let said = String::from_utf8_lossy(&stderr);
        let events = String::from_utf8_lossy(&stdout).trim().parse().ok();
        match (status.success(), events, instructions(&said)) {
            (true, Some(events), Some(instructions)) => Ok((events, instructions)),
            _ => {
                let from = said.len().saturating_sub(800);
                let said = said.get(from..).unwrap_or_default().to_owned();
                Err(GateError::Run { command: self.command, said })
            }
        }
    }
}

/// The number in `==1== I   refs:      2,345,678`.
fn instructions(said: &str) -> Option<u64> {
    let line = said.lines().rev().find(|line| line.contains("refs:"))?;
    let (what, number) = line.split_once("refs:")?;
    let what = what.trim_end();
    if !what.ends_with('I') {
        return None;
    }
    number.trim().replace(',', "").parse().ok()
}

/// How many windows are made ready: the same input whatever is run of it.
pub(crate) const fn windows(case: Case) -> usize {
    let Size { warm, round } = case.size();
    warm + 2 * round
}

/// Runs a warm-up and so many rounds of a case; says how many events the rounds held.
pub(crate) async fn rounds(case: Case, rounds: usize, dir: &Path) -> Result<u64, GateError> {
    let Size { warm, round } = case.size();
    let mut ready = case.open(dir, windows(case)).await?;
    let warmed = ready.run(warm).await?;
    let events = ready.run(rounds * round).await?;
    ready.close(case, warmed + events).await?;
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::{difference, instructions};

    #[test]
    fn what_valgrind_says_is_read() {
        let said = "==7== Cachegrind\n==7== \n==7== I   refs:      2,345,678,901\n";
        assert_eq!(instructions(said), Some(2_345_678_901));
        assert_eq!(instructions("==7== I refs:        12\n"), Some(12));
        assert_eq!(instructions("==7== D refs:        12\n"), None);
        assert_eq!(instructions("==7== I refs:        twelve\n"), None);
        assert_eq!(instructions("killed\n"), None);
    }

    #[test]
    fn the_difference_leaves_out_what_both_runs_have() {
        assert_eq!(difference((100, 5_000_300), (200, 5_000_600)), Some(3.0));
        assert_eq!(difference((100, 7), (100, 9)), None);
        assert_eq!(difference((100, 9), (200, 7)), None);
    }
}

//! The gate as a whole: measures every case in processes of its own, and says what came of it.

use std::collections::BTreeMap;
use std::io;
use std::process::{Command, Output, Stdio};

use clap::ValueEnum;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use crate::args::{Args, Part};
use crate::baseline::{Baseline, Cost};
use crate::case::Case;
use crate::compare::{Finding, compare};
use crate::error::GateError;
use crate::measure::{self, Measured};
use crate::{cpu_time, instructions, table};

/// Does what is asked; says whether the gate is open.
pub(crate) fn run(args: &Args) -> Result<bool, GateError> {
    match &args.part {
        Some(Part::Measure { case }) => {
            let measured = runtime()?.block_on(measure::measure(*case))?;
            println!("{}", serde_json::to_string(&measured).map_err(io::Error::from)?);
            Ok(true)
        }
        Some(Part::Store { case, dir }) => {
            runtime()?.block_on(case.store(dir, instructions::windows(*case)))?;
            Ok(true)
        }
        Some(Part::Rounds { case, rounds, dir }) => {
            println!("{}", runtime()?.block_on(instructions::rounds(*case, *rounds, dir))?);
            Ok(true)
        }
        None => gate(args),
    }
}

/// A directory for a log, beside this program: that is a disk, where the folder for temporary files may not be.
pub(crate) fn directory() -> Result<TempDir, GateError> {
    let program = std::env::current_exe()?;
    let beside = program.parent().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(tempfile::Builder::new().prefix("gate-").tempdir_in(beside)?)
}

/// All tasks take turns on one thread, so that runs differ little.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

fn gate(args: &Args) -> Result<bool, GateError> {
    let counts = instructions::can_count();
    if args.renew && !counts {
        return Err(GateError::NoValgrind);
    }
    let all = Case::value_variants();
    let cases = if args.cases.is_empty() { all } else { &args.cases[..] };
    let before = Baseline::read(&args.baseline)?;
    let mut measured = Baseline { processor: cpu_time::name(), cases: BTreeMap::new() };
    for &case in cases {
        let cost = Cost {
            measured: in_a_process(case)?,
            instructions: (counts && case.repeats_instructions())
                .then(|| instructions::per_event(case))
                .transpose()?,
        };
        measured.cases.insert(case.name(), cost);
    }
    print!("{}", table::table(&before, &measured));
    if args.renew {
        renewed(before, measured, cases == all)?.write(&args.baseline)?;
        println!("the baseline is renewed: {}", args.baseline.display());
        return Ok(true);
    }
    let findings = compare(&before, &measured, cases == all);
    for finding in &findings {
        println!("{} {finding}", if finding.fails() { "FAILS" } else { "note " });
    }
    if !counts {
        println!("\n!! INSTRUCTIONS WERE NOT COUNTED: `apt-get install valgrind`.\n");
    }
    Ok(!findings.iter().any(Finding::fails))
}

/// A new baseline; of a part, the rest stays as it was.
fn renewed(mut before: Baseline, measured: Baseline, is_all: bool) -> Result<Baseline, GateError> {
    if is_all || before.cases.is_empty() {
        return Ok(measured);
    }
    if before.processor != measured.processor {
        let (was, is) = (before.processor, measured.processor);
        return Err(GateError::OtherProcessor { was, is });
    }
    before.cases.extend(measured.cases);
    Ok(before)
}

/// Measures a case in a process of its own: nothing of another one is in its caches or its memory.
fn in_a_process(case: Case) -> Result<Measured, GateError> {
    let said = part(&["measure", &case.name()])?;
    serde_json::from_slice(&said).map_err(|error| GateError::Run {
        command: format!("tidings-gate measure {}", case.name()),
        said: error.to_string(),
    })
}

/// Runs a part of this program to its end; gives back what it said.
pub(crate) fn part(args: &[&str]) -> Result<Vec<u8>, GateError> {
    let mut part = Command::new(std::env::current_exe()?);
    let Output { status, stdout, stderr } = part.args(args).stdin(Stdio::null()).output()?;
    if status.success() {
        return Ok(stdout);
    }
    let said = String::from_utf8_lossy(&stderr).into_owned();
    Err(GateError::Run { command: format!("tidings-gate {}", args.join(" ")), said })
}

#[cfg(test)]
mod tests {
    use super::renewed;
    use crate::baseline::tests::of;

    #[test]
    fn a_part_is_renewed_where_the_rest_was_measured() {
        let (before, narrow) = (of("dense", 1.0, None, 2.0), of("narrow", 1.0, None, 2.0));
        let both = renewed(before.clone(), narrow.clone(), false).unwrap();
        assert_eq!(both.cases.len(), 2);
        assert_eq!(renewed(before.clone(), narrow.clone(), true).unwrap(), narrow);
        let mut elsewhere = narrow;
        elsewhere.processor = "Two 8000".into();
        let error = renewed(before, elsewhere, false).unwrap_err().to_string();
        assert!(error.contains("One 9000") && error.contains("without `--case`"), "{error}");
    }
}

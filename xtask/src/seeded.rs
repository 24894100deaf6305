//! Seeded bugs: a test of the tests. Each bug is put into a copy of the tree, and the test that is named for
//! it has to fail.

pub(crate) mod bugs;
mod outcome;
mod report;
mod scratch;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tidings_event::{Clock, SystemClock};

use crate::steps::Failure;
use bugs::Bug;
use outcome::Said;
use scratch::Scratch;

/// What became of a bug.
struct Row<'a> {
    bug: &'a Bug,
    verdict: Verdict,
    took: Duration,
}

enum Verdict {
    /// The place and the words of the assertion that failed.
    Caught(String),
    /// Why it is not.
    Missed(String),
}

/// Puts the bugs in one by one: all of them, or those named after `--only`.
pub(crate) fn run(root: &Path, args: &[String]) -> Result<(), Failure> {
    let all = bugs::read(root)?;
    let only: Vec<&str> = match args {
        [] => vec![],
        [flag, ids @ ..] if flag == "--only" && !ids.is_empty() => {
            ids.iter().map(String::as_str).collect()
        }
        _ => return Err(Failure::Seeded("usage: cargo xtask seeded-bugs [--only NN..]".into())),
    };
    let asked: Vec<&Bug> =
        all.iter().filter(|bug| only.is_empty() || only.contains(&&*bug.id)).collect();
    if asked.is_empty() {
        return Err(Failure::Seeded(format!("no bug is called {}", only.join(" or "))));
    }
    // Before the copy is made: the tree may move on meanwhile.
    let commit = report::commit(root);
    let scratch = Scratch::of(root)?;
    clean(&scratch, &asked)?;
    let clock = SystemClock::new();
    let mut rows = Vec::with_capacity(asked.len());
    for bug in asked {
        let began = clock.monotonic();
        let verdict = seed(&scratch, bug)?;
        rows.push(Row { bug, verdict, took: clock.monotonic() - began });
        println!("{}", report::line(&rows[rows.len() - 1]));
    }
    scratch.sync()?;
    if only.is_empty() {
        report::write(root, &rows, &commit)?;
    }
    let missed = rows.iter().filter(|row| matches!(row.verdict, Verdict::Missed(_))).count();
    println!("\n{} of {} caught", rows.len() - missed, rows.len());
    match missed {
        0 => Ok(()),
        _ => Err(Failure::Seeded(format!("{missed} bugs are not caught"))),
    }
}

/// Without a bug all the tests pass.
fn clean(scratch: &Scratch, bugs: &[&Bug]) -> Result<(), Failure> {
    let mut programs: BTreeMap<_, Vec<&Bug>> = BTreeMap::new();
    for bug in bugs {
        programs.entry((&bug.package, &bug.target)).or_default().push(bug);
    }
    for some in programs.into_values() {
        let Some(first) = some.first() else { continue };
        println!("== without a bug: {} {}", first.package, first.target);
        scratch.build(first)?.map_err(|error| Failure::Seeded(format!("{error}\nno build")))?;
        let mut tests: Vec<&str> = some.iter().map(|bug| &*bug.test).collect();
        tests.sort_unstable();
        tests.dedup();
        let output = scratch.test(first, &tests)?;
        if let Some(test) = tests.iter().find(|test| outcome::of(test, &output) != Said::Passed) {
            let text = format!("{output}\n`{test}` does not pass without a bug");
            return Err(Failure::Seeded(text));
        }
    }
    Ok(())
}

/// Puts one bug in and has its test judge it.
fn seed(scratch: &Scratch, bug: &Bug) -> Result<Verdict, Failure> {
    scratch.sync()?;
    if let Err(error) = scratch.apply(&bug.patch)? {
        return Ok(Verdict::Missed(format!("its patch does not apply: {error}")));
    }
    if let Err(error) = scratch.build(bug)? {
        return Ok(Verdict::Missed(format!("it does not compile: {error}")));
    }
    let output = scratch.test(bug, &[&bug.test])?;
    Ok(match outcome::of(&bug.test, &output) {
        Said::Failed(words) => Verdict::Caught(words),
        Said::Passed => Verdict::Missed("its test passes".into()),
        Said::Nothing => {
            let last = output.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            Verdict::Missed(format!("its test did not end: {last}"))
        }
    })
}

#[cfg(test)]
mod tests;

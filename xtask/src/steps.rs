//! Running other programs, step by step, with the time each took.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tidings_event::{Clock, SystemClock};

/// Why a command of this crate failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A step ended with an error.
    #[error("step `{0}` failed")]
    Step(String),
    /// A program could not be started.
    #[error("cannot run `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Seeded bugs cannot be put in, or are not caught.
    #[error("{0}")]
    Seeded(String),
    /// No broker, or it cannot be had.
    #[error(transparent)]
    Pulsar(#[from] crate::pulsar::PulsarError),
    /// The tree breaks rules; each line names one place.
    #[error("{0}")]
    Untidy(String),
}

/// Runs steps and remembers how long each took.
pub(crate) struct Steps<'a> {
    root: &'a Path,
    clock: SystemClock,
    took: Vec<(String, Duration)>,
}

impl<'a> Steps<'a> {
    /// No steps yet; programs run in `root`.
    pub(crate) fn new(root: &'a Path) -> Self {
        Self { root, clock: SystemClock::new(), took: Vec::new() }
    }

    /// Runs a program; its output goes to the terminal.
    pub(crate) fn run(&mut self, name: &str, program: &str, args: &[&str]) -> Result<(), Failure> {
        self.run_into(name, program, args, Stdio::inherit())
    }

    /// As [`Self::run`], without what it has to say of a success.
    pub(crate) fn run_quietly(
        &mut self,
        name: &str,
        program: &str,
        args: &[&str],
    ) -> Result<(), Failure> {
        self.run_into(name, program, args, Stdio::null())
    }

    fn run_into(
        &mut self,
        name: &str,
        program: &str,
        args: &[&str],
        output: Stdio,
    ) -> Result<(), Failure> {
        println!("\n== {name}: {program} {}", args.join(" "));
        let start = self.clock.monotonic();
        let status = Command::new(program)
            .args(args)
            .current_dir(self.root)
            .stdin(Stdio::null())
            .stdout(output)
            .status()
            .map_err(|source| Failure::Start { program: program.to_owned(), source })?;
        self.took.push((name.to_owned(), self.clock.monotonic() - start));
        if status.success() { Ok(()) } else { Err(Failure::Step(name.to_owned())) }
    }

    /// Runs a function as a step.
    pub(crate) fn call(
        &mut self,
        name: &str,
        step: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        println!("\n== {name}");
        let start = self.clock.monotonic();
        let outcome = step();
        self.took.push((name.to_owned(), self.clock.monotonic() - start));
        outcome
    }

    /// Prints each step's time.
    pub(crate) fn report(&self) {
        println!("\n== times");
        for (name, took) in &self.took {
            println!("{:>8.1} s  {name}", took.as_secs_f64());
        }
        let total: Duration = self.took.iter().map(|(_, took)| *took).sum();
        println!("{:>8.1} s  all steps", total.as_secs_f64());
    }
}

/// Whether a program answers `--version`.
pub(crate) fn is_installed(program: &str, args: &[&str]) -> bool {
    let status =
        Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|s| s.success())
}

//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::case::Case;

/// What to measure, and against what.
#[derive(Debug, Parser)]
#[command(name = "tidings-gate", about = "Hold what an event costs against what it cost before")]
pub(crate) struct Args {
    /// Only these cases
    #[arg(long = "case")]
    pub(crate) cases: Vec<Case>,
    /// Write what is measured as the new baseline
    #[arg(long)]
    pub(crate) renew: bool,
    /// Where the baseline is
    #[arg(long, default_value = "bench/gate/baseline.json")]
    pub(crate) baseline: PathBuf,
    /// What is run of this program for each measurement, in a process of its own
    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

/// One case in one process.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Part {
    /// Allocations and processor time, over rounds; says them in JSON
    #[command(hide = true)]
    Measure {
        /// Which
        case: Case,
    },
    /// Stores what a case reads
    #[command(hide = true)]
    Store {
        /// Which
        case: Case,
        /// An empty directory
        dir: PathBuf,
    },
    /// A warm-up and so many rounds, for whoever counts instructions; says the number of events
    #[command(hide = true)]
    Rounds {
        /// Which
        case: Case,
        /// How many
        rounds: usize,
        /// Where its log is, with what was stored for it
        dir: PathBuf,
    },
}

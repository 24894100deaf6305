//! What the bench may be told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tidings_wire::spelling::parse_duration;

use crate::cli::ServerArg;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Scenario {
    /// Events in, as fast as they are acknowledged
    Ingest,
    /// The same with consumers that each take everything
    FanOut,
    /// A fixed rate: from the intended send time to the ack, and to receipt
    Latency,
    /// Stored events, as fast as they are taken
    Replay,
    /// One event of every instrument and timeframe, all due at one instant
    Burst,
}

impl Scenario {
    /// As it is named on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::FanOut => "fan-out",
            Self::Latency => "latency",
            Self::Replay => "replay",
            Self::Burst => "burst",
        }
    }
}

/// What the bench may be told.
#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) server: ServerArg,
    /// What to measure; everything when nothing is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) scenario: Vec<Scenario>,
    /// Events of a round of ingest, fan-out and replay.
    #[arg(long, value_name = "N", default_value_t = 500_000,
          value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) events: u64,
    /// Events a second of latency.
    #[arg(long, value_name = "R", default_value_t = 20_000,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) rate: u64,
    /// How long a round of latency goes on, e.g. 5s or 1m; with --here, each look for the capacity.
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Consumers that each take everything: 8 of fan-out, 1 of latency, replay and burst when absent.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) consumers: Option<u32>,
    /// Rounds of each scenario: shown are medians and ranges.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,
    /// Same seed, same events but for times and source.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Instruments that take turns, each in 10 timeframes.
    #[arg(long, value_name = "N", default_value_t = 6_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) instruments: u32,
    /// Draw a picture of the result.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Keep the result, every round of it, as a JSON document.
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,
    /// Find out what this machine takes, with a service of its own on temporary data, and write the
    /// capacity file.
    #[arg(long, conflicts_with_all = ["scenario", "rate", "events"])]
    pub(crate) here: bool,
    /// With --here: the data directory of the service. It measures on that disk, in a folder that it
    /// removes, and puts the file there.
    #[arg(long, value_name = "DIR", requires = "here")]
    pub(crate) data_dir: Option<PathBuf>,
    /// With --here: another place for the capacity file.
    #[arg(long, value_name = "FILE", requires = "here")]
    pub(crate) capacity_file: Option<PathBuf>,
    /// With --here: the time within which 99 of 100 acks have to come.
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = duration, requires = "here")]
    pub(crate) ack_p99: Duration,
}

impl BenchArgs {
    /// What is measured, in the order of the list.
    pub(super) fn scenarios(&self) -> Vec<Scenario> {
        let mut named = self.scenario.clone();
        if named.is_empty() {
            named = Scenario::value_variants().to_vec();
        }
        named.sort_unstable();
        named.dedup();
        named
    }

    /// Consumers of a scenario.
    pub(super) fn consumers(&self, scenario: Scenario) -> u32 {
        match scenario {
            Scenario::Ingest => 0,
            Scenario::FanOut => self.consumers.unwrap_or(8),
            Scenario::Latency | Scenario::Replay | Scenario::Burst => self.consumers.unwrap_or(1),
        }
    }
}

/// From 10 milliseconds to a day.
fn duration(text: &str) -> Result<Duration, String> {
    let duration = parse_duration(text).map_err(|refusal| refusal.to_string())?;
    let range = Duration::from_millis(10)..=Duration::from_secs(86_400);
    range.contains(&duration).then_some(duration).ok_or(format!("`{text}` is not 10ms to 1d"))
}

//! Load on the real binary, and what measures it: the command `tidings-bench`, and parts for benches beside it.
//!
//! Server and clients share the machine. Every scenario checks its own output, so that it can fail:
//! counts, order per partition, and that nothing came twice. Rates are medians over rounds; the
//! cost of each side is its processor time per event.

mod bar_close;
mod blocks;
pub mod consume;
mod fan_out;
mod framed;
mod idle_connections;
mod idle_subscriptions;
pub mod ingest;
mod key_shared;
pub mod latency;
pub mod meter;
mod narrow;
pub mod one_in_flight;
pub mod open_loop;
mod poisoned;
pub mod process;
pub mod replay;
pub mod report;
mod restart;
mod settle_bytes;
pub mod shapes;
mod slow_consumer;
mod start;
mod ws_fanout;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// What to measure, and how.
#[derive(Debug, Parser)]
#[command(name = "tidings-bench", about = "Measure the tidings binary on this machine")]
pub struct Args {
    /// What to measure; everything when nothing is named
    pub scenarios: Vec<Scenario>,
    /// The binary
    #[arg(long, default_value = "target/release/tidings")]
    pub server: PathBuf,
    /// Events of each round
    #[arg(long, default_value_t = 4_000_000)]
    pub events: u64,
    /// GiB of log that the restart begins with
    #[arg(long, default_value_t = 2)]
    pub log_gib: u64,
    /// Rounds of each scenario
    #[arg(long, default_value_t = 3)]
    pub rounds: u32,
    /// Events a second of the open loop; several rates in turns when none is given
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub rate: Option<u64>,
    /// How many subscriptions are idle
    #[arg(long, default_value_t = 10_000)]
    pub subscriptions: u64,
    /// Where the results go
    #[arg(long, default_value = "bench/results")]
    pub out: PathBuf,
    /// What this run is about, for the file's name
    #[arg(long, default_value = "spine")]
    pub name: String,
}

impl Args {
    /// One round of so many events against this binary, or of so many a second.
    #[must_use]
    pub fn one_round(server: PathBuf, events: u64, rate: u64) -> Self {
        Self { server, events, rate: Some(rate), rounds: 1, ..Self::parse_from(["tidings-bench"]) }
    }
}

/// A scenario by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// Blocks in over gRPC, acknowledged when durable
    Ingest,
    /// The same with one consumer taking everything
    E2e,
    /// Events in over HTTP as text, in three shapes
    Shapes,
    /// Fixed rates, from the intended send time to receipt
    Latency,
    /// Start on an empty directory, memory when idle
    Start,
    /// Kill with a full log, page cache dropped, start again
    Restart,
    /// A thousand WebSocket consumers at 100 events a second each
    WsFanout,
    /// Memory of idle connections
    IdleConnections,
    /// Blocks in; eight, 64 and 512 consumers that each take everything
    #[value(alias = "fan-out")]
    Fanout,
    /// The same with eight and with one, over gRPC and framed in turns
    Framed,
    /// Blocks in, eight members of a group that share the keys
    KeyShared,
    /// A thousand subscriptions with narrow filters against ten
    Narrow,
    /// Nine keys beside one that always fails
    Poisoned,
    /// Memory of idle subscriptions, over SSE and over one gRPC connection
    IdleSubscriptions,
    /// Seven consumers at a fixed rate, alone and beside one that stands still for a minute
    SlowConsumer,
    /// What cursors and settlements of eight subscriptions add to the bytes written
    SettleBytes,
    /// What is stored, from the beginning, over gRPC and framed in turns
    Replay,
    /// Bars close each ten seconds: 60,000 sets within one, for eight firehoses and a thousand narrow filters
    BarClose,
    /// One event at a time, each sent when the one before is acknowledged
    OneInFlight,
}

/// Why a bench has no result.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The system refused something.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The service refused something.
    #[error("{0}")]
    Client(#[from] tidings_client::ClientError),
    /// The output is not what was put in.
    #[error("output check failed: {0}")]
    Check(String),
}

/// Measures what was asked for, everything when nothing is named, and writes the report.
///
/// # Errors
/// When a scenario cannot be run or its output is not what was put in.
pub async fn run(args: &Args) -> Result<(), BenchError> {
    let mut report = report::Report::new(&args.name);
    let all = Scenario::value_variants();
    for scenario in if args.scenarios.is_empty() { all } else { &args.scenarios[..] } {
        match scenario {
            Scenario::Ingest => ingest::run(args, &mut report, 0).await?,
            Scenario::E2e => ingest::run(args, &mut report, 1).await?,
            Scenario::Shapes => shapes::run(args, &mut report).await?,
            Scenario::Latency => latency::run(args, &mut report).await?,
            Scenario::Start => start::run(args, &mut report).await?,
            Scenario::Restart => restart::run(args, &mut report).await?,
            Scenario::WsFanout => ws_fanout::run(args, &mut report).await?,
            Scenario::IdleConnections => idle_connections::run(args, &mut report).await?,
            Scenario::Fanout => fan_out::run(args, &mut report).await?,
            Scenario::Framed => framed::run(args, &mut report).await?,
            Scenario::KeyShared => key_shared::run(args, &mut report).await?,
            Scenario::Narrow => narrow::run(args, &mut report).await?,
            Scenario::Poisoned => poisoned::run(args, &mut report).await?,
            Scenario::IdleSubscriptions => idle_subscriptions::run(args, &mut report).await?,
            Scenario::SlowConsumer => slow_consumer::run(args, &mut report).await?,
            Scenario::SettleBytes => settle_bytes::run(args, &mut report).await?,
            Scenario::Replay => replay::run(args, &mut report).await?,
            Scenario::BarClose => bar_close::run(args, &mut report).await?,
            Scenario::OneInFlight => one_in_flight::run(args, &mut report).await?,
        }
    }
    report.write(&args.out)
}

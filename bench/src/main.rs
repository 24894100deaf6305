//! Load on the real binary: `cargo run --release -p tidings-bench -- ingest e2e latency start`.
//!
//! Server and clients share the machine. Every scenario checks its own output, so that it can fail:
//! counts, order per partition, and that nothing came twice. Rates are medians over rounds; the
//! cost of each side is its processor time per event.

mod blocks;
mod consume;
mod framed;
mod idle_connections;
mod idle_subscriptions;
mod ingest;
mod latency;
mod meter;
mod narrow;
mod open_loop;
mod poisoned;
mod process;
mod report;
mod restart;
mod settle_bytes;
mod shapes;
mod slow_consumer;
mod start;
mod ws_fanout;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

#[derive(Parser)]
#[command(name = "tidings-bench", about = "Measure the tidings binary on this machine")]
struct Args {
    /// What to measure; everything when nothing is named
    scenarios: Vec<Scenario>,
    /// The binary
    #[arg(long, default_value = "target/release/tidings")]
    server: PathBuf,
    /// Events of each round
    #[arg(long, default_value_t = 4_000_000)]
    events: u64,
    /// GiB of log that the restart begins with
    #[arg(long, default_value_t = 2)]
    log_gib: u64,
    /// Rounds of each scenario
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Events a second of the open loop
    #[arg(long, default_value_t = 50_000)]
    rate: u64,
    /// How many subscriptions are idle
    #[arg(long, default_value_t = 10_000)]
    subscriptions: u64,
    /// Where the results go
    #[arg(long, default_value = "bench/results")]
    out: PathBuf,
    /// What this run is about, for the file's name
    #[arg(long, default_value = "spine")]
    name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Blocks in over gRPC, acknowledged when durable
    Ingest,
    /// The same with one consumer taking everything
    E2e,
    /// Events in over HTTP as text, in three shapes
    Shapes,
    /// A fixed rate, from the intended send time to receipt
    Latency,
    /// Start on an empty directory, memory when idle
    Start,
    /// Kill with a full log, page cache dropped, start again
    Restart,
    /// A thousand WebSocket consumers at 100 events a second each
    WsFanout,
    /// Memory of idle connections
    IdleConnections,
    /// Blocks in, eight consumers that each take everything
    Fanout,
    /// The same with eight and with one, over gRPC and framed in turns
    Framed,
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
}

/// Why a bench has no result.
#[derive(Debug, thiserror::Error)]
enum BenchError {
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

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut args = Args::parse();
    if args.scenarios.is_empty() {
        args.scenarios = Scenario::value_variants().to_vec();
    }
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tidings-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), BenchError> {
    let mut report = report::Report::new(&args.name);
    for scenario in &args.scenarios {
        match scenario {
            Scenario::Ingest => ingest::run(args, &mut report, 0).await?,
            Scenario::E2e => ingest::run(args, &mut report, 1).await?,
            Scenario::Shapes => shapes::run(args, &mut report).await?,
            Scenario::Latency => latency::run(args, &mut report).await?,
            Scenario::Start => start::run(args, &mut report).await?,
            Scenario::Restart => restart::run(args, &mut report).await?,
            Scenario::WsFanout => ws_fanout::run(args, &mut report).await?,
            Scenario::IdleConnections => idle_connections::run(args, &mut report).await?,
            Scenario::Fanout => ingest::run(args, &mut report, 8).await?,
            Scenario::Framed => framed::run(args, &mut report).await?,
            Scenario::Narrow => narrow::run(args, &mut report).await?,
            Scenario::Poisoned => poisoned::run(args, &mut report).await?,
            Scenario::IdleSubscriptions => idle_subscriptions::run(args, &mut report).await?,
            Scenario::SlowConsumer => slow_consumer::run(args, &mut report).await?,
            Scenario::SettleBytes => settle_bytes::run(args, &mut report).await?,
        }
    }
    report.write(&args.out)
}

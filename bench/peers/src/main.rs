//! Tidings and its peers in one run: `cargo xtask bench --peers`.
//!
//! Each round runs every contestant of every scenario once, in turns, so that all see the same machine. Classes
//! of durability stand apart: D0 keeps events in memory, D1 in the page cache, D2 on disk before it acknowledges.

mod check;
mod clients;
mod contest;
mod flow;
mod input;
mod peer;
mod scenarios;
mod targets;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tidings_bench::BenchError;
use tidings_bench::report::Report;

use contest::{Arena, Scenario};

#[derive(Parser)]
#[command(name = "tidings-peers", about = "Measure tidings and its peers on this machine")]
struct Options {
    /// Rounds of each contestant
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// What to measure; everything when nothing is named
    #[arg(long, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Whom to measure: contestants with this in their names, such as `Tidings` or `D2, Kafka`
    #[arg(long)]
    who: Vec<String>,
    /// Percent of the usual events, to try things out
    #[arg(long, default_value_t = 100)]
    percent: u64,
    /// Events a second of the open loop
    #[arg(long, default_value_t = 100_000)]
    rate: u64,
    /// The binary of tidings
    #[arg(long, default_value = "target/release/tidings")]
    server: PathBuf,
    /// Scripts that start the peers
    #[arg(long, default_value = "bench/peers/start")]
    start: PathBuf,
    /// Where the results go
    #[arg(long, default_value = "bench/results")]
    out: PathBuf,
    /// What this run is about, for the file's name
    #[arg(long, default_value = "peers")]
    name: String,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tidings-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs all rounds and writes the report; gives out what has no result.
async fn run(options: &Options) -> Result<Vec<String>, BenchError> {
    let mut report = Report::new(&options.name);
    let mut failures = Vec::new();
    let mut arena = Arena {
        server: options.server.clone(),
        scripts: std::fs::canonicalize(&options.start)?,
        rate: options.rate,
        peers: BTreeMap::new(),
        places: 0,
    };
    let all = Scenario::value_variants();
    let scenarios = if options.only.is_empty() { all } else { &options.only };
    for number in 0..options.rounds {
        for &scenario in scenarios {
            let mut turns = scenario.contestants();
            if number % 2 == 1 {
                turns.reverse();
            }
            for contestant in turns {
                let title = contestant.title(scenario);
                if !options.who.is_empty() && !options.who.iter().any(|who| title.contains(who)) {
                    continue;
                }
                let events = contestant.events * options.percent / 100;
                match arena.round(scenario, &contestant, events).await {
                    Ok(round) => {
                        println!("{title}: {:.0} ev/s {:?}", round.rate(), round.latencies);
                        report.add(&title, round);
                    }
                    Err(error) => {
                        eprintln!("{title}: {error}");
                        failures.push(format!("{title}, round {number}: {error}"));
                    }
                }
            }
        }
    }
    let versions = arena.close().await?;
    report.write_saying(&options.out, &page(options, &report, &versions, &failures))?;
    Ok(failures)
}

/// What stands above the table of rounds.
fn page(options: &Options, report: &Report, versions: &[String], failures: &[String]) -> String {
    let mut text = format!(
        "{} rounds, in turns; events of some 206 bytes; the open loop at {} events a second. Peers: {}. D0 keeps \
         events in memory, D1 in the page cache, D2 on disk before it acknowledges. Medians, ranges in brackets.\n\n",
        options.rounds,
        options.rate,
        versions.join(", "),
    );
    text += &targets::table(report, options.rate);
    if !failures.is_empty() {
        text += &format!("Without result:\n\n- {}\n\n", failures.join("\n- "));
    }
    text
}

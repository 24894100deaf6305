//! `tidings bench`: load on a running service, or on one of its own (`--here`), and what came of it.
//!
//! Everything goes through the public doors, into topics and subscriptions under a name of the run that
//! are removed at its end. Every output is checked: the run fails when an event is lost, comes again or
//! comes out of order.

mod args;
mod bed;
mod check;
mod consume;
mod here;
mod meter;
mod own_server;
mod pace;
mod picture;
mod publish;
mod report;
mod round;
mod search;

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use tidings_client::{Client, ClientError};
use tidings_market::load::TIMEFRAMES;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::output;
pub(crate) use args::BenchArgs;
use args::Scenario;
use bed::Bed;
use check::Verdict;
use pace::Watch;
use report::{Head, Report, Row};
use round::Bench;

/// Why a bench ends early.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    /// A call was refused or lost.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The service did not do what was asked of it.
    #[error("output check failed: {0}")]
    Check(String),
    /// A task of the bench ended by itself.
    #[error("a part of the bench failed: {0}")]
    Task(String),
    /// It was told to.
    #[error("interrupted")]
    Interrupted,
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Client(error) => error.into(),
            other => Self::failed(other),
        }
    }
}

/// Measures what was asked for.
///
/// # Errors
/// When a part failed, or an output was not what was put in.
pub(crate) async fn run(args: BenchArgs, json: bool) -> Result<(), Failure> {
    if args.here {
        return here::run(&args, json).await;
    }
    let client = Client::connect(&args.server.server).await?;
    let report =
        on_a_bed(client, &args, None, async |bench| measure(bench, &args, json).await).await?;
    tell(&report, &args, json)
}

/// Does something on a service with what it needs there, which is removed whatever happens.
async fn on_a_bed<T>(
    client: Client,
    args: &BenchArgs,
    pid: Option<u32>,
    work: impl AsyncFnOnce(&mut Bench) -> Result<T, BenchError>,
) -> Result<T, BenchError> {
    let bed = Bed::make(client).await?;
    let watch = Arc::new(Watch::new());
    let feed = match Bench::feed(&bed, args, &watch).await {
        Ok(feed) => feed,
        Err(error) => {
            // What failed first is what there is to tell.
            let _unheard = bed.remove().await;
            return Err(error);
        }
    };
    let mut bench = Bench::new((bed, feed), args, watch, pid);
    let done = tokio::select! {
        done = work(&mut bench) => done,
        told = told_to_stop() => Err(told.err().unwrap_or(BenchError::Interrupted)),
    };
    let Bench { bed, feed, .. } = bench;
    let closed = match &done {
        Ok(_) => feed.close().await,
        // What is unanswered is of no interest any more, and may never be answered.
        Err(_) => {
            drop(feed);
            Ok(())
        }
    };
    let removed = bed.remove().await;
    let done = done?;
    closed?;
    removed?;
    Ok(done)
}

/// Resolves at Ctrl-C and SIGTERM.
async fn told_to_stop() -> Result<(), BenchError> {
    let cannot = |error: std::io::Error| BenchError::Task(error.to_string());
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    tokio::select! {
        told = tokio::signal::ctrl_c() => told.map_err(cannot),
        _ = terminate.recv() => Ok(()),
    }
}

/// All scenarios in turns, so that what else the machine does strikes none of them alone.
async fn measure(bench: &mut Bench, args: &BenchArgs, json: bool) -> Result<Report, BenchError> {
    let mut report = Report {
        head: head(bench, args).await,
        rows: args.scenarios().into_iter().map(|scenario| row(scenario, args)).collect(),
        failures: Vec::new(),
    };
    let warm = bench.warm_up(args.events).await?;
    if !warm.is_sound() {
        return Err(unsound("warm-up", warm));
    }
    for number in 1..=args.rounds as usize {
        for at in 0..report.rows.len() {
            let scenario = report.rows[at].scenario;
            let round = bench.round(scenario, args).await?;
            if !json {
                let (name, rate) = (scenario.name(), round.rate());
                output::note(&format!("{name}, round {number}: {rate:.0} events/s"));
            }
            report.add(at, number, &round);
        }
    }
    report.head.event_bytes = bench.feed.sent.bytes / bench.feed.sent.events.max(1);
    Ok(report)
}

fn row(scenario: Scenario, args: &BenchArgs) -> Row {
    let rate = (scenario == Scenario::Latency).then_some(args.rate);
    Row { scenario, consumers: args.consumers(scenario), rate, rounds: Vec::new() }
}

fn unsound(what: &str, verdict: Verdict) -> BenchError {
    BenchError::Check(format!("{what}: {verdict}"))
}

async fn head(bench: &Bench, args: &BenchArgs) -> Head {
    Head {
        server: bench.bed.client.url().to_owned(),
        server_version: version(&bench.bed.client).await,
        rounds: args.rounds,
        seed: args.seed,
        instruments: args.instruments,
        timeframes: TIMEFRAMES.len() as u32,
        event_bytes: 0,
    }
}

/// The version of a service, as far as it tells.
async fn version(client: &Client) -> String {
    #[derive(Deserialize)]
    struct Shown {
        version: String,
    }
    let text = client.rest().get("/api/v1/config").await.unwrap_or_default();
    serde_json::from_slice::<Shown>(&text).map_or("unknown".to_owned(), |shown| shown.version)
}

/// Shows a result, and keeps it where that was asked for.
fn tell(report: &Report, args: &BenchArgs, json: bool) -> Result<(), Failure> {
    let document = report.document();
    if let Some(file) = &args.save {
        keep(file, &format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    }
    if let Some(file) = &args.svg {
        keep(file, &picture::picture(report))?;
    }
    if json {
        output::json(&document)?;
    } else {
        output::line(&report.text())?;
    }
    if report.failures.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed("the output is not what was put in".to_owned()))
}

fn keep(file: &Path, text: &str) -> Result<(), Failure> {
    let written = std::fs::write(file, text);
    written.map_err(|error| Failure::Failed(format!("cannot write {}: {error}", file.display())))
}

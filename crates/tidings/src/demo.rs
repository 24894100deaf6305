//! `tidings demo`: a server in this process, a market, consumers of several kinds, and the count.
//!
//! Everything goes through the public doors: events in over gRPC, out over gRPC and REST. What is
//! counted is counted by the clients. The run fails when counts or order do not come out even.

mod args;
mod board;
mod consumers;
mod order;
mod plan;
mod producer;
mod rows;
mod summary;
mod table;

use std::sync::Arc;
use std::time::Duration;

use tidings_client::{Client, ClientError};
use tidings_event::SystemClock;
use tidings_telemetry::Timer;
use tokio::task::JoinSet;

use crate::config::{Config, EngineKind, Flags};
use crate::failure::Failure;
use crate::lifecycle::Running;
use crate::output;
pub(crate) use args::DemoArgs;
use board::{Board, Phase};
use plan::Plan;
use summary::Summary;

/// Longest time without any progress after the last event before the run is given up.
const STALLED: Duration = Duration::from_secs(20);

/// Why a demo ends early.
#[derive(Debug, thiserror::Error)]
enum DemoError {
    /// A call was refused or lost.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A file is not bars.
    #[error(transparent)]
    Csv(#[from] tidings_market::CsvError),
    /// A task of the demo ended by itself.
    #[error("a part of the demo failed: {0}")]
    Task(String),
}

/// Starts a server, runs the demo against it, prints the summary.
///
/// # Errors
/// When a part failed, or the counts did not come out even.
pub(crate) async fn run(args: DemoArgs, json: bool) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let flags = Flags {
        addr: Some("127.0.0.1:0".to_owned()),
        data_dir: Some(args.data_dir.clone().unwrap_or_else(|| folder.path().to_owned())),
        // Its events are nobody's: they do not go where a configuration may send them.
        engine: Some(EngineKind::Embedded),
        ..Flags::default()
    };
    let config = Config::load(&flags, std::iter::empty()).map_err(Failure::failed)?;
    let running = Running::start(&config).await?;
    let outcome = drive(&format!("http://{}", running.addr()), &args, json).await;
    running.stop().await?;
    let summary = outcome.map_err(Failure::failed)?;
    if json {
        output::json(&summary)?;
    } else {
        output::line(&summary.text())?;
    }
    if summary.passed() { Ok(()) } else { Err(Failure::Failed("the demo failed".to_owned())) }
}

/// Publishes, consumes, counts. Uneven counts are in the summary, not an error.
async fn drive(url: &str, args: &DemoArgs, json: bool) -> Result<Summary, DemoError> {
    let clock = Arc::new(SystemClock::new());
    let client = Client::connect(url).await?;
    let plan = Plan::of(args, tidings_event::Clock::wall(&*clock));
    let board = Board::new(&plan, clock);
    for consumer in &plan.consumers {
        client.rest().create_subscription(&consumer.subscription()).await?;
    }
    let mut tasks = JoinSet::new();
    for place in 0..plan.consumers.len() {
        let (client, board) = (client.clone(), Arc::clone(&board));
        tasks.spawn(consumers::run(client, board, plan.consumers[place].clone(), place));
    }
    let mut table = table::Table::new(Arc::clone(&board), args.length(), json);
    let published = tokio::select! {
        published = producer::run(&client, Arc::clone(&board), args) => published,
        failed = first_failure(&mut tasks) => Err(failed),
        () = table.live() => Err(DemoError::Task("the table ended".to_owned())),
    };
    published?;
    board.enter(Phase::Done);
    tokio::select! {
        finished = all_finished(&mut tasks) => finished?,
        () = board.stalled(STALLED) => {}
        () = table.live() => {}
    }
    tasks.shutdown().await;
    table.finish();
    let rows = rows::compare(client.rest(), &board).await;
    for consumer in &plan.consumers {
        client.rest().delete_subscription(&consumer.name).await?;
    }
    Ok(Summary::of(&board, args, rows))
}

/// Resolves when a consumer fails; consumers do not end by themselves while events are published.
async fn first_failure(tasks: &mut JoinSet<Result<(), DemoError>>) -> DemoError {
    match tasks.join_next().await {
        Some(Ok(Err(error))) => error,
        Some(Err(error)) => DemoError::Task(error.to_string()),
        Some(Ok(Ok(()))) | None => DemoError::Task("a consumer ended early".to_owned()),
    }
}

async fn all_finished(tasks: &mut JoinSet<Result<(), DemoError>>) -> Result<(), DemoError> {
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| DemoError::Task(error.to_string()))??;
    }
    Ok(())
}

/// A pause that is not a wait for something.
async fn pause(duration: Duration) {
    Timer.after(duration).await;
}

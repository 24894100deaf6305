//! What seven consumers notice of an eighth that stands still: in turns with runs without it.
//!
//! It takes the first delivery and then nothing until everything is published, which is far behind what
//! is kept in memory; then it has to get the rest, in order. That it was so far behind is checked: what it
//! gets is read from the disk.

use tidings_client::Client;
use tidings_event::SystemClock;
use tidings_market::load::LoadOptions;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::blocks::CASES;
use crate::meter::Meter;
use crate::open_loop::{self, OpenLoop, quantiles};
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
use crate::{Args, BenchError, consume};

const READING: usize = 7;
/// Events a second. Spread as they are, nearly each is a block and a delivery to each consumer.
const RATE: u64 = 10_000;
/// It stands still for so long.
const SECONDS: u64 = 60;
const STALLED: &str = "stalled";
/// Reads of what the log no longer has in memory, as the service counts them.
const DISK_READS: &str = "tidings_log_reads_total ";

/// Runs both cases in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        for (case, load) in CASES {
            let alone = one(args, load, false).await?;
            let beside = one(args, load, true).await?;
            println!(
                "seven alone, {case}: {:?}; beside one that stands still: {:?}",
                alone.latencies, beside.latencies
            );
            report.add(&format!("seven consumers, {case}, {RATE} ev/s"), alone);
            let beside_one = format!("seven beside one that stands still, {case}, {RATE} ev/s");
            report.add(&beside_one, beside);
        }
    }
    Ok(())
}

async fn one(args: &Args, load: LoadOptions, has_stalled: bool) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let load = OpenLoop::new(load, RATE, SECONDS);
    let mut readers = JoinSet::new();
    for number in 0..READING {
        let name = format!("reader-{number}");
        consume::subscribe(&client, &name, &["analysis/**"]).await?;
        readers.spawn(load.take(Client::connect(&server.url).await?, name));
    }
    let (go_on, may_go_on) = oneshot::channel::<()>();
    let mut stalled = JoinSet::new();
    if has_stalled {
        consume::subscribe(&client, STALLED, &["analysis/**"]).await?;
        let its_client = Client::connect(&server.url).await?;
        let late = consume::take_late(its_client, STALLED.into(), load.events(), may_go_on);
        stalled.spawn(late);
    }
    let meter = Meter::start(&server)?;
    load.publish(&client, &SystemClock::new()).await?;
    let all = open_loop::all(readers).await?;
    let round = Round {
        deliveries: load.events() * READING as u64,
        latencies: quantiles(&all),
        ..meter.stop(&server, load.events())?
    };
    let reads = disk_reads(&client).await?;
    drop(go_on);
    while let Some(first) = stalled.join_next().await {
        let first = first.map_err(broken)??;
        let for_it = disk_reads(&client).await?.saturating_sub(reads);
        if for_it == 0 {
            return Err(broken("the one that stood still was not behind the live ring"));
        }
        println!(
            "it stood still after {first} events, and got the other {} with {for_it} reads of the disk",
            load.events() - first
        );
    }
    server.stop().await?;
    Ok(round)
}

async fn disk_reads(client: &Client) -> Result<u64, BenchError> {
    let metrics = client.rest().get("/metrics").await?;
    let metrics = String::from_utf8_lossy(&metrics);
    let value = metrics.lines().find_map(|line| line.strip_prefix(DISK_READS));
    let value = value.ok_or_else(|| broken(format!("no metric {DISK_READS}")))?;
    value.trim().parse().map_err(broken)
}

//! What seven consumers notice of an eighth that stands still: in turns with runs without it.
//!
//! It takes the first delivery and then nothing until everything is published, which is far behind what
//! is kept in memory; then it has to get the rest, in order.

use tidings_client::Client;
use tidings_event::SystemClock;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

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

/// Runs both cases in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let alone = one(args, false).await?;
        let beside = one(args, true).await?;
        println!(
            "seven alone: {:?}; beside one that stands still: {:?}",
            alone.latencies, beside.latencies
        );
        report.add(&format!("seven consumers, {RATE} ev/s"), alone);
        report.add(&format!("seven beside one that stands still, {RATE} ev/s"), beside);
    }
    Ok(())
}

async fn one(args: &Args, has_stalled: bool) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let load = OpenLoop::new(RATE, SECONDS);
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
    let round = Round { latencies: quantiles(&all), ..meter.stop(&server, load.events())? };
    drop(go_on);
    while let Some(first) = stalled.join_next().await {
        let first = first.map_err(broken)??;
        println!(
            "it stood still after {first} events, and got the other {}",
            load.events() - first
        );
    }
    server.stop().await?;
    Ok(round)
}

//! From the intended send time to receipt, at a fixed rate, with one consumer.

use tidings_client::Client;
use tidings_event::SystemClock;
use tokio::task::JoinSet;

use crate::meter::Meter;
use crate::open_loop::{self, OpenLoop, quantiles};
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume};

/// How long it lasts, the warm-up with it.
pub const SECONDS: u64 = 12;

/// Runs the open loop at the asked rate.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let round = one(args).await?;
        println!("open loop {} ev/s: {:?}", args.rate, round.latencies);
        report.add(&format!("open loop, {} ev/s, spread, durable", args.rate), round);
    }
    Ok(())
}

/// One round at the asked rate.
///
/// # Errors
/// When the service refuses something, or what came is not what was sent.
pub async fn one(args: &Args) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    consume::subscribe(&client, "bench", &["analysis/**"]).await?;
    let load = OpenLoop::new(args.rate, SECONDS);
    let mut consumers = JoinSet::new();
    consumers.spawn(load.take(Client::connect(&server.url).await?, "bench".into()));
    let meter = Meter::start(&server)?;
    load.publish(&client, &SystemClock::new()).await?;
    let histogram = open_loop::all(consumers).await?;
    let round = Round { latencies: quantiles(&histogram), ..meter.stop(&server, load.events())? };
    server.stop().await?;
    Ok(round)
}

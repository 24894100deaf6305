//! From kill -9 to ready, with a full log over all journals in 320 partitions, a thousand subscriptions and a
//! cold page cache.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::{Client, PublisherOptions};
use tidings_event::{Clock, SystemClock};
use tidings_market::load::LoadOptions;

use crate::blocks::{Blocks, PARTITIONS};
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
use crate::{Args, BenchError, consume};

/// Every other block goes to a topic of this name instead, which doubles the partitions.
const MIRROR: &str = "bench/";
/// How long these keep theirs, in days, in turns: each is another journal's.
const DAYS: [u64; 2] = [30, 365];
const SUBSCRIPTIONS: usize = 1_000;
const WINDOW: usize = 64;

/// Fills a log once; kills and starts again each round; then reads everything.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    let mut server = Server::start(&args.server).await?;
    let events = fill(&server, args.log_gib << 30).await?;
    for _ in 0..args.rounds {
        let dir = server.kill().await?;
        let cold = drop_page_cache()?;
        let disk_mib_s = read_rate(dir.path())?;
        drop_page_cache()?;
        server = Server::start_in(&args.server, dir).await?;
        let round = Round {
            ready_after: server.ready_after,
            resident_kib: server.resident_kib()?,
            ..Round::default()
        };
        println!(
            "restart: {:?}, page cache dropped: {cold}; the disk read {disk_mib_s:.0} MiB/s before",
            round.ready_after
        );
        let what = format!("restart after kill -9, {} GiB, 320 partitions", args.log_gib);
        report.add(&format!("{what}, {SUBSCRIPTIONS} subscriptions"), round);
    }
    let client = Client::connect(&server.url).await?;
    consume::subscribe(&client, "bench", &["analysis/**", "bench/**"]).await?;
    let clock = SystemClock::new();
    consume::take(client, "bench".into(), events, |_| Ok(())).await?;
    let replay = Round { events, took: clock.monotonic(), ..Round::default() };
    println!("replay: {:.0} ev/s", replay.rate());
    report.add("replay of the whole log, 1 consumer", replay);
    server.stop().await
}

async fn fill(server: &Server, bytes: u64) -> Result<u64, BenchError> {
    let client = Client::connect(&server.url).await?;
    for (timeframe, days) in tidings_market::load::TIMEFRAMES.iter().zip(DAYS.iter().cycle()) {
        let retention = serde_json::json!({ "seconds": days * 86_400 });
        let request = serde_json::json!({ "partitions": PARTITIONS, "retention": retention });
        let request = serde_json::from_value(request).map_err(broken)?;
        client.rest().put_topic(&format!("{MIRROR}{timeframe}"), &request).await?;
    }
    for number in 0..SUBSCRIPTIONS {
        consume::subscribe(&client, &format!("s-{number}"), &["analysis/**", "bench/**"]).await?;
    }
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut blocks = Blocks::new(LoadOptions::SPREAD);
    let clock = SystemClock::new();
    let (mut receipts, mut written, mut events, mut mirrored) =
        (FuturesUnordered::new(), 0, 0, false);
    while written < bytes {
        let block = blocks.next_full(clock.wall());
        written += block.body.len() as u64;
        events += u64::from(block.count);
        mirrored = !mirrored;
        let topic = match block.topic.rsplit('/').next() {
            Some(timeframe) if mirrored => format!("{MIRROR}{timeframe}"),
            _ => block.topic,
        };
        let place = (block.partition, PARTITIONS);
        receipts.push(publisher.send_body_to(&topic, place, block.body, block.count).await?);
        if receipts.len() >= WINDOW
            && let Some(answer) = receipts.next().await
        {
            answer?;
        }
    }
    while let Some(answer) = receipts.next().await {
        answer?;
    }
    Ok(events)
}

/// Makes the next reads come from the disk; `false` where the system does not allow it.
fn drop_page_cache() -> Result<bool, BenchError> {
    Command::new("sync").status()?;
    Ok(std::fs::write("/proc/sys/vm/drop_caches", "3").is_ok())
}

/// MiB a second at which the disk gives the largest file of a folder and those in it: what was written
/// before may keep it busy, or have used up what a virtual one allows.
fn read_rate(dir: &Path) -> Result<f64, BenchError> {
    let mut files = vec![];
    for journal in std::fs::read_dir(dir)? {
        let journal = journal?.path();
        if journal.is_dir() {
            for file in std::fs::read_dir(journal)? {
                let file = file?;
                files.push((file.metadata()?.len(), file.path()));
            }
        }
    }
    let Some((bytes, path)) = files.into_iter().max() else { return Ok(0.0) };
    let clock = SystemClock::new();
    std::io::copy(&mut File::open(path)?, &mut std::io::sink())?;
    Ok(bytes as f64 / f64::from(1 << 20) / clock.monotonic().as_secs_f64())
}

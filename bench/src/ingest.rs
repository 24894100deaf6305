//! Rates: blocks in, acknowledged when durable; alone, or with consumers that each take everything.

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::{BlockPlaced, Client, PublisherOptions, Transport};
use tidings_event::{Clock, SystemClock};
use tidings_market::load::LoadOptions;
use tokio::task::JoinSet;

use crate::blocks::{Blocks, PARTITIONS};
use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume};

/// Blocks sent and not yet answered.
const WINDOW: usize = 64;

/// Runs the dense and the spread case in turns.
pub(crate) async fn run(
    args: &Args,
    report: &mut Report,
    consumers: u32,
) -> Result<(), BenchError> {
    let what = if consumers == 0 { "ingest".to_owned() } else { format!("1 -> {consumers}") };
    for round in 0..args.rounds {
        for (case, options) in [("dense", LoadOptions::DENSE), ("spread", LoadOptions::SPREAD)] {
            let measured = one(args, options, consumers).await?;
            println!("{what} {case} round {round}: {:.0} ev/s", measured.rate());
            report.add(&format!("{what}, {case}, durable"), measured);
        }
    }
    Ok(())
}

/// One round: so many subscriptions, each with a consumer that takes everything.
pub(crate) async fn one(
    args: &Args,
    options: LoadOptions,
    subscriptions: u32,
) -> Result<Round, BenchError> {
    one_over(Transport::Grpc, args, options, subscriptions).await
}

/// As [`one`], with consumers over this transport.
pub(crate) async fn one_over(
    transport: Transport,
    args: &Args,
    options: LoadOptions,
    subscriptions: u32,
) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let mut consumers = JoinSet::new();
    let mut blocks = Blocks::new(options);
    let clock = SystemClock::new();
    // Blocks are whole, so the round ends with the block that reaches the number of events.
    let mut made = vec![];
    let mut total = 0;
    while total < args.events {
        let block = blocks.next_full(clock.wall());
        total += u64::from(block.count);
        made.push(block);
    }
    for number in 0..subscriptions {
        let name = format!("bench-{number}");
        consume::subscribe(&client, &name, &["analysis/**"]).await?;
        let reader = Client::connect(&server.url).await?;
        consumers.spawn(consume::take_over(transport, reader, name, total, |_| Ok(())));
    }
    let options = PublisherOptions::sequenced("bench");
    let publisher = client.publisher(options).await?;
    let meter = Meter::start(&server)?;
    let mut receipts = FuturesUnordered::new();
    let mut stored = 0;
    for block in made {
        let place = (block.partition, PARTITIONS);
        receipts.push(publisher.send_body_to(&block.topic, place, block.body, block.count).await?);
        while receipts.len() >= WINDOW {
            stored += count(receipts.next().await)?;
        }
    }
    while !receipts.is_empty() {
        stored += count(receipts.next().await)?;
    }
    while let Some(ended) = consumers.join_next().await {
        ended.map_err(|e| BenchError::Check(e.to_string()))??;
    }
    if stored != total {
        return Err(BenchError::Check(format!("{stored} events were stored of {total}")));
    }
    let round = meter.stop(&server, total)?;
    server.stop().await?;
    Ok(round)
}

fn count(
    answer: Option<Result<BlockPlaced, tidings_client::ClientError>>,
) -> Result<u64, BenchError> {
    match answer {
        Some(Ok(BlockPlaced::Run { first, count })) if !first.duplicate => Ok(u64::from(count)),
        Some(Ok(other)) => Err(BenchError::Check(format!("unexpected answer {other:?}"))),
        Some(Err(error)) => Err(error.into()),
        None => Ok(0),
    }
}

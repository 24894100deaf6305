//! Rates: blocks in, acknowledged when durable; alone, or with consumers that each take everything.

use std::path::Path;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::{BlockPlaced, Client, Publisher, PublisherOptions, Transport};
use tidings_event::{Clock, SystemClock};
use tidings_market::load::LoadOptions;
use tokio::task::JoinSet;

use crate::blocks::{Blocks, CASES, Made as Block, PARTITIONS};
use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
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
        for (case, options) in CASES {
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
///
/// # Errors
/// When the service refuses something, or what came is not what was sent.
pub async fn one_over(
    transport: Transport,
    args: &Args,
    options: LoadOptions,
    subscriptions: u32,
) -> Result<Round, BenchError> {
    publish_and_take(&args.server, transport, (args.events, options), subscriptions).await
}

/// One round of so many events of a load, with so many consumers that each take everything. All are
/// attached before time runs.
pub(crate) async fn publish_and_take(
    binary: &Path,
    transport: Transport,
    (events, options): (u64, LoadOptions),
    consumers: u32,
) -> Result<Round, BenchError> {
    let server = Server::start(binary).await?;
    let client = Client::connect(&server.url).await?;
    let load = Made::events(events, options);
    let total = load.total;
    let attached = consume::attach_each(transport, &client, &server.url, consumers).await?;
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut taking = JoinSet::new();
    let meter = Meter::start(&server)?;
    for consumer in attached {
        taking.spawn(consume::take_with(consumer, total, |_| Ok(())));
    }
    load.publish(&publisher).await?;
    while let Some(ended) = taking.join_next().await {
        ended.map_err(broken)??;
    }
    let deliveries = total * u64::from(consumers);
    let round = Round { deliveries, ..meter.stop(&server, total)? };
    server.stop().await?;
    Ok(round)
}

/// Blocks made before time runs.
pub(crate) struct Made {
    blocks: Vec<Block>,
    /// Events in them.
    pub(crate) total: u64,
}

impl Made {
    /// Blocks are whole, so they end with the one that reaches the number of events.
    pub(crate) fn events(events: u64, options: LoadOptions) -> Self {
        let (mut all, clock) = (Blocks::new(options), SystemClock::new());
        let mut made = Self { blocks: vec![], total: 0 };
        while made.total < events {
            let block = all.next_full(clock.wall());
            made.total += u64::from(block.count);
            made.blocks.push(block);
        }
        made
    }

    /// Sends them in a window; returns once each is acknowledged, none as a duplicate.
    pub(crate) async fn publish(self, publisher: &Publisher) -> Result<(), BenchError> {
        let (mut receipts, mut stored) = (FuturesUnordered::new(), 0);
        for block in self.blocks {
            let place = (block.partition, PARTITIONS);
            receipts
                .push(publisher.send_body_to(&block.topic, place, block.body, block.count).await?);
            while receipts.len() >= WINDOW {
                stored += count(receipts.next().await)?;
            }
        }
        while !receipts.is_empty() {
            stored += count(receipts.next().await)?;
        }
        if stored == self.total {
            return Ok(());
        }
        Err(BenchError::Check(format!("{stored} events were stored of {}", self.total)))
    }
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

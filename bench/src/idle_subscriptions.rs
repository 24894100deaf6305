//! What an idle subscription to a topic costs in memory, with its consumer: on an SSE connection of its
//! own, as a stream of its own that shares a gRPC connection, and as one of many on one stream.

use std::ops::Range;

use futures::future::try_join_all;
use tidings_client::{Client, ConsumerOptions, PublisherOptions};
use tidings_event::{Clock, SystemClock};
use tidings_market::load::LoadOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::blocks::{Blocks, PARTITIONS};
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
use crate::{Args, BenchError, consume};

/// Attached before anything is counted: caches and pools are full then.
const WARM_UP: u64 = 50;
/// Streams of one gRPC connection; the service lets 256 be open.
const STREAMS: u64 = 250;
/// Subscriptions that are made side by side.
const TOGETHER: u64 = 100;

/// Measures each on a server of its own.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        for kind in ["SSE", "gRPC", "shared gRPC"] {
            let bytes = one(args, kind).await?;
            println!("idle {kind}: {bytes} bytes a subscription of {}", args.subscriptions);
            let resident_kib = bytes * args.subscriptions / 1024;
            let round = Round { events: args.subscriptions, resident_kib, ..Round::default() };
            report.add(&format!("memory of {} idle {kind} consumers", args.subscriptions), round);
        }
    }
    Ok(())
}

/// Bytes each, with its record, its cursors' places and its consumer.
async fn one(args: &Args, kind: &str) -> Result<u64, BenchError> {
    let server = Server::start(&args.server).await?;
    let mut client = Client::connect(&server.url).await?;
    publish_one(&client).await?;
    let shared = client.consumers();
    let (mut sockets, mut streams) = (Vec::new(), Vec::new());
    let mut before = server.resident_kib()?;
    for number in 0..args.subscriptions {
        if number == WARM_UP {
            before = server.resident_kib()?;
        }
        if number == 0 || number >= WARM_UP && (number - WARM_UP).is_multiple_of(TOGETHER) {
            let last = if number == 0 { WARM_UP } else { number + TOGETHER };
            subscribe(&client, number..last.min(args.subscriptions)).await?;
        }
        let name = name(number);
        if kind == "SSE" {
            sockets.push(attach(&server.url, &name).await?);
        } else if kind == "gRPC" {
            if number % STREAMS == 0 {
                client = Client::connect(&server.url).await?;
            }
            streams.push(client.consumer(ConsumerOptions::new(name, "bench")).await?);
        } else {
            streams.push(shared.attach(ConsumerOptions::new(name, "bench")).await?);
        }
    }
    let bytes = server.resident_kib()?.saturating_sub(before) * 1024;
    server.stop().await?;
    Ok(bytes / args.subscriptions.saturating_sub(WARM_UP).max(1))
}

fn name(number: u64) -> String {
    format!("s-{number}")
}

/// Makes subscriptions side by side: each waits for the disk.
async fn subscribe(client: &Client, numbers: Range<u64>) -> Result<(), BenchError> {
    let made = numbers.map(async |number| {
        consume::subscribe_from(client, &name(number), &["analysis/**"], "latest").await
    });
    try_join_all(made).await.map(|_| ())
}

/// Makes a topic, so that there is something to be idle on.
async fn publish_one(client: &Client) -> Result<(), BenchError> {
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let now = SystemClock::new().wall();
    for block in Blocks::new(LoadOptions::SPREAD).next_events(1, now) {
        let place = (block.partition, PARTITIONS);
        publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
    }
    publisher.flush().await?;
    Ok(())
}

async fn attach(url: &str, name: &str) -> Result<TcpStream, BenchError> {
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).await?;
    let request =
        format!("GET /api/v1/subscriptions/{name}/stream HTTP/1.1\r\nhost: bench\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = [0; 1024];
    let count = socket.read(&mut answer).await?;
    if !answer[..count].starts_with(b"HTTP/1.1 200") {
        return Err(broken(String::from_utf8_lossy(&answer[..count])));
    }
    Ok(socket)
}

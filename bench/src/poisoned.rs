//! One key of ten always fails: what the other nine are delivered at, against a run in which none does.

use std::time::Duration;

use serde_json::json;
use tidings_client::{Client, ConsumerEvent, ConsumerOptions, Delivered, PublisherOptions, Run};
use tidings_event::{Clock, SystemClock, scan};
use tidings_market::load::LoadOptions;

use crate::blocks::{Blocks, PARTITIONS};
use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
use crate::{Args, BenchError};

const KEYS: usize = 10;
const LOAD: LoadOptions = LoadOptions { seed: 1, instruments: KEYS, timeframes: 1 };
const POISONED: &str = "I000003";
/// Most events of one key: all but one of them wait, and so many may in a partition.
const EACH_MAX: u64 = 90_000;
/// Events of a turn of the publisher.
const AT_ONCE: u64 = 1_000;

/// Runs both cases in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let sound = one(args, false).await?;
        let poisoned = one(args, true).await?;
        let ratio = sound.took.as_secs_f64() / poisoned.took.as_secs_f64();
        println!("nine keys beside one that fails: {ratio:.3} times the rate beside a sound one");
        report.add("nine keys beside a sound one", sound);
        report.add("nine keys beside one that fails", poisoned);
    }
    Ok(())
}

/// Fills the log, then takes all of nine keys; the tenth key's first event is given back whenever it
/// comes, or that key is left alone.
async fn one(args: &Args, poisoned: bool) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let each = (args.events / KEYS as u64).min(EACH_MAX) / AT_ONCE * AT_ONCE;
    let request = json!({
        "name": "s", "topics": ["analysis/**"], "start": "earliest", "delivery": {"stream": {}},
        "retry": {"max_attempts": 100, "min_backoff_ms": 100, "max_backoff_ms": 1_000},
    });
    client.rest().create_subscription_as(&request).await?;
    let clock = SystemClock::new();
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut blocks = Blocks::new(LOAD);
    for _ in 0..each * KEYS as u64 / AT_ONCE {
        for block in blocks.next_events(AT_ONCE, clock.wall()) {
            let place = (block.partition, PARTITIONS);
            publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
        }
    }
    publisher.flush().await?;
    let events = each * (KEYS as u64 - 1);
    let meter = Meter::start(&server)?;
    take(&client, events, poisoned).await?;
    let round = meter.stop(&server, events)?;
    server.stop().await?;
    Ok(round)
}

/// Takes so many events of the sound keys.
async fn take(client: &Client, events: u64, poisoned: bool) -> Result<(), BenchError> {
    let mut consumer = client.consumer(ConsumerOptions::new("s", "bench")).await?;
    let (mut taken, mut failing) = (0, None);
    while taken < events {
        let next = consumer.next().await.ok_or_else(|| broken("the stream ended"))??;
        let ConsumerEvent::Events(delivered) = next else { continue };
        let (good, tenth) = apart(&delivered)?;
        taken += good.len() as u64;
        failing = failing.or_else(|| tenth.first().map(|run| run.first));
        let (bad, rest): (Vec<Run>, Vec<Run>) =
            tenth.into_iter().partition(|run| poisoned && Some(run.first) == failing);
        if !bad.is_empty() {
            consumer.nack(&bad, Duration::ZERO).await?;
        }
        consumer.ack(&[joined(good), rest].concat()).await?;
    }
    if taken > events {
        return Err(broken(format!("{taken} events of the sound keys came of {events}")));
    }
    Ok(())
}

/// Runs of one event each: of the sound keys, and of the tenth.
fn apart(delivered: &Delivered) -> Result<(Vec<Run>, Vec<Run>), BenchError> {
    let (mut good, mut tenth) = (Vec::new(), Vec::new());
    for event in delivered.events() {
        let event = event?;
        let envelope = scan(event.event).map_err(broken)?;
        let run = delivered.run(event.offset.0, event.offset.0);
        if envelope.instrument == POISONED { tenth.push(run) } else { good.push(run) }
    }
    Ok((good, tenth))
}

/// Neighbours as one run.
fn joined(runs: Vec<Run>) -> Vec<Run> {
    let mut joined: Vec<Run> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.last.0 + 1 == run.first.0 => last.last = run.last,
            _ => joined.push(run),
        }
    }
    joined
}

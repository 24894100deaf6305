//! Narrow filters: ten subscriptions to a hundred instruments each, and a thousand to one each. Every
//! event is for exactly one of them in either case; all share one stream, and are attached before the
//! first event.

use std::sync::Arc;

use serde_json::json;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_event::{Clock, Envelope, SystemClock, scan};
use tidings_market::load::LoadOptions;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::blocks::{Blocks, PARTITIONS};
use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::broken;
use crate::{Args, BenchError};

const INSTRUMENTS: usize = 1_000;
const LOAD: LoadOptions = LoadOptions { seed: 1, instruments: INSTRUMENTS, timeframes: 1 };

/// Runs both cases in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let few = one(args, 10).await?;
        let many = one(args, INSTRUMENTS).await?;
        let ratio = many.server_cpu.as_secs_f64() / few.server_cpu.as_secs_f64();
        println!("1,000 narrow filters: {ratio:.2} times the processor time of 10");
        report.add("narrow filters, 10 subscriptions", few);
        report.add("narrow filters, 1,000 subscriptions", many);
    }
    Ok(())
}

async fn one(args: &Args, subscriptions: usize) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let each = INSTRUMENTS / subscriptions;
    let events = args.events / INSTRUMENTS as u64 * INSTRUMENTS as u64;
    let attachments = client.consumers();
    let attached = Arc::new(Barrier::new(subscriptions + 1));
    let mut consumers = JoinSet::new();
    for number in 0..subscriptions {
        let name = format!("s-{number}");
        let instruments: Vec<String> =
            (number * each..(number + 1) * each).map(|n| format!("I{n:06}")).collect();
        let request = json!({
            "name": name, "topics": ["analysis/**"], "start": "earliest",
            "delivery": {"stream": {}}, "filter": filter(&instruments),
        });
        client.rest().create_subscription_as(&request).await?;
        let share = events / subscriptions as u64;
        let (attachments, attached) = (attachments.clone(), Arc::clone(&attached));
        consumers.spawn(async move {
            let consumer = attachments.attach(ConsumerOptions::new(name, "bench")).await?;
            attached.wait().await;
            take(consumer, instruments, share, |_| {}).await
        });
    }
    attached.wait().await;
    let clock = SystemClock::new();
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let mut blocks = Blocks::new(LOAD);
    let meter = Meter::start(&server)?;
    for _ in 0..events / INSTRUMENTS as u64 {
        for block in blocks.next_events(INSTRUMENTS as u64, clock.wall()) {
            let place = (block.partition, PARTITIONS);
            publisher.send_body_to(&block.topic, place, block.body, block.count).await?;
        }
    }
    publisher.flush().await?;
    while let Some(ended) = consumers.join_next().await {
        ended.map_err(broken)??;
    }
    let round = meter.stop(&server, events)?;
    server.stop().await?;
    Ok(round)
}

pub(crate) fn filter(instruments: &[String]) -> String {
    match instruments {
        [one] => format!("instrument == '{one}'"),
        many => {
            let quoted: Vec<String> = many.iter().map(|one| format!("'{one}'")).collect();
            format!("instrument in [{}]", quoted.join(", "))
        }
    }
}

/// Takes its share, and nothing that its filter leaves out; shows each event on its way.
pub(crate) async fn take(
    mut consumer: Consumer,
    instruments: Vec<String>,
    share: u64,
    mut seen: impl FnMut(&Envelope<'_>) + Send,
) -> Result<(), BenchError> {
    let mut taken = 0;
    while taken < share {
        let next = consumer.next().await.ok_or_else(|| broken("the stream ended"))??;
        let ConsumerEvent::Events(delivered) = next else { continue };
        for event in delivered.events() {
            let envelope = scan(event?.event).map_err(broken)?;
            if !instruments.iter().any(|one| one == envelope.instrument) {
                return Err(broken(format!("{} came", envelope.instrument)));
            }
            seen(&envelope);
        }
        taken += u64::from(delivered.count);
        consumer.ack_up_to(delivered.last_position()).await?;
    }
    if taken > share {
        return Err(broken(format!("{taken} events came of {share}")));
    }
    Ok(())
}

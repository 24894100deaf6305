//! Two workers share a subscription as a group: each instrument is with one of them, in order.
//!
//! `cargo run -p tidings-examples --bin group -- http://127.0.0.1:8080`

use std::collections::BTreeMap;
use std::error::Error;

use tidings_client::documents::{DeliveryDocument, StreamOptions, SubscriptionRequest};
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_examples::{indicator, url};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

const WORKERS: [&str; 2] = ["worker-1", "worker-2"];
const INSTRUMENTS: u32 = 20;
const BARS: u32 = 10;

/// An event that a worker has done.
struct Done {
    worker: &'static str,
    instrument: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::connect(&url()).await?;
    let stream = DeliveryDocument { stream: Some(StreamOptions {}), ..<_>::default() };
    let subscription = SubscriptionRequest {
        name: "example-group".to_owned(),
        topics: vec!["analysis/indicators/*".to_owned()],
        sharing: Some("group".to_owned()),
        delivery: Some(stream),
        ..SubscriptionRequest::default()
    };
    client.rest().create_subscription(&subscription).await?;
    let (done, mut seen) = mpsc::channel(100);
    let mut workers = JoinSet::new();
    let mut source = "example-group".to_owned();
    for worker in WORKERS {
        let consumer = client.consumer(ConsumerOptions::new("example-group", worker)).await?;
        // New ids each time, so that nothing is taken for a repeat.
        source = format!("{source}-{}", consumer.session());
        workers.spawn(work(worker, consumer, done.clone()));
    }
    publish(&client, &source).await?;

    let mut whose: BTreeMap<String, &str> = BTreeMap::new();
    for _ in 0..INSTRUMENTS * BARS {
        let Some(Done { worker, instrument }) = seen.recv().await else { break };
        let before = *whose.entry(instrument.clone()).or_insert(worker);
        if before != worker {
            println!("{instrument} went from {before} to {worker}");
        }
    }
    for worker in WORKERS {
        let mine = whose.values().filter(|its| **its == worker).count();
        println!("{worker} has {mine} of {} instruments", whose.len());
    }
    Ok(())
}

/// Does what the group gives this worker, until the program ends.
async fn work(worker: &'static str, mut consumer: Consumer, done: mpsc::Sender<Done>) {
    while let Some(next) = consumer.next().await {
        let Ok(ConsumerEvent::Events(delivered)) = next else { continue };
        for event in delivered.events().flatten() {
            let Ok(envelope) = tidings_event::scan(event.event) else { continue };
            let instrument = envelope.instrument.to_owned();
            let _ended = done.send(Done { worker, instrument }).await;
        }
        // A worker that dies before this leaves its instruments to the other one.
        let _lost = consumer.ack(&delivered.runs()).await;
    }
}

async fn publish(client: &Client, source: &str) -> Result<(), Box<dyn Error>> {
    let publisher = client.publisher(PublisherOptions::default()).await?;
    let mut receipts = Vec::new();
    for bar in 0..BARS {
        for number in 0..INSTRUMENTS {
            let event = indicator(source, &format!("KEY{number}"), bar, 50.0);
            receipts.push(publisher.send_event(&event).await?);
        }
    }
    for receipt in receipts {
        receipt.await?;
    }
    Ok(())
}

//! kill -9 during publishing: what was acknowledged is readable, and nothing else was invented.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::documents::{StartDocument, SubscriptionRequest};
use tidings_client::{Backoff, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{Server, TestEvent, indicator};

const CYCLES: u64 = 20;
const PER_CYCLE: u64 = 2_000;
const KILL_AFTER: usize = 400;

fn event(number: u64) -> Vec<u8> {
    indicator(["AAPL", "MSFT", "IBM", "GOOG"][(number % 4) as usize], "1m", number)
}

/// Publishes until the kill; adds what was sent and what was acknowledged.
async fn cycle(data: &Path, from: u64, sent: &mut BTreeSet<u64>, acknowledged: &mut BTreeSet<u64>) {
    let server = Server::start(data);
    let client = server.client().await;
    let backoff = Backoff { give_up_after: Some(std::time::Duration::ZERO), ..Backoff::default() };
    let options =
        PublisherOptions { backoff, max_block_bytes: 4 << 10, ..PublisherOptions::sequenced("p") };
    let publisher = client.publisher(options).await.unwrap();
    let mut receipts = FuturesUnordered::new();
    for number in from..from + PER_CYCLE {
        let receipt = publisher.send(event(number)).await.unwrap();
        sent.insert(number);
        receipts.push(async move { (number, receipt.await) });
    }
    let mut server = Some(server);
    let mut count = 0;
    while let Some((number, outcome)) = receipts.next().await {
        if outcome.is_ok() {
            acknowledged.insert(number);
            count += 1;
        }
        if count >= KILL_AFTER
            && let Some(server) = server.take()
        {
            server.kill();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_acknowledged_and_invent_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut sent, mut acknowledged) = (BTreeSet::new(), BTreeSet::new());
    for n in 0..CYCLES {
        cycle(&data, n * PER_CYCLE, &mut sent, &mut acknowledged).await;
    }
    assert!(acknowledged.len() >= KILL_AFTER * CYCLES as usize, "vacuous");
    let server = Server::start(&data);
    let client = server.client().await;
    let request = SubscriptionRequest {
        name: "all".into(),
        topics: vec!["analysis/**".into()],
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    client.rest().create_subscription(&request).await.unwrap();
    // The last event published ends the reading of its own partition; one per instrument.
    let end = CYCLES * PER_CYCLE;
    let last = client.publisher(PublisherOptions::sequenced("end")).await.unwrap();
    for number in end..end + 4 {
        last.send(event(number)).await.unwrap().await.unwrap();
    }
    let mut consumer = client.consumer(ConsumerOptions::new("all", "c")).await.unwrap();
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut ended = 0;
    while ended < 4 {
        let next = consumer.next().await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        for delivered in delivered.events() {
            let event = TestEvent::read(delivered.unwrap().event);
            if event.number >= end {
                ended += 1;
            } else {
                seen.entry(event.instrument).or_default().push(event.number);
            }
        }
        consumer.ack_up_to(delivered.last_position()).await.unwrap();
    }
    for (instrument, numbers) in &seen {
        assert!(numbers.is_sorted_by(|a, b| a < b), "{instrument}: out of order or twice");
    }
    let readable: BTreeSet<u64> = seen.into_values().flatten().collect();
    let lost: Vec<_> = acknowledged.difference(&readable).collect();
    let invented: Vec<_> = readable.difference(&sent).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(invented.is_empty(), "invented: {invented:?}");
}

//! Order and completeness under load: many producers, many subscriptions that reconnect.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tidings_client::documents::{StartDocument, SubscriptionRequest};
use tidings_client::{Client, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{Server, TestEvent, indicator};
use tidings_event::{Code, block::BodyBuilder, scan};
use tokio::task::JoinSet;

const KEYS: u64 = 100;
const EVENTS: u64 = 1_000;
const PRODUCERS: u64 = 8;
const SUBSCRIPTIONS: usize = 16;
const TIMEFRAMES: [&str; 4] = ["1m", "5m", "15m", "1h"];

fn event(key: u64, number: u64) -> Vec<u8> {
    // A key stays in its timeframe, so that its order is that of one topic and partition.
    indicator(&format!("KEY{key:03}"), TIMEFRAMES[(key % 4) as usize], number)
}

/// A block that the service must refuse: its event has no source.
async fn send_refused(publisher: &tidings_client::Publisher, key: u64) {
    let good = event(key, EVENTS + 1);
    let envelope = scan(&good).unwrap();
    let partition = envelope.key_hash().partition(16).0;
    let topic = format!("analysis/indicators/{}", envelope.timeframe);
    let mut body = BodyBuilder::default();
    // Tag and length of `source` (field 2) with its text taken out.
    let at = good.windows(5).position(|w| w == b"\x12\x03e2e").unwrap();
    assert!(body.push(&[&good[..at], &good[at + 5..]].concat()));
    let body: Bytes = body.take().0;
    let receipt = publisher.send_body_to(&topic, (partition, 16), body, 1).await.unwrap();
    assert!(receipt.await.unwrap_err().is(Code::FieldMissing));
}

async fn produce(client: Client, producer: u64) {
    let options = PublisherOptions {
        max_block_bytes: 8 << 10,
        ..PublisherOptions::sequenced(format!("p{producer}"))
    };
    let publisher = client.publisher(options).await.unwrap();
    let keys: Vec<u64> = (0..KEYS).filter(|key| key % PRODUCERS == producer).collect();
    let mut receipts = Vec::new();
    for number in 0..EVENTS {
        if producer == 3 && number == EVENTS / 2 {
            send_refused(&publisher, keys[0]).await;
        }
        for &key in &keys {
            receipts.push(publisher.send(event(key, number)).await.unwrap());
        }
    }
    for receipt in receipts {
        receipt.await.unwrap();
    }
    publisher.close().await.unwrap();
}

/// Reads a subscription to its end, attaching anew after every `turn` deliveries; returns how many
/// events came for the first time and how many were flagged repeats.
async fn consume(client: Client, name: String, turn: usize) -> (u64, u64) {
    let timeframes = if name.ends_with('0') { 1 } else { TIMEFRAMES.len() as u64 };
    let expected = KEYS * EVENTS * timeframes / TIMEFRAMES.len() as u64;
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    let (mut first, mut repeats) = (0, 0);
    while first < expected {
        let mut consumer = client.consumer(ConsumerOptions::new(&name, "c")).await.unwrap();
        let mut deliveries = 0;
        while first < expected && deliveries < turn {
            let received = consumer.next().await.unwrap().unwrap();
            let ConsumerEvent::Events(delivered) = received else { continue };
            for event in delivered.events() {
                let event = event.unwrap();
                let TestEvent { instrument, number } = TestEvent::read(event.event);
                let due = next.entry(instrument.clone()).or_default();
                if number < *due {
                    assert!(event.redelivered, "{name}: {instrument} {number} again, unflagged");
                    repeats += 1;
                    continue;
                }
                assert_eq!(number, *due, "{name}: {instrument} skipped or out of order");
                *due += 1;
                first += 1;
            }
            consumer.ack_up_to(delivered.last_position()).await.unwrap();
            deliveries += 1;
        }
        consumer.close().await;
    }
    (first, repeats)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_once_or_flagged_and_in_order_per_key() {
    let dir = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(&dir.path().join("data")));
    let client = server.client().await;
    let mut consumers = JoinSet::new();
    for n in 0..SUBSCRIPTIONS {
        let one = n % 10 == 0;
        let pattern = if one { "analysis/indicators/5m" } else { "analysis/**" };
        let request = SubscriptionRequest {
            name: format!("s{n}"),
            topics: vec![pattern.into()],
            start: Some(StartDocument::Earliest),
            ..SubscriptionRequest::default()
        };
        client.rest().create_subscription(&request).await.unwrap();
        consumers.spawn(consume(server.client().await, format!("s{n}"), 20 + 7 * n));
    }
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        producers.spawn(produce(server.client().await, producer));
    }
    while let Some(ended) = producers.join_next().await {
        ended.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(ended) = consumers.join_next().await {
        seen.push(ended.unwrap());
    }
    assert_eq!(seen.len(), SUBSCRIPTIONS);
}

//! Batches to a consumer, on the real executable: what is alone waits its delay and no longer, and what
//! comes at once goes in as few batches as the bound allows.

use std::time::Duration;

use serde_json::json;
use tidings_client::v1::PublishRequest;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions};
use tidings_e2e::{Server, indicator, soon};
use tidings_event::{Clock, SystemClock};

const MAX_EVENTS: u64 = 500;
/// A single event arrives within this, with a delay of 50 ms.
const ARRIVES_WITHIN: Duration = Duration::from_millis(60);
/// Of so many the fastest is judged: the machine may be busy with something else.
const TRIES: u64 = 20;

async fn attach(client: &Client, max_delay_ms: u64) -> Consumer {
    let batch = json!({"max_events": MAX_EVENTS, "max_delay_ms": max_delay_ms});
    let document = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest",
        "delivery": {"stream": {}}, "batch": batch});
    client.rest().create_subscription_as(&document).await.unwrap();
    client.consumer(ConsumerOptions::new("desk", "desk")).await.unwrap()
}

/// Publishes events of one key, and waits until they are durable.
async fn publish(client: &Client, numbers: std::ops::Range<u64>) {
    let events = numbers.map(|number| indicator("AAPL", "1m", number).into()).collect();
    let request = PublishRequest { events, ..PublishRequest::default() };
    for result in client.publish(request).await.unwrap() {
        assert_eq!(result.error, None);
    }
}

/// Offsets of the next batch, which is acknowledged.
async fn batch(consumer: &mut Consumer) -> Vec<u64> {
    loop {
        match soon("a batch", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                consumer.ack_up_to(delivered.last_position()).await.unwrap();
                return delivered.events().map(|event| event.unwrap().offset.0).collect();
            }
            ConsumerEvent::Confirmed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn one_event_waits_fifty_milliseconds_for_more_and_a_thousand_at_once_are_two_batches() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    let mut consumer = attach(&client, 50).await;
    let clock = SystemClock::new();
    let mut fastest = Duration::MAX;
    for number in 0..TRIES {
        publish(&client, number..number + 1).await;
        let durable = clock.monotonic();
        assert_eq!(batch(&mut consumer).await, [number]);
        fastest = fastest.min(clock.monotonic() - durable);
    }
    eprintln!("of {TRIES} single events the fastest came {fastest:?} after it was durable");
    assert!(fastest <= ARRIVES_WITHIN, "{fastest:?}");
    publish(&client, TRIES..TRIES + 1_000).await;
    let first: Vec<_> = (TRIES..TRIES + MAX_EVENTS).collect();
    let second: Vec<_> = (TRIES + MAX_EVENTS..TRIES + 1_000).collect();
    assert_eq!(batch(&mut consumer).await, first);
    assert_eq!(batch(&mut consumer).await, second);
}

#[tokio::test]
async fn what_comes_bit_by_bit_goes_together_once_there_is_enough() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    // The longest there is: the bound lets it go before.
    let mut consumer = attach(&client, 10_000).await;
    for from in (0..1_000).step_by(100) {
        publish(&client, from..from + 100).await;
    }
    assert_eq!(batch(&mut consumer).await, (0..500).collect::<Vec<_>>());
    assert_eq!(batch(&mut consumer).await, (500..1_000).collect::<Vec<_>>());
}

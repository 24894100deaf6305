//! One event's road: in over gRPC, stored, out to a consumer, acknowledged, across a kill -9.

use std::collections::BTreeSet;

use tidings_client::documents::{StartDocument, SubscriptionRequest};
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{Server, TestEvent, indicator};

async fn subscribe(client: &Client, name: &str) {
    let request = SubscriptionRequest {
        name: name.into(),
        topics: vec!["analysis/**".into()],
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    client.rest().create_subscription(&request).await.unwrap();
}

async fn publish(client: &Client, producer: &str, numbers: std::ops::Range<u64>) {
    let publisher = client.publisher(PublisherOptions::sequenced(producer)).await.unwrap();
    let mut receipts = Vec::new();
    for number in numbers {
        for instrument in ["AAPL", "MSFT", "IBM"] {
            receipts.push(publisher.send(indicator(instrument, "5m", number)).await.unwrap());
        }
    }
    for receipt in receipts {
        assert!(!receipt.await.unwrap().duplicate);
    }
    publisher.close().await.unwrap();
}

/// Takes deliveries until `count` events came and every ack of them is confirmed.
async fn take(consumer: &mut Consumer, count: usize) -> Vec<(TestEvent, bool)> {
    let (mut seen, mut confirmed) = (Vec::new(), 0);
    while seen.len() < count || confirmed < count as u64 {
        match consumer.next().await.expect("the consumer goes on").unwrap() {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    let event = event.unwrap();
                    seen.push((TestEvent::read(event.event), event.redelivered));
                }
                consumer.ack_up_to(delivered.last_position()).await.unwrap();
            }
            ConsumerEvent::Confirmed(acks) => {
                confirmed += acks.runs.iter().map(|r| r.last.0 - r.first.0 + 1).sum::<u64>();
            }
            ConsumerEvent::Gap(gap) => panic!("nothing was trimmed: {gap:?}"),
            ConsumerEvent::Reconnected => {}
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill_and_confirmed_acks_do_not_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let client = server.client().await;
    subscribe(&client, "s").await;
    publish(&client, "p", 0..100).await;
    let mut consumer = client.consumer(ConsumerOptions::new("s", "c")).await.unwrap();
    let first = take(&mut consumer, 300).await;
    publish(&client, "p", 100..150).await;
    server.kill();

    let server = Server::start(&data);
    let client = server.client().await;
    let mut consumer = client.consumer(ConsumerOptions::new("s", "c")).await.unwrap();
    let second = take(&mut consumer, 150).await;
    let numbers = |seen: &[(TestEvent, bool)]| -> BTreeSet<u64> {
        seen.iter().map(|(event, _)| event.number).collect()
    };
    assert_eq!(numbers(&first), (0..100).collect());
    assert_eq!(numbers(&second), (100..150).collect());
    for instrument in ["AAPL", "MSFT", "IBM"] {
        let of = |seen: &[(TestEvent, bool)]| -> Vec<u64> {
            let own = seen.iter().filter(|(event, _)| event.instrument == instrument);
            own.map(|(event, _)| event.number).collect()
        };
        assert!(of(&first).into_iter().eq(0..100), "{instrument} out of order");
        assert!(of(&second).into_iter().eq(100..150), "{instrument} out of order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_value_is_the_newest_interval() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    publish(&client, "p", 0..10).await;
    let request = SubscriptionRequest {
        name: "pulled".into(),
        topics: vec!["analysis/indicators/*".into()],
        start: Some(StartDocument::Earliest),
        ..SubscriptionRequest::default()
    };
    client.rest().create_subscription(&request).await.unwrap();
    let ask = tidings_client::documents::PullRequestDocument {
        max: Some(100),
        wait_ms: Some(5_000),
        consumer: Some("c".into()),
    };
    let mut ack_ids = Vec::new();
    while ack_ids.len() < 30 {
        for item in client.rest().pull("pulled", &ask).await.unwrap().deliveries {
            let tidings_client::documents::PullItem::Event(event) = item else {
                panic!("nothing was trimmed")
            };
            ack_ids.push(event.ack_id);
        }
    }
    let request = tidings_client::documents::AckRequestDocument { ack_ids, ..Default::default() };
    let acks = client.rest().ack("pulled", &request).await.unwrap();
    assert!(acks.results.iter().all(|result| result.state == "confirmed"), "{acks:?}");
    let value =
        client.rest().last_value("indicators", "AAPL", Some("5m"), Some("XNAS")).await.unwrap();
    assert_eq!(value["key_seq"], 9, "{value}");
    assert_eq!(value["as_of"]["topic"], "analysis/indicators/5m", "{value}");
}

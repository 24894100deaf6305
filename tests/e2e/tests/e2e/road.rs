//! One event's road: in over gRPC, stored, out to a consumer, acknowledged, across a kill -9.

use std::collections::BTreeSet;

use tidings_client::{Client, PublisherOptions};
use tidings_e2e::{Chronicle, Server, TestEvent, Thresholds, Witness, indicator, soon, subscribe};

const INSTRUMENTS: [&str; 3] = ["AAPL", "MSFT", "IBM"];

async fn publish(client: &Client, chronicle: &Chronicle, numbers: std::ops::Range<u64>) {
    let options = PublisherOptions::sequenced("p");
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let mut receipts = Vec::new();
    for number in numbers {
        for event in INSTRUMENTS.map(|instrument| indicator(instrument, "5m", number)) {
            chronicle.invoke("p", &event);
            let receipt = publisher.send(&event).await.unwrap();
            receipts.push((event, receipt));
        }
    }
    for (event, receipt) in receipts {
        let outcome = soon("an outcome", receipt).await;
        chronicle.outcome(&event, &outcome);
        assert!(!outcome.unwrap().duplicate);
    }
    soon("the publisher to close", publisher.close()).await.unwrap();
}

/// Takes deliveries until `count` events came, and acknowledges them when asked to; then waits
/// until the acks are confirmed. Gives the numbers seen, and whether each event was flagged.
async fn take(witness: &mut Witness, count: usize, ack: bool) -> (BTreeSet<u64>, Vec<bool>) {
    let (mut numbers, mut flags) = (BTreeSet::new(), Vec::new());
    let confirmed = if ack { witness.confirmed() + count as u64 } else { 0 };
    while flags.len() < count || witness.confirmed() < confirmed {
        let Some(delivered) = witness.next().await.unwrap() else { continue };
        for event in delivered.events() {
            let event = event.unwrap();
            numbers.insert(TestEvent::read(event.event).number);
            flags.push(event.redelivered);
        }
        if ack {
            witness.ack(&delivered).await.unwrap();
        }
    }
    assert_eq!(flags.len(), count);
    (numbers, flags)
}

#[tokio::test(flavor = "multi_thread")]
async fn confirmed_acks_survive_a_kill_and_the_rest_comes_again_flagged() {
    let dir = tempfile::tempdir().unwrap();
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    let server = Server::start(&data);
    let client = server.client().await;
    subscribe(&client, "s", &["analysis/**"]).await;
    chronicle.subscription("s", &["analysis/**"]);
    publish(&client, &chronicle, 0..100).await;
    let mut witness = Witness::attach(&client, &chronicle, "s").await;
    let (numbers, _) = take(&mut witness, 300, true).await;
    assert!(numbers.into_iter().eq(0..100));
    publish(&client, &chronicle, 100..150).await;
    let (numbers, _) = take(&mut witness, 150, false).await;
    assert!(numbers.into_iter().eq(100..150));
    server.kill();
    chronicle.mark("crash", None);

    let server = Server::start(&data);
    let client = server.client().await;
    let mut witness = Witness::attach(&client, &chronicle, "s").await;
    let (numbers, flags) = take(&mut witness, 150, true).await;
    assert!(numbers.into_iter().eq(100..150));
    assert!(flags.into_iter().all(|flagged| flagged), "a repeat without its flag");
    // A producer of the same name goes on where it was.
    publish(&client, &chronicle, 150..160).await;
    take(&mut witness, 30, true).await;
    chronicle.judge(&Thresholds {
        min_acked: 480,
        min_deliveries: 630,
        expect_marks: vec!["crash".to_owned()],
        expect_redelivery: true,
    });
}

//! One event's road: in over gRPC, stored, out to a consumer, acknowledged, across a kill -9.

use std::collections::BTreeSet;

use tidings_client::{Client, Placed, PublisherOptions};
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
        ..Thresholds::default()
    });
}

async fn publish_unsequenced(client: &Client, numbers: std::ops::Range<u64>) -> Vec<Placed> {
    let publisher = soon("a publisher", client.publisher(PublisherOptions::default())).await;
    let publisher = publisher.unwrap();
    let mut placed = Vec::new();
    for number in numbers {
        let receipt = publisher.send(indicator("AAPL", "5m", number)).await.unwrap();
        placed.push(soon("an outcome", receipt).await.unwrap());
    }
    placed
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_sent_again_is_recognised_also_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let first = publish_unsequenced(&server.client().await, 0..10).await;
    assert!(first.iter().all(|placed| !placed.duplicate), "{first:?}");
    let again: Vec<_> =
        first.iter().map(|placed| Placed { duplicate: true, ..placed.clone() }).collect();
    assert_eq!(publish_unsequenced(&server.client().await, 0..10).await, again);
    server.kill();

    let server = Server::start(&data);
    let after = publish_unsequenced(&server.client().await, 0..11).await;
    assert_eq!(after[..10], again);
    let (last, new) = (&first[9], &after[10]);
    assert_eq!((new.duplicate, new.offset), (false, last.offset.map(|offset| offset + 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_vanishes_leaves_neither_hole_nor_disorder() {
    let dir = tempfile::tempdir().unwrap();
    let (server, chronicle) =
        (Server::start(&dir.path().join("data")), Chronicle::open(dir.path()));
    subscribe(&server.client().await, "s", &["analysis/**"]).await;
    chronicle.subscription("s", &["analysis/**"]);
    for turn in 0..5 {
        let client = server.client().await;
        let options =
            PublisherOptions { max_block_bytes: 1 << 10, ..PublisherOptions::sequenced("p") };
        let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
        let mut receipts = Vec::new();
        for number in turn * 500..(turn + 1) * 500 {
            let event = indicator("AAPL", "5m", number);
            chronicle.invoke("p", &event);
            let receipt = publisher.send(&event).await.unwrap();
            receipts.push((event, receipt));
        }
        // In the middle of its blocks: some are answered, some on their way, some not sent.
        soon("an outcome", receipts[100].1.clone()).await.unwrap();
        drop(publisher);
        drop(client);
        for (event, receipt) in receipts {
            chronicle.outcome(&event, &soon("an outcome", receipt).await);
        }
    }
    let client = server.client().await;
    publish(&client, &chronicle, 2_500..2_501).await;
    let mut witness = Witness::attach(&client, &chronicle, "s").await;
    let mut ended = false;
    while !ended {
        let Some(delivered) = witness.next().await.unwrap() else { continue };
        let mut events = delivered.events().map(|event| TestEvent::read(event.unwrap().event));
        ended = events.any(|event| event.instrument == "AAPL" && event.number == 2_500);
        witness.ack(&delivered).await.unwrap();
    }
    chronicle.judge(&Thresholds { min_acked: 500, min_deliveries: 500, ..Thresholds::default() });
}

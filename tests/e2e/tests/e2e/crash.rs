//! kill -9 during publishing: what was acknowledged is readable, and nothing else was invented.

use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::{Backoff, Client, PublisherOptions};
use tidings_e2e::{Chronicle, Server, TestEvent, Thresholds, Witness, indicator, soon, subscribe};
use tokio::task::JoinSet;

/// Kills of an ordinary run; `TIDINGS_KILL_CYCLES` asks for more.
const CYCLES: u64 = 20;
const PER_CYCLE: u64 = 2_000;
const KILL_AFTER: usize = 400;
const INSTRUMENTS: [&str; 4] = ["AAPL", "MSFT", "IBM", "GOOG"];

fn event(number: u64) -> Vec<u8> {
    indicator(INSTRUMENTS[(number % 4) as usize], "1m", number)
}

/// What ends a service while it is being published to.
#[derive(Clone, Copy, PartialEq)]
enum End {
    Kill,
    Terminate,
}

/// Reads and acknowledges until the service is gone.
async fn read(client: Client, chronicle: Chronicle) {
    let mut witness = Witness::attach(&client, &chronicle, "all").await;
    while let Ok(next) = witness.next().await {
        let Some(delivered) = next else { continue };
        if witness.ack(&delivered).await.is_err() {
            return;
        }
    }
}

/// Publishes until the service is gone; returns how many were acknowledged.
async fn cycle(data: &Path, from: u64, chronicle: &Chronicle, end: End) -> usize {
    let server = Server::start(data);
    let client = server.client().await;
    subscribe(&client, "all", &["analysis/**"]).await;
    let mut readers = JoinSet::new();
    readers.spawn(read(server.client().await, chronicle.clone()));
    let backoff = Backoff { give_up_after: Some(Duration::ZERO), ..Backoff::default() };
    let options =
        PublisherOptions { backoff, max_block_bytes: 4 << 10, ..PublisherOptions::sequenced("p") };
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let mut receipts = FuturesUnordered::new();
    for event in (from..from + PER_CYCLE).map(event) {
        chronicle.invoke("p", &event);
        let receipt = publisher.send(&event).await.unwrap();
        receipts.push(async move { (event, receipt.await) });
    }
    let (mut server, mut acknowledged) = (Some(server), 0);
    while let Some((event, outcome)) = soon("an outcome", receipts.next()).await {
        chronicle.outcome(&event, &outcome);
        acknowledged += usize::from(outcome.is_ok());
        if acknowledged < KILL_AFTER {
            continue;
        }
        match (server.take(), end) {
            (None, _) => {}
            (Some(server), End::Kill) => server.kill(),
            (Some(server), End::Terminate) => {
                let ended = server.terminate();
                assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            }
        }
    }
    assert!(server.is_none(), "ended after {acknowledged} events were acknowledged");
    soon("the reader to end", readers.join_all()).await;
    chronicle.mark(if end == End::Kill { "crash" } else { "restart" }, None);
    acknowledged
}

/// Reads to the end: to one more event of each key, published now.
async fn read_to_the_end(data: &Path, after: u64, chronicle: &Chronicle) {
    let server = Server::start(data);
    let client = server.client().await;
    let options = PublisherOptions::sequenced("end");
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    for event in (after..after + 4).map(event) {
        chronicle.invoke("end", &event);
        let receipt = publisher.send(&event).await.unwrap();
        chronicle.outcome(&event, &soon("an outcome", receipt).await);
    }
    let mut witness = Witness::attach(&client, chronicle, "all").await;
    let mut ended = 0;
    while ended < 4 {
        let Some(delivered) = witness.next().await.unwrap() else { continue };
        let events = delivered.events().map(|event| TestEvent::read(event.unwrap().event));
        ended += events.filter(|event| event.number >= after).count();
        witness.ack(&delivered).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_acknowledged_and_invent_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", &["analysis/**"]);
    let asked = std::env::var("TIDINGS_KILL_CYCLES").ok().and_then(|n| n.parse().ok());
    let cycles = asked.unwrap_or(CYCLES);
    let mut acknowledged = 0;
    for n in 0..cycles {
        acknowledged += cycle(&data, n * PER_CYCLE, &chronicle, End::Kill).await;
    }
    read_to_the_end(&data, cycles * PER_CYCLE, &chronicle).await;
    chronicle.judge(&Thresholds {
        min_acked: KILL_AFTER * cycles as usize,
        min_deliveries: acknowledged,
        expect_marks: vec!["crash".to_owned()],
        expect_redelivery: true,
        ..Thresholds::default()
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_ends_with_0_and_keeps_what_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", &["analysis/**"]);
    let acknowledged = cycle(&data, 0, &chronicle, End::Terminate).await;
    read_to_the_end(&data, PER_CYCLE, &chronicle).await;
    chronicle.judge(&Thresholds {
        min_acked: KILL_AFTER,
        min_deliveries: acknowledged,
        expect_marks: vec!["restart".to_owned()],
        expect_redelivery: false,
        ..Thresholds::default()
    });
}

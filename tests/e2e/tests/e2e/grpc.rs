//! gRPC against the real executable: the examples of the SDK, a producer across a restart, a topic
//! that came back with another partition count.

use std::process::Command;

use tidings_client::documents::TopicRequestDocument;
use tidings_client::{Client, ClientError, PublisherOptions};
use tidings_e2e::{Finished, Server, finish, soon, subscribe};
use tidings_event::{Code, encode};
use tidings_examples::indicator;

/// Runs an example to its end.
fn example(server: &Server, name: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(tidings_e2e::example(name));
    command.arg(server.url()).args(arguments);
    let ended = finish(command, "");
    assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
    ended
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_does_what_it_says() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let published = example(&server, "publish", &[]).stdout;
    assert!(published.contains("event 2 is offset 0 of analysis/indicators/5m/"), "{published}");
    let again = example(&server, "publish", &[]).stdout;
    assert_eq!(published, again, "a repeat is where the first one is");
    let sequenced = example(&server, "publish_sequenced", &[]).stdout;
    assert!(sequenced.contains("500 events are stored"), "{sequenced}");
    let consumed = example(&server, "consume", &["503"]).stdout;
    assert!(consumed.ends_with("503 events seen, 503 confirmed\n"), "{consumed}");
    assert_eq!(consumed.lines().filter(|line| line.contains("rsi_14")).count(), 503);
    let pulled = example(&server, "pull", &[]).stdout;
    assert!(pulled.ends_with("503 events pulled\n"), "{pulled}");
    let filtered = example(&server, "filtered", &["2"]).stdout;
    assert!(filtered.contains("2 events passed kind == "), "{filtered}");
    assert_eq!(filtered.lines().filter(|line| line.contains("\"rsi_14\":")).count(), 2);
    let shared = example(&server, "group", &[]).stdout;
    let has = |worker: &str| {
        let words = shared.lines().find_map(|line| line.strip_prefix(&format!("{worker} has ")));
        let count = words.and_then(|words| words.strip_suffix(" of 20 instruments")).unwrap();
        count.parse::<u32>().unwrap()
    };
    assert_eq!((shared.lines().count(), has("worker-1") + has("worker-2")), (2, 20), "{shared}");
    assert!(has("worker-1") > 0 && has("worker-2") > 0, "{shared}");
    let newest = example(&server, "last_value", &["NVDA"]).stdout;
    assert!(newest.contains("rsi_14"), "{newest}");
    let unknown = example(&server, "last_value", &["NOBODY"]).stdout;
    assert_eq!(unknown, "nothing is known of NOBODY\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_analysis_stream_example_sees_what_comes_after_it() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let publisher = server.client().await.publisher(PublisherOptions::default()).await.unwrap();
    let mut command = tokio::process::Command::new(tidings_e2e::example("analysis_stream"));
    command.args([server.url(), "AAPL", "2"]).kill_on_drop(true);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut ended = std::pin::pin!(child.wait_with_output());
    // It is not said when the stream is open: publishing goes on until it has seen enough.
    let mut bar = 0;
    let output = loop {
        for instrument in ["MSFT", "AAPL"] {
            let event = indicator("e2e", instrument, bar, 50.0);
            let receipt = publisher.send_event(&event).await.unwrap();
            soon("an event to be stored", receipt).await.unwrap();
        }
        bar += 1;
        match futures::poll!(&mut ended) {
            std::task::Poll::Ready(output) => break output.unwrap(),
            std::task::Poll::Pending => tokio::task::yield_now().await,
        }
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(!text.contains("MSFT"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("rsi_14")).count(), 2, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producers_epoch_and_sequences_outlive_a_restart() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let server = Server::start(&dir);
    let publisher =
        server.client().await.publisher(PublisherOptions::sequenced("p-1")).await.unwrap();
    let epoch = publisher.producer_epoch().unwrap();
    for bar in 0..10 {
        let receipt = publisher.send_event(&indicator("p-1", "AAPL", bar, 1.0)).await.unwrap();
        assert_eq!(receipt.await.unwrap().offset, Some(u64::from(bar)));
    }
    drop(publisher);
    server.kill();

    let server = Server::start(&dir);
    let client = server.client().await;
    let kept =
        PublisherOptions { producer_epoch: Some(epoch), ..PublisherOptions::sequenced("p-1") };
    let publisher = client.publisher(kept).await.unwrap();
    assert_eq!(publisher.producer_epoch(), Some(epoch));
    let receipt = publisher.send_event(&indicator("p-1", "AAPL", 10, 1.0)).await.unwrap();
    let placed = soon("an event to be stored", receipt).await.unwrap();
    assert_eq!((placed.offset, placed.duplicate), (Some(10), false), "its sequences go on");

    // Without the epoch it is a newer instance, which fences the one before.
    let newer = client.publisher(PublisherOptions::sequenced("p-1")).await.unwrap();
    assert!(newer.producer_epoch().unwrap() > epoch);
    let receipt = newer.send_event(&indicator("p-1", "AAPL", 11, 1.0)).await.unwrap();
    assert_eq!(soon("an event to be stored", receipt).await.unwrap().offset, Some(11));
    let fenced = async {
        match publisher.send_event(&indicator("p-1", "AAPL", 12, 1.0)).await {
            Ok(receipt) => receipt.await.map(drop),
            Err(error) => Err(error),
        }
    };
    let fenced: Result<(), ClientError> = soon("a refusal", fenced).await;
    assert!(fenced.unwrap_err().is(Code::ProducerFenced));
}

/// Makes a topic with so many partitions.
async fn make(client: &Client, partitions: u32) {
    let request = TopicRequestDocument { partitions: Some(partitions), ..Default::default() };
    client.rest().put_topic("desk/rsi", &request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_groups_anew_when_a_topic_came_back_with_other_partitions() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let client = server.client().await;
    make(&client, 4).await;
    let options = PublisherOptions {
        topic: Some("desk/rsi".to_owned()),
        ..PublisherOptions::sequenced("p-1")
    };
    let publisher = client.publisher(options).await.unwrap();
    let instruments: Vec<String> = (0..20).map(|n| format!("I{n}")).collect();
    for instrument in &instruments {
        let event = encode(&indicator("p-1", instrument, 0, 1.0));
        publisher.send(event).await.unwrap().await.unwrap();
    }
    client.rest().delete_topic("desk/rsi").await.unwrap();
    make(&client, 7).await;
    let mut receipts = Vec::new();
    for bar in 1..=50 {
        for instrument in &instruments {
            let event = indicator("p-1", instrument, bar, 1.0);
            receipts.push((instrument.clone(), publisher.send_event(&event).await.unwrap()));
        }
    }
    let mut last = std::collections::HashMap::new();
    for (instrument, receipt) in receipts {
        let placed = soon("an event to be stored", receipt).await.unwrap();
        let offset = placed.offset.unwrap();
        let partition =
            tidings_event::key::KeyHash::of_instrument("XNAS", &instrument).partition(7).0;
        assert_eq!(placed.partition, partition);
        let before = last.insert(instrument, offset);
        assert!(before.is_none_or(|before| before < offset), "order of a key");
    }
    publisher.close().await.unwrap();
    subscribe(&client, "all", &["desk/**"]).await;
    let status = client.rest().status("all").await.unwrap();
    assert_eq!(status.lag_events, 1_000, "each of them once");
}

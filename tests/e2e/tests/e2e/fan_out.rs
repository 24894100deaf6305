//! Many consumers of the same events: each gets them, and each form of them is made once.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidings_client::documents::{AckRequestDocument, PullRequestDocument};
use tidings_client::{Compression, ConsumerEvent, ConsumerOptions};
use tidings_e2e::{Server, ask, indicator_json, soon, subscribe};
use tokio::task::JoinSet;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const CONSUMERS: usize = 1_000;
/// Opened at a time: the accept queue is finite.
const AT_ONCE: usize = 50;

/// Opens a WebSocket, and gives the text of the one event that comes.
async fn one_event(
    addr: String,
    subscription: String,
    open: tokio::sync::mpsc::Sender<()>,
) -> String {
    let (mut socket, _) =
        soon("a WebSocket", connect_async(format!("ws://{addr}/api/v1/ws"))).await.unwrap();
    for asked in [
        json!({"type": "open", "subscription": subscription}),
        json!({"type": "credit", "events": 10}),
    ] {
        socket.send(Message::Text(asked.to_string().into())).await.unwrap();
    }
    loop {
        let Message::Text(frame) = soon("a frame", socket.next()).await.unwrap().unwrap() else {
            continue;
        };
        let document: Value = serde_json::from_str(&frame).unwrap();
        match document["type"].as_str() {
            Some("opened") => open.send(()).await.unwrap(),
            Some("events") => {
                let events = document["events"].as_array().unwrap();
                assert_eq!(events.len(), 1, "{document}");
                // The bytes as they came, not as a parser would print them.
                let from = frame.find(r#""event":"#).unwrap() + r#""event":"#.len();
                let to = frame.rfind("}]}").unwrap();
                return frame[from..to].to_owned();
            }
            _ => {}
        }
    }
}

fn encodings(server: &Server) -> u64 {
    let metrics = ask(server, "GET /metrics", "", b"").body;
    let line = metrics.lines().find_map(|l| l.strip_prefix("tidings_serve_encodings_total "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_event_reaches_a_thousand_consumers_and_is_encoded_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    let mut consumers = JoinSet::new();
    let (open, mut opened) = tokio::sync::mpsc::channel(CONSUMERS);
    for n in 0..CONSUMERS {
        let name = format!("s{n}");
        subscribe(&client, &name, &["analysis/**"]).await;
        consumers.spawn(one_event(server.addr().to_owned(), name, open.clone()));
        if n % AT_ONCE == AT_ONCE - 1 {
            for _ in 0..AT_ONCE {
                soon("a consumer to be attached", opened.recv()).await.unwrap();
            }
        }
    }
    let before = encodings(&server);
    let event = indicator_json("AAPL", 0, 1.5);
    let answer = ask(&server, "POST /api/v1/events", "application/json", event.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut texts = Vec::new();
    while let Some(text) = soon("every consumer's event", consumers.join_next()).await {
        texts.push(text.unwrap());
    }
    assert_eq!(texts.len(), CONSUMERS);
    assert!(texts[0].contains("AAPL"), "{}", texts[0]);
    assert!(texts.iter().all(|text| *text == texts[0]), "all of them got the same bytes");
    assert_eq!(encodings(&server) - before, 1);
}

/// A hundred events of one key in one request.
fn publish_hundred(server: &Server) {
    let events: Vec<_> = (0..100).map(|n| indicator_json("AAPL", n, 1.5)).collect();
    let body = format!("[{}]", events.join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_packed_once_for_all_who_want_it_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    let mut consumers = Vec::new();
    for n in 0..20 {
        let name = format!("s{n}");
        subscribe(&client, &name, &["analysis/**"]).await;
        // Half of them packed.
        let compression = (n % 2 == 0).then_some(Compression::Lz4);
        let options = ConsumerOptions { compression, ..ConsumerOptions::new(name, "c") };
        consumers.push(client.consumer(options).await.unwrap());
    }
    let before = encodings(&server);
    publish_hundred(&server);
    let (mut bodies, mut deliveries) = (Vec::new(), 0);
    for consumer in &mut consumers {
        let (mut body, mut count, mut parts) = (Vec::new(), 0, 0);
        while count < 100 {
            let next = soon("a delivery", consumer.next()).await.unwrap().unwrap();
            let ConsumerEvent::Events(delivered) = next else { panic!("{next:?}") };
            (count, parts) = (count + delivered.count, parts + 1);
            body.extend_from_slice(&delivered.body);
        }
        deliveries = deliveries.max(parts);
        bodies.push(body);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "all of them got the same bytes");
    assert_eq!(encodings(&server) - before, deliveries);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pull_in_protobuf_may_come_packed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    let mut found = Vec::new();
    for (name, of_it, wish) in
        [("plain", "none", None), ("packed", "lz4", None), ("wish", "none", Some("lz4"))]
    {
        let document = json!({"name": name, "topics": ["analysis/**"],
            "batch": {"compression": of_it}});
        client.rest().create_subscription_as(&document).await.unwrap();
        found.push((name, wish, Vec::new(), 0));
    }
    publish_hundred(&server);
    for (name, wish, events, packed_bytes) in &mut found {
        let request = PullRequestDocument {
            wait_ms: Some(30_000),
            compression: wish.map(str::to_owned),
            ..PullRequestDocument::default()
        };
        while events.len() < 100 {
            let batch = client.rest().pull_batch(name, &request).await.unwrap();
            *packed_bytes += batch.packed_bytes;
            let ack_ids = batch.events.iter().map(|(pulled, _)| pulled.ack_id.clone()).collect();
            let ack = AckRequestDocument { ack_ids, ..AckRequestDocument::default() };
            let acked = client.rest().ack(name, &ack).await.unwrap();
            assert!(acked.results.iter().all(|result| result.state == "confirmed"));
            events.extend(batch.events.into_iter().map(|(pulled, event)| (pulled.position, event)));
        }
    }
    let [(.., plain, plain_bytes), (.., packed, packed_bytes), (.., wished, wished_bytes)] =
        found.as_slice()
    else {
        panic!("three")
    };
    assert!(plain == packed && plain == wished, "all of them got the same events");
    assert!(packed_bytes * 2 < *plain_bytes, "{packed_bytes} of {plain_bytes}");
    assert!(wished_bytes * 2 < *plain_bytes, "{wished_bytes} of {plain_bytes}");
}

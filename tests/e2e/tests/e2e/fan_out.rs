//! One event to a thousand consumers: each gets it, and its JSON is made once.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
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

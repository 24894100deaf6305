//! Streams to clients that are not ours: through kills, without loss; gaps; Node's own sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidings_e2e::{Server, ask, indicator, soon};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const EVENTS: u64 = 500;
const INSTRUMENTS: [&str; 3] = ["AAPL", "MSFT", "IBM"];

fn subscribe(server: &Server, name: &str) {
    let body = json!({"name": name, "topics": ["analysis/**"], "start": "earliest"}).to_string();
    let answer = ask(server, "POST /api/v1/subscriptions", "application/json", body.as_bytes());
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
}

/// Publishes so many events and waits until they are durable.
fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let event = |n: u64| {
        let event = indicator(INSTRUMENTS[(n % 3) as usize], "1m", n);
        tidings_event::json::to_json(&event).unwrap()
    };
    let body = format!("[{}]", numbers.map(event).collect::<Vec<_>>().join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn lag(server: &Server, name: &str) -> Value {
    let line = format!("GET /api/v1/subscriptions/{name}/status");
    ask(server, &line, "", b"").json()["lag_events"].clone()
}

struct Ws(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Ws {
    async fn open(server: &Server, subscription: &str, credit: u64) -> Self {
        let url = format!("ws://{}/api/v1/ws", server.addr());
        let (socket, _) = soon("a WebSocket", connect_async(url)).await.unwrap();
        let mut ws = Self(socket);
        ws.say(json!({"type": "open", "subscription": subscription})).await.unwrap();
        ws.say(json!({"type": "credit", "events": credit})).await.unwrap();
        ws
    }

    async fn say(&mut self, document: Value) -> Result<(), Box<dyn std::error::Error>> {
        Ok(self.0.send(Message::Text(document.to_string().into())).await?)
    }

    /// The next document; `None` when the connection is gone.
    async fn next(&mut self) -> Option<Value> {
        loop {
            match soon("a frame", self.0.next()).await?.ok()? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }
}

/// What a consumer saw: how often each event came, and which acks were confirmed.
#[derive(Default)]
struct Seen {
    events: BTreeMap<(u64, u64), Vec<bool>>,
    confirmed: BTreeSet<(u64, u64)>,
}

impl Seen {
    fn take(&mut self, batch: &Value) -> usize {
        let partition = batch["partition"].as_u64().unwrap();
        let events = batch["events"].as_array().unwrap();
        for event in events {
            let place = (partition, event["offset"].as_u64().unwrap());
            assert!(!self.confirmed.contains(&place), "{place:?} came after its confirmed ack");
            self.events.entry(place).or_default().push(event["redelivered"] == true);
        }
        events.len()
    }

    fn confirm(&mut self, confirmed: &Value) {
        for run in confirmed["runs"].as_array().unwrap() {
            let [partition, from, to] =
                ["partition", "from", "to"].map(|k| run[k].as_u64().unwrap());
            self.confirmed.extend((from..=to).map(|offset| (partition, offset)));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_consumer_loses_nothing_through_kills() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut seen = Seen::default();
    for life in 0..4 {
        let server = Server::start(&data);
        subscribe(&server, "s");
        publish(&server, life * EVENTS..(life + 1) * EVENTS);
        let mut ws = Ws::open(&server, "s", 1 << 40).await;
        let mut server = Some(server);
        let mut came = 0;
        while let Some(frame) = ws.next().await {
            match frame["type"].as_str().unwrap() {
                "events" => {
                    came += seen.take(&frame);
                    let last = frame["events"].as_array().unwrap().last().unwrap();
                    // The service may be gone already.
                    let _gone = ws.say(json!({"type": "ack", "up_to": [last["ack_id"]]})).await;
                }
                "confirmed" => {
                    seen.confirm(&frame);
                    if came >= 100 && life < 3 {
                        if let Some(server) = server.take() {
                            server.kill();
                        }
                    } else if seen.confirmed.len() as u64 == 4 * EVENTS {
                        assert_eq!(lag(server.as_ref().unwrap(), "s"), 0);
                        break;
                    }
                }
                _ => {}
            }
        }
    }
    assert_eq!(seen.events.len() as u64, 4 * EVENTS);
    for (place, times) in &seen.events {
        assert!(times[1..].iter().all(|again| *again), "{place:?} came again unflagged: {times:?}");
    }
}

/// A consumer in Node, as a process; `None` where there is no Node.
fn node(arguments: &[&str]) -> Option<(Child, BufReader<ChildStdout>)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("streams/consume.mjs");
    let started = Command::new("node")
        .args(["--experimental-websocket", "--no-warnings"])
        .arg(script)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        assert!(std::env::var_os("CI").is_none(), "CI has no node");
        eprintln!("skipped: there is no node");
        return None;
    };
    let lines = BufReader::new(child.stdout.take().unwrap());
    Some((child, lines))
}

fn read(lines: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    serde_json::from_str(&line).ok()
}

#[test]
fn node_resumes_server_sent_events_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    subscribe(&server, "s");
    publish(&server, 0..EVENTS);
    let mut numbers = BTreeSet::new();
    // First a connection that is cut by the client: what it had is acknowledged by its last id.
    let Some((mut child, mut lines)) = node(&["sse", server.url(), "s", "1000000"]) else { return };
    let mut last = Value::Null;
    for _ in 0..50 {
        last = read(&mut lines).unwrap();
        numbers.insert(last["number"].as_u64().unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let id = last["id"].as_str().unwrap().to_owned();
    // At once, while the service may still think that the first one is there.
    let (mut child, mut lines) = node(&["sse", server.url(), "s", "1000000", &id]).unwrap();
    for _ in 0..50 {
        let event = read(&mut lines).unwrap();
        last = event;
        assert!(numbers.insert(last["number"].as_u64().unwrap()), "{last} came again");
    }
    server.kill();
    while let Some(event) = read(&mut lines) {
        numbers.insert(event["number"].as_u64().unwrap());
        last = event;
    }
    child.wait().unwrap();
    let server = Server::start(&data);
    let id = last["id"].as_str().unwrap().to_owned();
    let left = lag(&server, "s").as_u64().unwrap();
    assert!((EVENTS - 50..EVENTS).contains(&left), "{left}");
    let (mut child, mut lines) = node(&["sse", server.url(), "s", &left.to_string(), &id]).unwrap();
    while let Some(event) = read(&mut lines) {
        numbers.insert(event["number"].as_u64().unwrap());
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(numbers, (0..EVENTS).collect());
    assert_eq!(lag(&server, "s"), 0);
}

#[test]
fn node_consumes_over_its_own_websocket() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    subscribe(&server, "s");
    publish(&server, 0..EVENTS);
    let count = EVENTS.to_string();
    let Some((mut child, mut lines)) = node(&["ws", server.url(), "s", &count]) else { return };
    let mut numbers = BTreeSet::new();
    while let Some(event) = read(&mut lines) {
        assert!(numbers.insert(event["number"].as_u64().unwrap()));
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(numbers, (0..EVENTS).collect());
    assert_eq!(lag(&server, "s"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_topic_is_a_gap_on_every_stream() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    subscribe(&server, "w");
    subscribe(&server, "s");
    publish(&server, 0..3);
    let mut ws = Ws::open(&server, "w", 0).await;
    assert_eq!(ws.next().await.unwrap()["type"], "opened");
    let mut socket = TcpStream::connect(server.addr()).await.unwrap();
    let head = "GET /api/v1/subscriptions/s/stream?max_in_flight=1 HTTP/1.1\r\nhost: e2e\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
    let mut text = String::new();
    soon("a pause", read_until(&mut socket, &mut text, "event: pause")).await;
    let deleted = ask(&server, "DELETE /api/v1/topics/analysis:indicators:1m", "", b"");
    assert_eq!(deleted.status, 204, "{deleted:?}");
    let mut lost = 0;
    while lost < 3 {
        let frame = ws.next().await.unwrap();
        assert_eq!((&frame["type"], &frame["reason"]), (&json!("gap"), &json!("TOPIC_DELETED")));
        assert_eq!(frame["topic"], "analysis/indicators/1m");
        lost += frame["count"].as_u64().unwrap();
    }
    soon("a gap", read_until(&mut socket, &mut text, "event: gap")).await;
}

async fn read_until(socket: &mut TcpStream, text: &mut String, what: &str) {
    let mut piece = vec![0; 1 << 16];
    while !text.contains(what) {
        let read = tokio::io::AsyncReadExt::read(socket, &mut piece).await.unwrap();
        assert!(read > 0, "the stream ended before `{what}`: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
}

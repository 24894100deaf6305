//! Consuming by server-sent events: ids, resuming, pauses, streams without a cursor.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_serve::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Running, event, start, start_with};

/// A connection that reads events.
struct Sse {
    socket: TcpStream,
    text: String,
}

/// One event: name (empty for the default kind), id, data.
#[derive(Debug)]
struct Event {
    kind: String,
    id: String,
    data: Value,
}

impl Sse {
    async fn open(server: &Running, query: &str, last: &str) -> Self {
        let mut socket = TcpStream::connect(server.addr).await.unwrap();
        let header =
            if last.is_empty() { String::new() } else { format!("last-event-id: {last}\r\n") };
        let path = format!("/api/v1/subscriptions/s/stream{query}");
        let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\n{header}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut sse = Self { socket, text: String::new() };
        while !sse.text.contains("\r\n\r\n") {
            assert!(sse.read().await, "{}", sse.text);
        }
        let (head, rest) = sse.text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"), "{head}");
        sse.text = rest.to_owned();
        let opened = sse.next().await.unwrap();
        assert_eq!(opened.kind, "opened");
        sse
    }

    async fn read(&mut self) -> bool {
        let mut piece = vec![0; 64 << 10];
        let count = self.socket.read(&mut piece).await.unwrap_or(0);
        self.text.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        count > 0
    }

    /// The next event; `None` at the end. The lines of chunks lie between events.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let Some((event, rest)) = self.text.split_once("\n\n") else {
                // The last chunk is the end of the body, not of the connection.
                if self.text.ends_with("\r\n0\r\n\r\n") || !self.read().await {
                    return None;
                }
                continue;
            };
            let mut found = Event { kind: String::new(), id: String::new(), data: Value::Null };
            for line in event.lines() {
                match line.split_once(": ") {
                    Some(("event", kind)) => found.kind = kind.to_owned(),
                    Some(("id", id)) => found.id = id.to_owned(),
                    Some(("data", data)) => found.data = serde_json::from_str(data).unwrap(),
                    _ => {}
                }
            }
            self.text = rest.to_owned();
            if !found.data.is_null() {
                return Some(found);
            }
        }
    }

    /// The next of a kind; confirmations and heartbeats are passed over.
    async fn expect(&mut self, kind: &str) -> Event {
        loop {
            let event = self.next().await.unwrap();
            if event.kind == kind {
                return event;
            }
            assert!(matches!(event.kind.as_str(), "confirmed" | "heartbeat"), "{event:?}");
        }
    }
}

async fn subscribed(server: &Running) {
    let body =
        r#"{"name":"s","topics":["analysis/**"],"start":"earliest","delivery":{"stream":{}}}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
}

async fn publish(server: &Running, minutes: std::ops::Range<u32>) {
    let events: Vec<_> = minutes.map(|minute| event("AAPL", minute)).collect();
    let body = format!("[{}]", events.join(","));
    server.send("POST /api/v1/events", &body).await.expect(200);
}

async fn status(server: &Running) -> Value {
    server.get("/api/v1/subscriptions/s/status").await.expect(200)
}

#[tokio::test]
async fn ids_acknowledge_and_resume() {
    let server = start().await;
    subscribed(&server).await;
    publish(&server, 0..5).await;
    let mut sse = Sse::open(&server, "?consumer=c-7", "").await;
    let mut ids = Vec::new();
    for offset in 0..5 {
        let event = sse.expect("").await;
        assert_eq!(
            (&event.data["offset"], &event.data["event"]["kind"]),
            (&json!(offset), &json!("INDICATORS"))
        );
        assert!(event.id.ends_with(&format!("-{}", offset + 1)), "{event:?}");
        ids.push(event.id);
    }
    assert_eq!(status(&server).await["consumer"], "c-7");
    let ack = |body: Value| {
        let server = &server;
        async move {
            let answer = server.send("POST /api/v1/subscriptions/s/ack", &body.to_string()).await;
            answer.expect(200)["results"].clone()
        }
    };
    let results = ack(json!({"ack_ids": [ids[0], ids[0], ids[3]]})).await;
    let states: Vec<_> = results.as_array().unwrap().iter().map(|r| r["state"].clone()).collect();
    assert_eq!(states, ["confirmed", "stale", "confirmed"]);
    let nacked = json!({"ack_ids": [ids[4]]}).to_string();
    let nacked = server.send("POST /api/v1/subscriptions/s/nack", &nacked).await.expect(200);
    assert_eq!(nacked["results"][0]["state"], "confirmed");
    let again = sse.expect("").await;
    assert_eq!((&again.data["offset"], &again.data["attempt"]), (&json!(4), &json!(2)));
    // The old connection is still there: whoever brings its id goes on at once.
    let mut next = Sse::open(&server, "", &ids[1]).await;
    let taken = sse.expect("error").await;
    assert_eq!(taken.data["problem"]["code"], "SESSION_TAKEN");
    assert!(sse.next().await.is_none());
    for offset in [2, 4] {
        let event = next.expect("").await;
        assert_eq!(
            (&event.data["offset"], &event.data["redelivered"]),
            (&json!(offset), &json!(true))
        );
    }
    // An id from before still leads to the newest session; what that one had is not the id's.
    let mut last = Sse::open(&server, "", &ids[2]).await;
    assert_eq!(next.expect("error").await.data["problem"]["code"], "SESSION_TAKEN");
    assert_eq!(last.expect("").await.data["offset"], 2);
    let event = last.expect("").await;
    assert_eq!(event.data["offset"], 4);
    assert_eq!(ack(json!({"up_to": [event.id]})).await[0]["state"], "confirmed");
    assert_eq!(status(&server).await["lag_events"], 0);
}

#[tokio::test]
async fn a_full_window_pauses_until_it_opens() {
    let server = start().await;
    subscribed(&server).await;
    publish(&server, 0..3).await;
    let mut sse = Sse::open(&server, "?max_in_flight=2", "").await;
    sse.expect("").await;
    let second = sse.expect("").await;
    let pause = sse.expect("pause").await;
    assert_eq!(pause.data["in_flight"], 2);
    let body = json!({"up_to": [second.id]}).to_string();
    server.send("POST /api/v1/subscriptions/s/ack", &body).await.expect(200);
    assert_eq!(sse.expect("resume").await.data["in_flight"], 0);
    assert_eq!(sse.expect("").await.data["offset"], 2);
}

#[tokio::test]
async fn without_a_cursor_progress_is_the_clients() {
    let server = start().await;
    subscribed(&server).await;
    publish(&server, 0..2).await;
    let mut sse = Sse::open(&server, "?ephemeral=true&start=earliest", "").await;
    let first = sse.expect("").await;
    assert_eq!(first.data["offset"], 0);
    sse.expect("").await;
    // Others may read at the same time, and no cursor moves.
    let mut latest = Sse::open(&server, "?ephemeral=true", "").await;
    publish(&server, 2..4).await;
    assert_eq!(latest.expect("").await.data["offset"], 2);
    drop((sse, latest));
    let mut sse = Sse::open(&server, "?ephemeral=true", &first.id).await;
    for offset in 1..4 {
        assert_eq!(sse.expect("").await.data["offset"], offset);
    }
    assert_eq!(status(&server).await["lag_events"], 4);
}

#[tokio::test]
async fn wrong_streams_are_refused() {
    let server = start().await;
    subscribed(&server).await;
    let path = |query: &str| format!("/api/v1/subscriptions/s/stream{query}");
    for (query, code) in [
        ("?max_in_flight=0", "FIELD_INVALID"),
        ("?max_in_flight=x", "FIELD_INVALID"),
        ("?start=latest", "FIELD_INVALID"),
        ("?ephemeral=true&start=soon", "FIELD_INVALID"),
        ("?ephemeral=true&max_in_flight=5", "FIELD_INVALID"),
        ("?ephemeral=maybe", "FIELD_INVALID"),
        ("?filter=x", "FIELD_UNKNOWN"),
    ] {
        assert_eq!(server.get(&path(query)).await.expect(400)["code"], code, "{query}");
    }
    for (query, id) in [("", "nonsense"), ("", "e1-1~00000000"), ("?ephemeral=true", "1f-1")] {
        let line = format!("GET {}", path(query));
        let header = format!("last-event-id: {id}");
        let answer = server.ask(&line, &[&header], b"").await.expect(400);
        assert_eq!(answer["code"], "STREAM_ID_INVALID", "{query} {id}");
    }
    let none = server.get("/api/v1/subscriptions/none/stream").await.expect(404);
    assert_eq!(none["code"], "SUBSCRIPTION_UNKNOWN");
    let sse = Sse::open(&server, "", "").await;
    let busy = server.get(&path("")).await.expect(409);
    assert_eq!(busy["code"], "SUBSCRIPTION_BUSY");
    drop(sse);
    // An id that the service forgot, as after a restart, settles nothing and is no error.
    loop {
        let answer = server.get("/api/v1/subscriptions/s/status").await.expect(200);
        if answer["consumer"].is_null() {
            break;
        }
    }
    Sse::open(&server, "", "1f-1").await;
}

#[tokio::test]
async fn silence_is_filled_and_a_stop_says_so() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(limits).await;
    subscribed(&server).await;
    publish(&server, 0..1).await;
    let mut sse = Sse::open(&server, "", "").await;
    sse.expect("").await;
    let heartbeat = sse.expect("heartbeat").await;
    assert_eq!(heartbeat.data["last_sent"][0]["offset"], 0);
    let (stopped, ()) = tokio::join!(server.stop(), async {
        let end = sse.expect("error").await;
        assert_eq!(end.data["problem"]["code"], "SHUTTING_DOWN");
        assert!(sse.next().await.is_none());
    });
    let () = stopped;
}

//! WebSocket consuming: both forms, limits, close codes.

use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use serde_json::{Value, json};
use tidings_event::block::events;
use tidings_event::packed;
use tidings_serve::Limits;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Asked;
use tidings_wire::v1::consume_response::Message as Said;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::{Running, event, start, start_with};

pub(crate) struct Ws(pub(crate) WebSocketStream<MaybeTlsStream<TcpStream>>);

pub(crate) async fn connect(
    server: &Running,
    headers: &[(&'static str, &str)],
) -> Result<Ws, Box<Error>> {
    let mut request = format!("ws://{}/api/v1/ws", server.addr).into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    Ok(Ws(connect_async(request).await.map_err(Box::new)?.0))
}

impl Ws {
    pub(crate) async fn json(server: &Running) -> Self {
        connect(server, &[("sec-websocket-protocol", "other, tidings.v1.json")]).await.unwrap()
    }

    pub(crate) async fn protobuf(server: &Running) -> Self {
        connect(server, &[("sec-websocket-protocol", "tidings.v1.protobuf")]).await.unwrap()
    }

    pub(crate) async fn say(&mut self, document: Value) {
        self.0.send(Message::Text(document.to_string().into())).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, messages: Vec<Asked>) {
        let request = |message| v1::ConsumeRequest { message: Some(message), attachment: 0 };
        let requests = messages.into_iter().map(request).collect();
        let batch = v1::ConsumeRequests { requests }.encode_to_vec();
        self.0.send(Message::Binary(batch.into())).await.unwrap();
    }

    /// The next document of a type; others are passed over.
    pub(crate) async fn next(&mut self, kind: &str) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => {
                    let document: Value = serde_json::from_str(&text).unwrap();
                    if document["type"] == kind {
                        return document;
                    }
                    assert_ne!(document["type"], "error", "{document}");
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) async fn responses(&mut self) -> Vec<Said> {
        match self.0.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => {
                let batch = v1::ConsumeResponses::decode(bytes).unwrap();
                batch.responses.into_iter().filter_map(|response| response.message).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    /// Reads to the end: the problem's code and the close code.
    pub(crate) async fn end(mut self) -> (String, u16) {
        let mut code = String::new();
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => {
                    let document: Value = serde_json::from_str(&text).unwrap();
                    if let Some(problem) = document["problem"]["code"].as_str() {
                        code = problem.to_owned();
                    }
                }
                Some(Ok(Message::Binary(bytes))) => {
                    let batch = v1::ConsumeResponses::decode(bytes).unwrap();
                    if let Some(Said::Error(problem)) =
                        batch.responses.into_iter().find_map(|response| response.message)
                    {
                        code = problem.code;
                    }
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    assert_eq!(frame.reason.as_str(), code);
                    return (code, frame.code.into());
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?} after {code:?}"),
            }
        }
    }
}

pub(crate) async fn subscribe(server: &Running, name: &str) {
    let body = format!(
        r#"{{"name":"{name}","topics":["analysis/**"],"start":"earliest","delivery":{{"stream":{{}}}}}}"#
    );
    server.send("POST /api/v1/subscriptions", &body).await.expect(201);
}

pub(crate) async fn publish(server: &Running, minutes: std::ops::Range<u32>) {
    let events: Vec<_> = minutes.map(|minute| event("AAPL", minute)).collect();
    let body = format!("[{}]", events.join(","));
    server.send("POST /api/v1/events", &body).await.expect(200);
}

pub(crate) async fn lag(server: &Running, name: &str) -> Value {
    let status = server.get(&format!("/api/v1/subscriptions/{name}/status")).await;
    status.expect(200)["lag_events"].clone()
}

#[tokio::test]
async fn json_frames_open_credit_ack_and_nack() {
    let server = start().await;
    subscribe(&server, "s").await;
    publish(&server, 0..4).await;
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s", "consumer": "c-1"})).await;
    let opened = ws.next("opened").await;
    assert!(!opened["session"].as_str().unwrap().is_empty());
    assert_eq!(opened["max_in_flight_events"], 65_536);
    ws.say(json!({"type": "credit", "events": 4})).await;
    let mut ids = Vec::new();
    while ids.len() < 4 {
        let batch = ws.next("events").await;
        assert_eq!(batch["topic"], "analysis/indicators/5m");
        for event in batch["events"].as_array().unwrap() {
            assert_eq!(event["offset"], ids.len());
            assert_eq!(event["event"]["instrument"], "AAPL");
            assert!(event.get("attempt").is_none() && event.get("redelivered").is_none());
            ids.push(event["ack_id"].as_str().unwrap().to_owned());
        }
    }
    ws.say(json!({"type": "ack", "up_to": [ids[1]]})).await;
    let confirmed = ws.next("confirmed").await;
    assert_eq!(
        (&confirmed["runs"][0]["from"], &confirmed["runs"][0]["to"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(confirmed["runs"][0]["topic"], "analysis/indicators/5m");
    ws.say(json!({"type": "nack", "ack_ids": [ids[2]]})).await;
    ws.say(json!({"type": "credit", "events": 4, "bytes": 100_000})).await;
    let again = ws.next("events").await["events"][0].clone();
    assert_eq!((&again["offset"], &again["attempt"]), (&json!(2), &json!(2)));
    assert_eq!(again["redelivered"], true);
    ws.say(json!({"type": "ack", "ack_ids": [ids[3], again["ack_id"]]})).await;
    let mut settled = 0;
    while settled < 2 {
        settled += ws.next("confirmed").await["runs"].as_array().unwrap().len();
    }
    assert_eq!(lag(&server, "s").await, 0);
    ws.say(json!({"type": "ack", "ack_ids": [ids[0]]})).await;
    assert_eq!(ws.next("confirmed").await["stale"][0]["from"], 0);
}

#[tokio::test]
async fn an_ack_id_of_a_lost_connection_still_counts() {
    let server = start().await;
    subscribe(&server, "s").await;
    publish(&server, 0..2).await;
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s"})).await;
    ws.say(json!({"type": "credit", "events": 10})).await;
    let batch = ws.next("events").await;
    let id = batch["events"][0]["ack_id"].clone();
    drop(ws);
    let mut ws = loop {
        let mut ws = Ws::json(&server).await;
        ws.say(json!({"type": "open", "subscription": "s"})).await;
        match ws.0.next().await.unwrap().unwrap() {
            Message::Text(text) if text.contains("opened") => break ws,
            _ => {}
        }
    };
    ws.say(json!({"type": "ack", "ack_ids": [id]})).await;
    assert_eq!(ws.next("confirmed").await["stale"][0]["to"], 0);
    ws.say(json!({"type": "credit", "events": 10})).await;
    assert_eq!(ws.next("events").await["events"][0]["offset"], 1);
}

#[tokio::test]
async fn both_forms_say_the_same() {
    let server = start().await;
    subscribe(&server, "a").await;
    subscribe(&server, "b").await;
    publish(&server, 0..50).await;
    let mut text = Ws::json(&server).await;
    text.say(json!({"type": "open", "subscription": "a"})).await;
    text.say(json!({"type": "credit", "events": 50})).await;
    let mut spoken = Vec::new();
    while spoken.len() < 50 {
        let batch = text.next("events").await;
        for event in batch["events"].as_array().unwrap() {
            spoken.push((event["offset"].as_u64().unwrap(), event["event"].clone()));
        }
    }
    let mut binary = Ws::protobuf(&server).await;
    let open = v1::ConsumeOpen {
        subscription: "b".into(),
        compression: Some("lz4".into()),
        ..Default::default()
    };
    let credit = v1::Credit { events: 50, bytes: 1 << 20 };
    binary.ask(vec![Asked::Open(open), Asked::Credit(credit)]).await;
    let (mut read, mut names, mut last) = (Vec::new(), Vec::new(), None);
    while read.len() < 50 {
        for said in binary.responses().await {
            match said {
                Said::Topic(topic) => names.push(topic.name),
                Said::Delivery(delivery) => {
                    let first = delivery.offsets[0].first;
                    assert_eq!(delivery.codec, packed::LZ4);
                    let body = packed::unpack(delivery.body, delivery.codec).unwrap();
                    for (offset, event) in (first..).zip(events(&body)) {
                        let json = tidings_event::json::to_json(event.unwrap()).unwrap();
                        read.push((offset, serde_json::from_str(&json).unwrap()));
                        last = Some(v1::Position {
                            topic_id: delivery.topic_id,
                            epoch: delivery.epoch,
                            partition: delivery.partition,
                            offset,
                        });
                    }
                }
                Said::Opened(opened) => assert_eq!(opened.max_in_flight_events, 65_536),
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(read, spoken);
    assert_eq!(names, ["analysis/indicators/5m"]);
    binary.ask(vec![Asked::Ack(v1::Ack { up_to: last.into_iter().collect(), runs: vec![] })]).await;
    let said = binary.responses().await;
    assert!(matches!(&said[0], Said::Confirmed(c) if c.runs[0].last == 49), "{said:?}");
    assert_eq!(lag(&server, "b").await, 0);
}

#[tokio::test]
async fn a_stream_with_a_deadline_may_extend_it() {
    let server = start().await;
    subscribe(&server, "s").await;
    let body = format!("[{},{}]", event("AAPL", 1), event("MSFT", 1));
    server.send("POST /api/v1/events", &body).await.expect(200);
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s", "ack_deadline_ms": 1000})).await;
    ws.say(json!({"type": "credit", "events": 100})).await;
    let mut ids = Vec::new();
    while ids.len() < 2 {
        let batch = ws.next("events").await;
        let events = batch["events"].as_array().unwrap().iter();
        ids.extend(events.map(|one| (one["event"]["instrument"].clone(), one["ack_id"].clone())));
    }
    let (kept, late) = (ids[0].clone(), ids[1].clone());
    ws.say(json!({"type": "extend", "ack_ids": [kept.1], "by_ms": 600_000})).await;
    let extended = ws.next("extended").await;
    assert_eq!(extended["runs"].as_array().unwrap().len(), 1, "{extended}");
    assert_eq!(extended["stale"], json!([]));
    let again = ws.next("events").await["events"].as_array().unwrap().clone();
    assert_eq!((again.len(), &again[0]["event"]["instrument"]), (1, &late.0));
    assert_eq!(again[0]["attempt"], 2);
    ws.say(json!({"type": "ack", "ack_ids": [kept.1, again[0]["ack_id"]]})).await;
    ws.next("confirmed").await;
    ws.say(json!({"type": "extend", "ack_ids": [late.1], "by_ms": 1})).await;
    assert_eq!(ws.next("extended").await["stale"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn json_is_never_packed() {
    let server = start().await;
    let body = r#"{"name":"s","topics":["analysis/**"],"start":"earliest",
        "batch":{"compression":"lz4"},"delivery":{"stream":{}}}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
    publish(&server, 0..50).await;
    for compression in ["lz4", "zip"] {
        let mut ws = Ws::json(&server).await;
        ws.say(json!({"type": "open", "subscription": "s", "compression": compression})).await;
        assert_eq!(ws.end().await, ("FIELD_INVALID".to_owned(), 4400));
    }
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s", "compression": "none"})).await;
    ws.say(json!({"type": "credit", "events": 50})).await;
    let mut seen = 0;
    while seen < 50 {
        seen += ws.next("events").await["events"].as_array().unwrap().len();
    }
}

#[tokio::test]
async fn wrong_frames_end_with_a_problem_and_its_close_code() {
    let server = start().await;
    subscribe(&server, "s").await;
    let open = r#"{"type":"open","subscription":"s"}"#;
    for (frames, code, close) in [
        (&[r#"{"type":"open","subscription":"none"}"#][..], "SUBSCRIPTION_UNKNOWN", 4404),
        (&[r#"{"type":"credit","events":1}"#], "REQUEST_MALFORMED", 4400),
        (&["{"], "JSON_MALFORMED", 4400),
        (&[open, open], "REQUEST_MALFORMED", 4400),
        (&[open, r#"{"type":"ack","ack_ids":["x"]}"#], "ACK_ID_INVALID", 4400),
        (&[open, r#"{"type":"ack"}"#], "FIELD_MISSING", 4400),
        (&[open, r#"{"type":"credit","events":1,"x":1}"#], "FIELD_UNKNOWN", 4400),
        (&[open, r#"{"type":"nack","ack_ids":[],"delay_ms":86400001}"#], "FIELD_INVALID", 4400),
    ] {
        let mut ws = connect(&server, &[]).await.unwrap();
        for frame in frames {
            ws.0.send(Message::Text((*frame).into())).await.unwrap();
        }
        assert_eq!(ws.end().await, (code.to_owned(), close), "{frames:?}");
    }
    let mut ws = Ws::json(&server).await;
    ws.0.send(Message::Binary(Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(ws.end().await, ("REQUEST_MALFORMED".to_owned(), 4400));
    for bytes in [&b"\xff"[..], b"", b"\x0a\x00"] {
        let mut ws = Ws::protobuf(&server).await;
        ws.0.send(Message::Binary(Bytes::from_static(bytes))).await.unwrap();
        assert_eq!(ws.end().await, ("REQUEST_MALFORMED".to_owned(), 4400));
    }
    let mut ws = Ws::json(&server).await;
    let large = format!(r#"{{"type":"{}"}}"#, "x".repeat(1 << 20));
    // It may be refused before it is sent whole.
    let _refused = ws.0.send(Message::Text(large.into())).await;
    assert_eq!(ws.end().await, ("BATCH_TOO_LARGE".to_owned(), 1009));
    let mut first = Ws::json(&server).await;
    first.say(serde_json::from_str(open).unwrap()).await;
    first.next("opened").await;
    let mut second = Ws::json(&server).await;
    second.say(serde_json::from_str(open).unwrap()).await;
    assert_eq!(second.end().await, ("SUBSCRIPTION_BUSY".to_owned(), 4409));
    server.send("DELETE /api/v1/subscriptions/s", "").await;
    assert_eq!(first.end().await, ("SUBSCRIPTION_GONE".to_owned(), 4410));
}

async fn refused(server: &Running, headers: &[(&'static str, &str)]) -> (u16, String) {
    let Err(error) = connect(server, headers).await else { panic!("it was let in") };
    let Error::Http(response) = *error else { panic!("{error:?}") };
    let body = response.body().clone().unwrap_or_default();
    let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
    (response.status().as_u16(), problem["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn upgrades_that_are_refused() {
    let server = start().await;
    let unknown = [("sec-websocket-protocol", "graphql-ws")];
    assert_eq!(refused(&server, &unknown).await, (400, "SUBPROTOCOL_UNKNOWN".to_owned()));
    let foreign = [("origin", "https://evil.example")];
    assert_eq!(refused(&server, &foreign).await, (403, "ORIGIN_REFUSED".to_owned()));
    let plain = server.get("/api/v1/ws").await.expect(426);
    assert_eq!(plain["code"], "UPGRADE_REQUIRED");
    let query = server.get("/api/v1/ws?token=1").await.expect(400);
    assert_eq!(query["code"], "FIELD_UNKNOWN");
}

#[tokio::test]
async fn silence_is_filled_and_a_stop_says_so() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(limits).await;
    subscribe(&server, "s").await;
    publish(&server, 0..2).await;
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s"})).await;
    ws.say(json!({"type": "credit", "events": 10})).await;
    ws.next("events").await;
    let heartbeat = ws.next("heartbeat").await;
    assert_eq!(heartbeat["last_sent"][0]["offset"], 1);
    assert_eq!(heartbeat["lag_events"], 2);
    let unopened = Ws::json(&server).await;
    let (stopped, end) = tokio::join!(server.stop(), ws.end());
    assert_eq!((stopped, end), ((), ("SHUTTING_DOWN".to_owned(), 1012)));
    assert_eq!(unopened.end().await, ("SHUTTING_DOWN".to_owned(), 1012));
}

#[tokio::test]
async fn who_does_not_open_or_answer_is_let_go() {
    let limits = Limits {
        header_read: Duration::from_millis(200),
        keep_alive: Duration::from_millis(50),
        keep_alive_answer: Duration::from_millis(50),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    subscribe(&server, "s").await;
    let ws = Ws::json(&server).await;
    assert_eq!(ws.end().await, ("REQUEST_TIMEOUT".to_owned(), 4408));
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s"})).await;
    ws.next("opened").await;
    // This client answers pings only while it is polled: from here on it is as good as dead.
    loop {
        let status = server.get("/api/v1/subscriptions/s/status").await.expect(200);
        if status["consumer"].is_null() {
            break;
        }
    }
    drop(ws);
}

#[tokio::test]
async fn who_does_not_read_is_sent_no_more_and_let_go() {
    let limits = Limits {
        keep_alive: Duration::from_millis(300),
        keep_alive_answer: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    subscribe(&server, "s").await;
    // More than the socket's buffers of both ends take.
    for _ in 0..40 {
        publish(&server, 0..250).await;
    }
    let one = event("AAPL", 0);
    let batch = format!("[{}]", vec![one; 2_000].join(","));
    for _ in 0..15 {
        server.send("POST /api/v1/events", &batch).await.expect(200);
    }
    let all = lag(&server, "s").await.as_u64().unwrap();
    let mut ws = Ws::json(&server).await;
    ws.say(json!({"type": "open", "subscription": "s"})).await;
    ws.say(json!({"type": "credit", "events": u64::MAX})).await;
    ws.next("opened").await;
    loop {
        let status = server.get("/api/v1/subscriptions/s/status").await.expect(200);
        assert!(status["in_flight"].as_u64().unwrap() < all, "{status}");
        if status["consumer"].is_null() {
            break;
        }
    }
    assert_eq!(lag(&server, "s").await, all);
    drop(ws);
}

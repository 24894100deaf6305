//! WebSocket consuming with framed deliveries: the same as in the Protobuf form, as it is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tidings_event::block::{crc32c, events};
use tidings_serve::Limits;
use tidings_wire::framed::{self, Framed};
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Asked;
use tidings_wire::v1::consume_response::Message as Said;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Running, event, start, start_with};
use crate::ws::{Ws, connect, lag, publish, subscribe};

/// The place of a delivery's flags, and of the length of its head.
const FLAGS: std::ops::Range<usize> = 4..8;
const CHECKED: [u8; 4] = [1, 0, 0, 0];

/// A message that is a delivery, as it came and as it is read.
struct Came {
    bytes: Bytes,
    delivery: v1::Delivery,
}

/// A socket that speaks so, and what came before it was asked for.
struct FramedWs {
    ws: Ws,
    said: Vec<Said>,
}

impl FramedWs {
    async fn open(server: &Running, open: v1::ConsumeOpen, credit: v1::Credit) -> Self {
        let headers = [("sec-websocket-protocol", "tidings.v1.framed")];
        let mut ws = connect(server, &headers).await.unwrap();
        ws.ask(vec![Asked::Open(open), Asked::Credit(credit)]).await;
        Self { ws, said: Vec::new() }
    }

    /// The next delivery; what else is said is kept.
    async fn delivery(&mut self) -> Came {
        loop {
            if let Some(came) = self.read().await {
                return came;
            }
        }
    }

    async fn read(&mut self) -> Option<Came> {
        match self.ws.0.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => match framed::read(bytes.clone()).unwrap() {
                Framed::Delivery(delivery) => return Some(Came { bytes, delivery }),
                Framed::Said(said) => {
                    assert!(!said.responses.is_empty());
                    self.said.extend(said.responses.into_iter().filter_map(|r| r.message));
                }
            },
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
        None
    }

    /// The runs that are confirmed next.
    async fn confirmed(&mut self) -> v1::AckConfirmed {
        loop {
            let at = self.said.iter().position(|said| matches!(said, Said::Confirmed(_)));
            if let Some(Said::Confirmed(confirmed)) = at.map(|at| self.said.remove(at)) {
                return confirmed;
            }
            assert!(self.read().await.is_none(), "no delivery was due");
        }
    }
}

fn open(subscription: &str) -> v1::ConsumeOpen {
    v1::ConsumeOpen { subscription: subscription.to_owned(), ..v1::ConsumeOpen::default() }
}

const ALL: v1::Credit = v1::Credit { events: 1 << 40, bytes: 1 << 40 };

fn last(delivery: &v1::Delivery) -> v1::Position {
    let run = delivery.offsets.last().unwrap();
    v1::Position {
        topic_id: delivery.topic_id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: run.first + u64::from(run.count) - 1,
    }
}

/// Offsets with their events and attempts, by partition.
type Told = BTreeMap<(u64, u32), Vec<(u64, u32, Vec<u8>)>>;

fn tell(told: &mut Told, delivery: &v1::Delivery) -> usize {
    let offsets = delivery.offsets.iter();
    let offsets = offsets.flat_map(|run| run.first..run.first + u64::from(run.count));
    let place = told.entry((delivery.topic_id, delivery.partition)).or_default();
    let before = place.len();
    for (offset, event) in offsets.zip(events(&delivery.body)) {
        let holds =
            |run: &&v1::AttemptRun| (run.first..run.first + u64::from(run.count)).contains(&offset);
        let attempt = delivery.attempts.iter().find(holds).map_or(1, |run| run.attempt);
        place.push((offset, attempt, event.unwrap().to_vec()));
    }
    place.len() - before
}

async fn publish_many(server: &Running) {
    for round in 0..8 {
        let events: Vec<_> = ["AAPL", "MSFT", "IBM", "SAP"]
            .iter()
            .flat_map(|name| (0..10).map(move |minute| event(name, round * 10 + minute)))
            .collect();
        let body = format!("[{}]", events.join(","));
        server.send("POST /api/v1/events", &body).await.expect(200);
    }
}

#[tokio::test]
async fn framed_deliveries_say_what_protobuf_ones_say() {
    let server = start().await;
    for name in ["a-none", "b-none", "a-lz4", "b-lz4"] {
        let body = json!({"name": name, "topics": ["analysis/**"], "start": "earliest",
            "filter": "instrument != \'MSFT\'", "retry": {"min_backoff_ms": 1, "max_backoff_ms": 1},
            "delivery": {"stream": {}}});
        server.send("POST /api/v1/subscriptions", &body.to_string()).await.expect(201);
    }
    publish_many(&server).await;
    for compression in ["none", "lz4"] {
        let (mut plain, mut framed) = (Told::new(), Told::new());
        let asked = |name| v1::ConsumeOpen {
            compression: Some(compression.into()),
            ..open(&format!("{name}-{compression}"))
        };
        let mut ws = Ws::protobuf(&server).await;
        ws.ask(vec![Asked::Open(asked("a")), Asked::Credit(ALL)]).await;
        let (mut count, mut nacked) = (0, false);
        while count < 241 {
            for said in ws.responses().await {
                let Said::Delivery(mut delivery) = said else { continue };
                delivery.body =
                    tidings_event::packed::unpack(delivery.body, delivery.codec).unwrap();
                count += tell(&mut plain, &delivery);
                if !nacked {
                    ws.ask(vec![nack(&delivery)]).await;
                    nacked = true;
                }
            }
        }
        let mut ws = FramedWs::open(&server, asked("b"), ALL).await;
        let (mut count, mut nacked) = (0, false);
        while count < 241 {
            let came = ws.delivery().await;
            count += tell(&mut framed, &came.delivery);
            if !nacked {
                ws.ws.ask(vec![nack(&came.delivery)]).await;
                nacked = true;
            }
        }
        for told in [&mut plain, &mut framed] {
            told.values_mut().for_each(|events| events.sort());
        }
        assert_eq!(framed, plain);
        assert!(matches!(&ws.said[0], Said::Opened(_)), "{:?}", ws.said);
        assert!(
            matches!(&ws.said[1], Said::Topic(topic) if topic.name == "analysis/indicators/5m")
        );
    }
}

/// Gives the last event of a delivery back.
fn nack(delivery: &v1::Delivery) -> Asked {
    let v1::Position { topic_id, epoch, partition, offset } = last(delivery);
    let run = v1::PositionRun { topic_id, epoch, partition, first: offset, last: offset };
    Asked::Nack(v1::Nack { runs: vec![run], delay_ms: 0, detail: String::new() })
}

#[tokio::test]
async fn a_whole_block_comes_as_it_is_stored_under_its_publishers_checksum() {
    let server = start().await;
    subscribe(&server, "s").await;
    publish(&server, 0..50).await;
    let mut ws =
        FramedWs::open(&server, open("s"), v1::Credit { events: 20, bytes: 1 << 20 }).await;
    // A part has no checksum: that of its block is not its own.
    let part = ws.delivery().await;
    assert_eq!((part.delivery.offsets[0].count, &part.bytes[FLAGS]), (20, &[0; 4][..]));
    ws.ws.ask(vec![Asked::Credit(ALL)]).await;
    let rest = ws.delivery().await;
    assert_eq!((rest.delivery.offsets[0].count, &rest.bytes[FLAGS]), (30, &[0; 4][..]));
    publish(&server, 50..60).await;
    let whole = ws.delivery().await;
    assert_eq!((whole.delivery.offsets[0].count, &whole.bytes[FLAGS]), (10, &CHECKED[..]));
    let sent = &whole.bytes[whole.bytes.len() - whole.delivery.body.len()..];
    assert_eq!(sent, whole.delivery.body);
    assert_eq!(whole.bytes[12..16], crc32c(sent).to_le_bytes());
    let ack = v1::Ack { up_to: vec![last(&whole.delivery)], runs: Vec::new() };
    ws.ws.ask(vec![Asked::Ack(ack)]).await;
    let confirmed = ws.confirmed().await;
    assert_eq!((confirmed.runs[0].first, confirmed.runs.last().unwrap().last), (0, 59));
    assert_eq!(lag(&server, "s").await, 0);
}

/// The library that reads answers pings by itself, between deliveries that are written past it.
#[tokio::test]
async fn answers_to_pings_are_whole_among_deliveries() {
    let server = start().await;
    subscribe(&server, "s").await;
    for round in 0..60 {
        publish(&server, round..round + 100).await;
    }
    let mut ws = FramedWs::open(&server, open("s"), ALL).await;
    let (mut told, mut count, mut pongs) = (Told::new(), 0, 0u8);
    let mut asked = 0u8;
    while count < 6_000 || pongs < asked {
        if asked < 200 {
            ws.ws.0.send(Message::Ping(Bytes::copy_from_slice(&[asked; 100]))).await.unwrap();
            asked += 1;
        }
        match ws.ws.0.next().await.unwrap().unwrap() {
            Message::Pong(bytes) => {
                // Only the newest has to be answered.
                pongs = bytes[0] + 1;
                assert_eq!(bytes, vec![bytes[0]; 100]);
            }
            Message::Binary(bytes) => {
                if let Framed::Delivery(delivery) = framed::read(bytes).unwrap() {
                    count += tell(&mut told, &delivery);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let offsets: Vec<_> = told.values().flatten().map(|(offset, ..)| *offset).collect();
    assert_eq!(offsets, (0..6_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn wrong_messages_end_a_framed_socket_with_a_problem() {
    let server = start().await;
    subscribe(&server, "s").await;
    let headers = [("sec-websocket-protocol", "tidings.v1.framed")];
    for (message, code, close) in [
        (Message::Text("{}".into()), "REQUEST_MALFORMED", 4400),
        (Message::Binary(Bytes::from_static(b"TDF1")), "REQUEST_MALFORMED", 4400),
        (Message::Binary(Bytes::new()), "REQUEST_MALFORMED", 4400),
    ] {
        let mut ws = connect(&server, &headers).await.unwrap();
        ws.0.send(message.clone()).await.unwrap();
        assert_eq!(ws.end().await, (code.to_owned(), close), "{message:?}");
    }
    let mut ws = connect(&server, &headers).await.unwrap();
    ws.ask(vec![Asked::Open(open("none"))]).await;
    assert_eq!(ws.end().await, ("SUBSCRIPTION_UNKNOWN".to_owned(), 4404));
    let mut ws = FramedWs::open(&server, open("s"), ALL).await.ws;
    ws.ask(vec![Asked::Open(open("s"))]).await;
    assert_eq!(ws.end().await, ("REQUEST_MALFORMED".to_owned(), 4400));
}

#[tokio::test]
async fn a_framed_socket_breaks_its_silence_and_says_that_it_stops() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(limits).await;
    subscribe(&server, "s").await;
    publish(&server, 0..2).await;
    let mut ws = FramedWs::open(&server, open("s"), ALL).await;
    let came = ws.delivery().await;
    while !ws.said.iter().any(|said| matches!(said, Said::Heartbeat(_))) {
        assert!(ws.read().await.is_none());
    }
    let heartbeat = ws.said.iter().find_map(|said| match said {
        Said::Heartbeat(heartbeat) => Some(heartbeat),
        _ => None,
    });
    assert_eq!(heartbeat.unwrap().last_sent, [last(&came.delivery)]);
    let (stopped, end) = tokio::join!(server.stop(), ws.ws.end());
    assert_eq!((stopped, end), ((), ("SHUTTING_DOWN".to_owned(), 1012)));
}

#[tokio::test]
async fn who_does_not_read_a_framed_socket_is_sent_no_more_and_let_go() {
    let limits = Limits {
        keep_alive: Duration::from_millis(300),
        keep_alive_answer: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    subscribe(&server, "s").await;
    // More than the socket's buffers of both ends take.
    let batch = format!("[{}]", vec![event("AAPL", 0); 2_000].join(","));
    for _ in 0..60 {
        server.send("POST /api/v1/events", &batch).await.expect(200);
    }
    let all = lag(&server, "s").await.as_u64().unwrap();
    let limit = v1::Credit { events: u64::MAX, bytes: u64::MAX };
    let ws = FramedWs::open(&server, open("s"), limit).await;
    let mut most = 0;
    loop {
        let status = server.get("/api/v1/subscriptions/s/status").await.expect(200);
        most = status["in_flight"].as_u64().unwrap().max(most);
        if most > 0 && status["consumer"].is_null() {
            break;
        }
    }
    assert!(most < all, "{most} of {all} were sent to one that does not read");
    assert_eq!(lag(&server, "s").await, all);
    drop(ws);
}

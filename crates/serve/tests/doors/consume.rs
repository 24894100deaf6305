//! gRPC consuming: open, credit, deliveries, confirmed acks, heartbeats, and what goes wrong.

use std::time::Duration;

use tidings_event::block::events;
use tidings_event::packed;
use tidings_serve::Limits;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Asked;
use tidings_wire::v1::consume_response::Message as Said;
use tidings_wire::v1::consumer_client::ConsumerClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::harness::{Running, event, start, start_with};

struct Stream {
    out: mpsc::Sender<v1::ConsumeRequest>,
    said: Streaming<v1::ConsumeResponse>,
}

impl Stream {
    async fn start(server: &Running) -> Self {
        let (out, requests) = mpsc::channel(16);
        let mut client = ConsumerClient::new(server.grpc().await);
        let said = client.consume(ReceiverStream::new(requests)).await.unwrap().into_inner();
        Self { out, said }
    }

    async fn open(server: &Running, subscription: &str) -> Self {
        let subscription = subscription.to_owned();
        let consumer = "c-1".to_owned();
        Self::open_as(server, v1::ConsumeOpen { subscription, consumer, ..Default::default() })
            .await
    }

    async fn open_as(server: &Running, open: v1::ConsumeOpen) -> Self {
        let stream = Self::start(server).await;
        stream.send(Asked::Open(open)).await;
        stream
    }

    async fn send(&self, message: Asked) {
        self.out.send(v1::ConsumeRequest { message: Some(message), attachment: 0 }).await.unwrap();
    }

    async fn next(&mut self) -> Option<Said> {
        self.said.message().await.unwrap().and_then(|response| response.message)
    }

    async fn ends_with(&mut self, code: &str) {
        match self.next().await {
            Some(Said::Error(problem)) => assert_eq!(problem.code, code, "{problem:?}"),
            other => panic!("{other:?}"),
        }
        assert!(self.next().await.is_none());
    }
}

async fn subscribe(server: &Running) {
    let body =
        r#"{"name":"s","topics":["analysis/**"],"start":"earliest","delivery":{"stream":{}}}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
}

#[tokio::test]
async fn credit_delivery_ack() {
    let server = start().await;
    subscribe(&server).await;
    let array = format!("[{},{},{}]", event("AAPL", 1), event("AAPL", 2), event("AAPL", 3));
    server.send("POST /api/v1/events", &array).await.expect(200);
    let mut stream = Stream::open(&server, "s").await;
    let Some(Said::Opened(opened)) = stream.next().await else { panic!("not opened") };
    assert!(!opened.session.is_empty());
    assert_eq!(opened.max_in_flight_events, 65_536);
    stream.send(Asked::Credit(v1::Credit { events: 100, bytes: 1 << 20 })).await;
    let Some(Said::Topic(topic)) = stream.next().await else { panic!("no topic") };
    assert_eq!(topic.name, "analysis/indicators/5m");
    let mut offsets = Vec::new();
    let mut run = v1::PositionRun::default();
    while offsets.len() < 3 {
        let Some(Said::Delivery(delivery)) = stream.next().await else { panic!("no delivery") };
        assert_eq!(delivery.topic_id, topic.topic_id);
        let first = delivery.offsets[0].first;
        let count = events(&delivery.body).map(Result::unwrap).count() as u64;
        offsets.extend(first..first + count);
        run = v1::PositionRun {
            topic_id: delivery.topic_id,
            epoch: delivery.epoch,
            partition: delivery.partition,
            first: 0,
            last: first + count - 1,
        };
    }
    assert_eq!(offsets, [0, 1, 2]);
    stream.send(Asked::Ack(v1::Ack { up_to: vec![], runs: vec![run] })).await;
    let mut confirmed = 0;
    while confirmed < 3 {
        let Some(Said::Confirmed(said)) = stream.next().await else { panic!("not confirmed") };
        assert!(said.stale.is_empty(), "{said:?}");
        confirmed += said.runs.iter().map(|run| run.last + 1 - run.first).sum::<u64>();
    }
    let mut second = Stream::open(&server, "s").await;
    second.ends_with("SUBSCRIPTION_BUSY").await;
    let backwards = v1::PositionRun { first: 5, last: 4, ..run };
    stream.send(Asked::Ack(v1::Ack { up_to: vec![], runs: vec![backwards] })).await;
    stream.ends_with("POSITION_INVALID").await;
}

/// The deliveries of so many events, unpacked, with their codecs; what was packed is shorter.
async fn bodies(stream: &mut Stream, events: u32) -> Vec<(u32, Vec<u8>)> {
    stream.send(Asked::Credit(v1::Credit { events: 1_000, bytes: 1 << 20 })).await;
    let (mut found, mut count) = (Vec::new(), 0);
    while count < events {
        let Some(said) = stream.next().await else { panic!("ended after {count}") };
        let Said::Delivery(delivery) = said else { continue };
        count += delivery.offsets.iter().map(|run| run.count).sum::<u32>();
        let packed = delivery.body.len();
        let body = packed::unpack(delivery.body, delivery.codec).unwrap();
        assert!(delivery.codec == packed::PLAIN || packed * 2 < body.len(), "{packed}");
        found.push((delivery.codec, body.to_vec()));
    }
    found
}

#[tokio::test]
async fn bodies_are_packed_once_for_all_who_want_them_so() {
    let server = start().await;
    for (name, compression) in [("plain", "none"), ("a", "lz4"), ("b", "lz4"), ("c", "none")] {
        let body = format!(
            r#"{{"name":"{name}","topics":["analysis/**"],"start":"earliest",
                "batch":{{"compression":"{compression}"}},"delivery":{{"stream":{{}}}}}}"#
        );
        server.send("POST /api/v1/subscriptions", &body).await.expect(201);
    }
    let array: Vec<_> = (1..=50).map(|n| event("AAPL", n)).collect();
    server.send("POST /api/v1/events", &format!("[{}]", array.join(","))).await.expect(200);
    let open = |subscription: &str, compression: Option<&str>| v1::ConsumeOpen {
        subscription: subscription.to_owned(),
        compression: compression.map(str::to_owned),
        ..Default::default()
    };
    let encodings = || server.recorder.counted(tidings_telemetry::Counter::ServeEncodings);
    let mut plain = Stream::open_as(&server, open("plain", None)).await;
    let plain = bodies(&mut plain, 50).await;
    assert!(plain.iter().all(|(codec, _)| *codec == packed::PLAIN));
    assert_eq!(encodings(), 0);
    // Two by their subscription, one by its own wish; one does not want what its subscription says.
    let (mut all, deliveries) = (Vec::new(), plain.len() as u64);
    for (name, wish) in [("a", None), ("b", Some("lz4")), ("c", Some("lz4"))] {
        let mut stream = Stream::open_as(&server, open(name, wish)).await;
        all.push(bodies(&mut stream, 50).await);
    }
    assert!(all.iter().flatten().all(|(codec, _)| *codec == packed::LZ4));
    assert_eq!(encodings(), deliveries, "each delivery was packed once for all three");
    let mut unwilling = Stream::open_as(&server, open("a", Some("none"))).await;
    assert_eq!(bodies(&mut unwilling, 50).await, plain);
    let texts = |bodies: &[(u32, Vec<u8>)]| -> Vec<_> {
        bodies.iter().map(|(_, body)| body.clone()).collect()
    };
    assert!(all.iter().all(|bodies| texts(bodies) == texts(&plain)));
    let mut wrong = Stream::open_as(&server, open("b", Some("zip"))).await;
    wrong.ends_with("FIELD_INVALID").await;
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(limits).await;
    subscribe(&server).await;
    let mut stream = Stream::open(&server, "s").await;
    assert!(matches!(stream.next().await, Some(Said::Opened(_))));
    assert!(matches!(stream.next().await, Some(Said::Heartbeat(_))));
    assert!(matches!(stream.next().await, Some(Said::Heartbeat(_))));
}

#[tokio::test]
async fn wrong_streams_end_with_a_problem() {
    let server = start().await;
    subscribe(&server).await;
    Stream::open(&server, "none").await.ends_with("SUBSCRIPTION_UNKNOWN").await;
    let mut stream = Stream::start(&server).await;
    stream.send(Asked::Credit(v1::Credit::default())).await;
    stream.ends_with("REQUEST_MALFORMED").await;
    let mut stream = Stream::open(&server, "s").await;
    assert!(matches!(stream.next().await, Some(Said::Opened(_))));
    stream.send(Asked::Open(v1::ConsumeOpen::default())).await;
    stream.ends_with("REQUEST_MALFORMED").await;
    assert!(server.recorder.counted(tidings_telemetry::Counter::ServeErrors) >= 3);
}

#[tokio::test]
async fn a_stop_says_so() {
    let server = start().await;
    subscribe(&server).await;
    let mut stream = Stream::open(&server, "s").await;
    assert!(matches!(stream.next().await, Some(Said::Opened(_))));
    server.stop().await;
    stream.ends_with("SHUTTING_DOWN").await;
}

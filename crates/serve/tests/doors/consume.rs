//! gRPC consuming: open, credit, deliveries, confirmed acks, heartbeats, and what goes wrong.

use std::time::Duration;

use tidings_event::block::events;
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
        let stream = Self::start(server).await;
        let subscription = subscription.to_owned();
        let open = v1::ConsumeOpen { subscription, consumer: "c-1".to_owned() };
        stream.send(Asked::Open(open)).await;
        stream
    }

    async fn send(&self, message: Asked) {
        self.out.send(v1::ConsumeRequest { message: Some(message) }).await.unwrap();
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

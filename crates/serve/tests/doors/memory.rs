//! While memory is short no door reads events, everything else goes on, and then all take them again.

use std::time::Duration;

use bytes::Bytes;
use futures::poll;
use http::Request;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tidings_serve::Limits;
use tidings_telemetry::{Counter, MemoryLevel};
use tidings_wire::v1::publish_stream_request::Message as Asked;
use tidings_wire::v1::publisher_client::PublisherClient;
use tidings_wire::{problem, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::grpc_calls::{call, code_of, frame};
use crate::harness::{Running, canonical, event, start, start_with};
use crate::publish::{Stream, block};

type Piece = Result<Frame<Bytes>, Status>;

const PUBLISH: &str = "/tidings.v1.Publisher/Publish";

const KINDS: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "application/x-protobuf",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
    "application/vnd.tidings.block",
];

/// What is answered to the head of a request whose body never comes.
async fn answered_to_a_head(server: &Running, kind: &str) -> (u16, String, String) {
    let head = format!("content-type: {kind}");
    let reply = server.ask("POST /api/v1/events", &[&head, "content-length: 1000"], b"").await;
    let code = reply.json()["code"].as_str().unwrap_or_default().to_owned();
    (reply.status, code, reply.head)
}

async fn call_with(server: &Running, body: Vec<u8>) -> (String, Option<u64>) {
    let request = Request::post(PUBLISH).header("content-type", "application/grpc");
    let (status, _) = call(server, request.body(Full::from(body)).unwrap()).await;
    let problem = problem::of_status(&status).unwrap_or_default();
    (problem.code, problem.retry_after_ms)
}

#[tokio::test]
async fn no_door_reads_events_while_memory_is_short() {
    let server = start().await;
    server.send("POST /api/v1/events", &event("AAPL", 0)).await.expect(200);
    server.memory.set(MemoryLevel::Refuse);
    for kind in KINDS {
        let (status, code, head) = answered_to_a_head(&server, kind).await;
        assert_eq!((status, code.as_str()), (429, "RESOURCE_EXHAUSTED"), "{kind}");
        assert!(head.contains("retry-after: 1"), "{kind}: {head}");
    }
    // Of the message there is only its length.
    let (code, retry_after) = call_with(&server, frame(0, 1_000, b"")).await;
    assert_eq!((code.as_str(), retry_after), ("RESOURCE_EXHAUSTED", Some(1_000)));
    let refused = server.recorder.counted(Counter::ServeMemoryRefused);
    assert_eq!(refused, KINDS.len() as u64 + 1);
    for level in [MemoryLevel::Shed, MemoryLevel::Normal] {
        server.memory.set(level);
        let minute = 1 + u32::from(level.number());
        server.send("POST /api/v1/events", &event("AAPL", minute)).await.expect(200);
        let events = vec![canonical("MSFT", minute)];
        let request = v1::PublishRequest { events, ..Default::default() };
        let publisher = PublisherClient::new(server.grpc().await).publish(request).await;
        assert_eq!(publisher.unwrap().get_ref().results[0].error, None);
    }
    assert_eq!(server.recorder.counted(Counter::ServeMemoryRefused), refused);
}

#[tokio::test]
async fn what_is_there_is_delivered_and_settled_while_memory_is_short() {
    let server = start().await;
    server.send("POST /api/v1/events", &event("AAPL", 0)).await.expect(200);
    server.memory.set(MemoryLevel::Refuse);
    let body = r#"{"name":"s","topics":["analysis/**"],"start":"earliest"}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
    let ask = r#"{"max":10,"wait_ms":20000,"consumer":"c"}"#;
    let pulled = server.send("POST /api/v1/subscriptions/s/pull", ask).await.expect(200);
    let id = pulled["deliveries"][0]["ack_id"].as_str().unwrap().to_owned();
    let ack = format!(r#"{{"ack_ids":["{id}"]}}"#);
    let acked = server.send("POST /api/v1/subscriptions/s/ack", &ack).await.expect(200);
    assert_eq!(acked["results"][0]["state"], "confirmed", "{acked}");
}

#[tokio::test]
async fn a_stream_is_not_read_while_memory_is_short() {
    let server = start().await;
    let (mut stream, _) = Stream::open(&server, "").await;
    stream.send(Asked::Block(block(1, &[canonical("AAPL", 0)]))).await;
    assert_eq!(stream.ack().await.error, None);
    server.memory.set(MemoryLevel::Refuse);
    stream.send(Asked::Block(block(2, &[canonical("AAPL", 1)]))).await;
    {
        // It has time to come: other requests are answered meanwhile.
        let mut ack = std::pin::pin!(stream.ack());
        for _ in 0..20 {
            assert!(poll!(ack.as_mut()).is_pending());
            server.get("/livez").await;
        }
        server.memory.set(MemoryLevel::Normal);
        assert_eq!(ack.await.error, None);
    }
    // One that begins meanwhile waits, too.
    server.memory.set(MemoryLevel::Refuse);
    let (mut other, _) = Stream::open(&server, "").await;
    other.send(Asked::Block(block(1, &[canonical("AAPL", 2)]))).await;
    server.memory.set(MemoryLevel::Shed);
    assert_eq!(other.ack().await.error, None);
}

const LARGE: usize = 300 << 10;

/// A call whose message of so many bytes begins and does not go on, and what has it end.
fn begun(
    server: &Running,
    bytes: usize,
) -> (impl Future<Output = String> + use<>, mpsc::Sender<Piece>) {
    let (go_on, pieces) = mpsc::channel(1);
    let begin = Bytes::from(frame(0, u32::try_from(bytes).unwrap(), b""));
    go_on.try_send(Ok(Frame::data(begin))).unwrap();
    let request = Request::post(format!("http://{}{PUBLISH}", server.addr))
        .header("content-type", "application/grpc")
        .body(StreamBody::new(ReceiverStream::new(pieces)))
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let answered = async move {
        let answer = client.request(request).await.unwrap();
        code_of(&Status::from_header_map(answer.headers()).unwrap())
    };
    (answered, go_on)
}

#[tokio::test]
async fn large_messages_of_calls_wait_for_room_together() {
    let patience = Duration::from_secs(3_600);
    let limits = Limits { bodies_held: LARGE * 3 / 2, body_read: patience, ..Limits::default() };
    let server = start_with(limits).await;
    let (first, go_on) = begun(&server, LARGE);
    let mut first = std::pin::pin!(first);
    let (second, ended) = begun(&server, LARGE);
    drop(ended);
    let mut second = std::pin::pin!(second);
    for _ in 0..20 {
        assert!(poll!(first.as_mut()).is_pending());
        server.get("/livez").await;
    }
    // The first has taken its room, and the second is whole as it will ever be.
    for _ in 0..20 {
        assert!(poll!(first.as_mut()).is_pending());
        assert!(poll!(second.as_mut()).is_pending());
        server.get("/livez").await;
    }
    // A small one waits for nobody.
    let events = vec![canonical("AAPL", 0)];
    let small = v1::PublishRequest { events, ..Default::default() };
    PublisherClient::new(server.grpc().await).publish(small).await.unwrap();
    drop(go_on);
    assert_eq!(first.await, "REQUEST_MALFORMED");
    assert_eq!(second.await, "REQUEST_MALFORMED");
}

#[tokio::test]
async fn calls_are_refused_while_others_hold_all_there_is_room_for_and_streams_go_on() {
    let limits = Limits { bodies_small: 10_000, ..Limits::default() };
    let server = start_with(limits).await;
    let (first, go_on) = begun(&server, 10_000);
    let mut first = std::pin::pin!(first);
    let events = || vec![canonical("AAPL", 0)];
    let small = |events| v1::PublishRequest { events, ..Default::default() };
    let mut publisher = PublisherClient::new(server.grpc().await);
    // The first has come as far as that it is known how large it is.
    let refused = loop {
        assert!(poll!(first.as_mut()).is_pending());
        if let Err(refused) = publisher.publish(small(events())).await {
            break refused;
        }
    };
    assert_eq!(code_of(&refused), "RESOURCE_EXHAUSTED");
    for kind in KINDS {
        let (status, code, _) = answered_to_a_head(&server, kind).await;
        assert_eq!((status, code.as_str()), (429, "RESOURCE_EXHAUSTED"), "{kind}");
    }
    let counted = server.recorder.counted(Counter::ServeMemoryRefused);
    assert_eq!(counted, 1 + KINDS.len() as u64);
    // What holds no events is read.
    let body = r#"{"name":"s","topics":["analysis/**"],"start":"earliest"}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
    let (mut stream, _) = Stream::open(&server, "").await;
    stream.send(Asked::Block(block(1, &events()))).await;
    assert_eq!(stream.ack().await.error, None);
    drop(go_on);
    assert_eq!(first.await, "REQUEST_MALFORMED");
    publisher.publish(small(events())).await.unwrap();
    server.send("POST /api/v1/events", &event("AAPL", 1)).await.expect(200);
}

#[tokio::test]
async fn a_message_that_does_not_arrive_gives_its_room_back() {
    let server =
        start_with(Limits { body_read: Duration::from_millis(20), ..Limits::default() }).await;
    let (call, _go_on) = begun(&server, LARGE);
    assert_eq!(call.await, "REQUEST_TIMEOUT");
}

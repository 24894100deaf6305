//! gRPC calls as such: deadlines, cancellation, limits, dead peers, and requests that are none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prost::Message;
use tidings_serve::Limits;
use tidings_wire::v1::consumer_client::ConsumerClient;
use tidings_wire::v1::publisher_client::PublisherClient;
use tidings_wire::{problem, v1};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use crate::harness::{Running, canonical, event, start, start_with};

pub(crate) fn code_of(status: &Status) -> String {
    let problem = problem::of_status(status).unwrap_or_else(|| panic!("{status:?}"));
    assert!(!problem.request_id.is_empty(), "{problem:?}");
    problem.code
}

fn publish(minute: u32) -> v1::PublishRequest {
    v1::PublishRequest { events: vec![canonical("AAPL", minute)], ..Default::default() }
}

fn within<T>(message: T, timeout: &str) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request
}

async fn subscribe(server: &Running) {
    let body =
        r#"{"name":"s","topics":["analysis/**"],"start":"earliest","delivery":{"stream":{}}}"#;
    server.send("POST /api/v1/subscriptions", body).await.expect(201);
}

/// An open consume stream, or why there is none.
async fn consume(
    channel: Channel,
) -> Result<(mpsc::Sender<v1::ConsumeRequest>, Streaming<v1::ConsumeResponse>), String> {
    use v1::consume_request::Message as Asked;
    use v1::consume_response::Message as Said;
    let (out, requests) = mpsc::channel(16);
    let open = v1::ConsumeOpen { subscription: "s".to_owned(), ..Default::default() };
    out.send(v1::ConsumeRequest { message: Some(Asked::Open(open)), attachment: 0 }).await.unwrap();
    let answered = ConsumerClient::new(channel).consume(ReceiverStream::new(requests)).await;
    let mut said = answered.unwrap().into_inner();
    match said.message().await.unwrap().and_then(|m| m.message) {
        Some(Said::Opened(_)) => Ok((out, said)),
        Some(Said::Error(problem)) => Err(problem.code),
        other => panic!("{other:?}"),
    }
}

/// Attaches as soon as the one before has been let go.
async fn consume_when_free(server: &Running) {
    let channel = server.grpc().await;
    loop {
        match consume(channel.clone()).await {
            Ok(_) => return,
            Err(code) => assert_eq!(code, "SUBSCRIPTION_BUSY"),
        }
    }
}

#[tokio::test]
async fn a_deadline_ends_a_call_and_what_it_published_is_safe_to_repeat() {
    let server = start().await;
    let mut publisher = PublisherClient::new(server.grpc().await);
    // The topic exists before the log is held.
    publisher.publish(publish(0)).await.unwrap();
    server.log.hold();
    // By hand: the client library would not wait for the service to say so.
    let message = publish(1).encode_to_vec();
    let request = Request::post("/tidings.v1.Publisher/Publish")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", "50m")
        .body(Full::from(frame(0, u32::try_from(message.len()).unwrap(), &message)))
        .unwrap();
    let (status, _) = call(&server, request).await;
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    assert_eq!(code_of(&status), "DEADLINE_EXCEEDED");
    server.log.release_all();
    // Whether it had come as far as the log or not, it is there once.
    let repeated = publisher.publish(publish(1)).await.unwrap().into_inner();
    assert_eq!(repeated.results[0].offset, Some(1));
    let in_time = publisher.publish(within(publish(2), "1M")).await.unwrap().into_inner();
    assert_eq!(in_time.results[0].offset, Some(2));
}

#[tokio::test]
async fn a_deadline_ends_a_stream_and_frees_its_session() {
    let server = start().await;
    subscribe(&server).await;
    let (_out, requests) = mpsc::channel(1);
    let requests = within(ReceiverStream::new(requests), "40m");
    let mut unopened = ConsumerClient::new(server.grpc().await).consume(requests).await.unwrap();
    let status = unopened.get_mut().message().await.unwrap_err();
    assert_eq!(code_of(&status), "DEADLINE_EXCEEDED");

    let open = v1::consume_request::Message::Open(v1::ConsumeOpen {
        subscription: "s".to_owned(),
        ..Default::default()
    });
    let (out, requests) = mpsc::channel(1);
    out.send(v1::ConsumeRequest { message: Some(open), attachment: 0 }).await.unwrap();
    let requests = within(ReceiverStream::new(requests), "60m");
    let mut opened = ConsumerClient::new(server.grpc().await).consume(requests).await.unwrap();
    let ended = loop {
        match opened.get_mut().message().await {
            Ok(said) => assert!(said.is_some(), "it ends with a status"),
            Err(status) => break status,
        }
    };
    assert_eq!(code_of(&ended), "DEADLINE_EXCEEDED");
    consume_when_free(&server).await;
}

#[tokio::test]
async fn a_cancelled_stream_frees_its_session() {
    let server = start().await;
    subscribe(&server).await;
    let attached = consume(server.grpc().await).await.unwrap();
    assert_eq!(consume(server.grpc().await).await.unwrap_err(), "SUBSCRIPTION_BUSY");
    drop(attached);
    consume_when_free(&server).await;
}

/// Passes bytes on until it is told to hold them, and then keeps both connections open.
async fn proxy(to: std::net::SocketAddr, tasks: &mut JoinSet<()>) -> (String, Arc<Notify>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let hold = Arc::new(Notify::new());
    let held = Arc::clone(&hold);
    tasks.spawn(async move {
        let (mut near, _) = socket.accept().await.unwrap();
        let mut far = TcpStream::connect(to).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut near, &mut far) => {}
            () = held.notified() => {}
        }
        std::future::pending::<()>().await;
        drop((near, far));
    });
    (url, hold)
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_loses_its_session() {
    let limits = Limits {
        keep_alive: Duration::from_millis(30),
        keep_alive_answer: Duration::from_millis(30),
        ..Limits::default()
    };
    let server = start_with(limits).await;
    subscribe(&server).await;
    let mut tasks = JoinSet::new();
    let (url, hold) = proxy(server.addr, &mut tasks).await;
    let channel = Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let _attached = consume(channel).await.unwrap();
    assert_eq!(consume(server.grpc().await).await.unwrap_err(), "SUBSCRIPTION_BUSY");
    hold.notify_one();
    consume_when_free(&server).await;
    // Neither side has closed the connection that was held.
    assert!(tasks.try_join_next().is_none());
}

#[tokio::test]
async fn a_connection_says_how_many_streams_it_takes() {
    let server = start_with(Limits { streams: 7, ..Limits::default() }).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    // The preface and an empty SETTINGS frame.
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "SETTINGS comes first");
    let mut settings = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    stream.read_exact(&mut settings).await.unwrap();
    let streams = settings.chunks(6).find(|s| s[..2] == [0, 3]).unwrap();
    assert_eq!(streams[2..], 7u32.to_be_bytes());
}

/// A message's frame: a flag, the length it claims, bytes.
pub(crate) fn frame(flag: u8, length: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &length.to_be_bytes(), bytes].concat()
}

/// Sends a request over HTTP/2 and gives the status of its answer and what it accepts.
pub(crate) async fn call(server: &Running, request: Request<Full<Bytes>>) -> (Status, HeaderMap) {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("http://{}{}", server.addr, parts.uri.path()).parse().unwrap();
    let answer = client.request(Request::from_parts(parts, body)).await.unwrap();
    let headers = answer.headers().clone();
    let trailers = answer.into_body().collect().await.unwrap().trailers().cloned();
    let status = Status::from_header_map(&headers)
        .or_else(|| Status::from_header_map(&trailers.unwrap_or_default()));
    (status.unwrap(), headers)
}

async fn check(server: &Running, path: &str, headers: &[(&str, &str)], body: Vec<u8>, code: &str) {
    let mut request = Request::post(path);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (status, headers) = call(server, request.body(Full::from(body)).unwrap()).await;
    assert_eq!(code_of(&status), code, "{path} {status:?}");
    assert!(headers.contains_key("x-request-id"));
}

#[tokio::test]
async fn requests_that_are_no_calls_are_refused_with_a_problem() {
    const DESCRIBE: &str = "/tidings.v1.Publisher/Describe";
    const PUBLISH: &str = "/tidings.v1.Publisher/Publish";
    let server = start().await;
    let none = || frame(0, 0, b"");
    check(&server, "/tidings.v1.Publisher/Nothing", &[], none(), "ROUTE_UNKNOWN").await;
    check(&server, "/nobody.Nothing/At", &[], none(), "ROUTE_UNKNOWN").await;
    check(&server, DESCRIBE, &[], Vec::new(), "REQUEST_MALFORMED").await;
    check(&server, DESCRIBE, &[], frame(0, 100, b"abc"), "REQUEST_MALFORMED").await;
    check(&server, DESCRIBE, &[], frame(2, 0, b""), "REQUEST_MALFORMED").await;
    check(&server, DESCRIBE, &[], frame(1, 3, b"abc"), "REQUEST_MALFORMED").await;
    check(&server, PUBLISH, &[], frame(0, 2, b"\xFF\xFF"), "REQUEST_MALFORMED").await;
    check(&server, PUBLISH, &[], frame(0, 17 << 20, b""), "BATCH_TOO_LARGE").await;
    let packed = [("grpc-encoding", "gzip")];
    check(&server, DESCRIBE, &packed, none(), "NOT_AVAILABLE").await;
    for kind in ["application/grpc+json", "application/grpc-web", "application/grpc-web+proto"] {
        let kind = [("content-type", kind)];
        check(&server, DESCRIBE, &kind, none(), "CONTENT_TYPE_UNSUPPORTED").await;
    }
    for timeout in ["1s", "", "1.5S", "123456789S", "-1S"] {
        check(&server, DESCRIBE, &[("grpc-timeout", timeout)], none(), "REQUEST_MALFORMED").await;
    }
    check(&server, DESCRIBE, &[("grpc-timeout", "0n")], none(), "DEADLINE_EXCEEDED").await;
    server.send("POST /api/v1/events", &event("GOOD", 1)).await.expect(200);
}

#[tokio::test]
async fn the_codes_that_every_client_knows_are_the_standards() {
    let server = start().await;
    let request = |path: &str, method: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", "application/grpc+proto");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::from(frame(0, 0, b""))).unwrap()
    };
    let describe = "/tidings.v1.Publisher/Describe";
    let (status, _) = call(&server, request(describe, "POST", &[])).await;
    assert_eq!(status.code(), tonic::Code::Ok, "{status:?}");
    let (status, _) = call(&server, request("/tidings.v1.Admin/Nothing", "POST", &[])).await;
    assert_eq!(status.code(), tonic::Code::Unimplemented, "{status:?}");
    let packed = [("grpc-encoding", "zstd")];
    let (status, headers) = call(&server, request(describe, "POST", &packed)).await;
    assert_eq!(status.code(), tonic::Code::Unimplemented, "{status:?}");
    assert_eq!(headers["grpc-accept-encoding"], "identity");
    let (status, _) = call(&server, request(describe, "PUT", &[])).await;
    assert_eq!(code_of(&status), "METHOD_NOT_ALLOWED");
}

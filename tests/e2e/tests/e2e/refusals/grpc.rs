//! gRPC by hand: messages out of their JSON form, framed, sent on one HTTP/2 stream.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tidings_e2e::{Server, soon};
use tidings_wire::{problem, v1};

use super::answered::Answered;
use super::row::Row;

fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(v1::DESCRIPTORS).unwrap())
}

/// A message of `tidings.v1` from its Protobuf JSON form.
pub(super) fn encode(name: &str, text: &str) -> Vec<u8> {
    let descriptor = pool().get_message_by_name(&format!("tidings.v1.{name}")).expect("a message");
    let mut json = serde_json::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(descriptor, &mut json);
    message.unwrap_or_else(|error| panic!("{name}: {error}: {text}")).encode_to_vec()
}

/// `head` may hold `frame: none` (bodies are frames already) beside header lines.
pub(super) fn answer(server: &Server, row: &Row) -> Answered {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let is_framed = row.head.iter().any(|line| line == "frame: none");
    let mut body = Vec::new();
    for message in row.all_bytes() {
        if !is_framed {
            body.push(0);
            body.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        }
        body.extend_from_slice(&message);
    }
    runtime.block_on(soon("an answer", call(server, row, body.into())))
}

async fn call(server: &Server, row: &Row, body: Bytes) -> Answered {
    let stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let mut request = Request::post(format!("{}/{}", server.url(), row.send))
        .header("te", "trailers")
        .header("content-type", if row.kind.is_empty() { "application/grpc" } else { &row.kind });
    for line in row.head.iter().filter(|line| !line.starts_with("frame:")) {
        let (name, value) = line.split_once(": ").expect("a header line");
        request = request.header(name, super::row::expand(value));
    }
    let request = request.body(Full::new(body)).unwrap();
    let answered = std::pin::pin!(async move {
        let response = match send.send_request(request).await {
            Ok(response) => response,
            Err(error) => return refused(&error.to_string()),
        };
        let head = response.headers().clone();
        match response.into_body().collect().await {
            Ok(whole) => {
                let trailers = whole.trailers().cloned();
                read(row, &trailers.unwrap_or(head), &whole.to_bytes())
            }
            Err(error) => refused(&error.to_string()),
        }
    });
    match select(answered, std::pin::pin!(connection)).await {
        Either::Left((answered, _)) => answered,
        Either::Right((ended, answered)) => {
            let left = tokio::time::timeout(Duration::from_secs(1), answered).await;
            left.unwrap_or_else(|_| refused(&format!("the connection ended: {ended:?}")))
        }
    }
}

fn refused(text: &str) -> Answered {
    Answered { status: "0".to_owned(), problem: Value::Null, text: text.to_owned() }
}

/// The status, with the problem in its details or in the last message.
fn read(row: &Row, trailers: &http::HeaderMap, body: &[u8]) -> Answered {
    let status = tonic::Status::from_header_map(trailers);
    let problem = status.as_ref().and_then(problem::of_status).map(|problem| document(&problem));
    let messages = output(&row.send).map(|output| messages(&output, body)).unwrap_or_default();
    let problem = problem.or_else(|| messages.iter().rev().find_map(problem_in));
    Answered {
        status: status.map_or(-1, |status| status.code() as i32).to_string(),
        problem: problem.unwrap_or(Value::Null),
        text: format!("{trailers:?} {messages:?}"),
    }
}

/// A problem's code and place.
pub(super) fn document(problem: &v1::Problem) -> Value {
    json!({ "code": problem.code, "field": problem.field, "offset": problem.offset })
}

fn output(path: &str) -> Option<MessageDescriptor> {
    let (service, method) = path.split_once('/')?;
    let service = pool().get_service_by_name(service)?;
    let method = service.methods().find(|m| m.name() == method)?;
    Some(method.output())
}

fn messages(output: &MessageDescriptor, mut body: &[u8]) -> Vec<Value> {
    let mut messages = Vec::new();
    while let Some((head, rest)) = body.split_at_checked(5) {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        let message = DynamicMessage::decode(output.clone(), message).expect("a message");
        messages.push(serde_json::to_value(message).expect("a JSON form"));
        body = rest;
    }
    messages
}

/// The first `error` anywhere in a message.
fn problem_in(message: &Value) -> Option<Value> {
    match message {
        Value::Object(members) => members
            .get("error")
            .filter(|error| error.is_object())
            .cloned()
            .or_else(|| members.values().find_map(problem_in)),
        Value::Array(values) => values.iter().find_map(problem_in),
        _ => None,
    }
}

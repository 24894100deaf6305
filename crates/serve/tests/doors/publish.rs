//! gRPC publishing: describe, unary, streams with and without a producer, and what goes wrong.

use bytes::Bytes;
use tidings_event::Code;
use tidings_event::block::{BodyBuilder, crc32c};
use tidings_event::key::KeyHash;
use tidings_wire::problem;
use tidings_wire::v1;
use tidings_wire::v1::publish_stream_request::Message as Asked;
use tidings_wire::v1::publish_stream_response::Message as Said;
use tidings_wire::v1::publisher_client::PublisherClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::harness::{Running, canonical, event, start};

async fn publisher(server: &Running) -> PublisherClient<tonic::transport::Channel> {
    PublisherClient::new(server.grpc().await)
}

/// A stream that the test writes to by hand.
pub(crate) struct Stream {
    pub(crate) out: mpsc::Sender<v1::PublishStreamRequest>,
    pub(crate) said: Streaming<v1::PublishStreamResponse>,
}

impl Stream {
    async fn start(server: &Running) -> Self {
        let (out, requests) = mpsc::channel(16);
        let requests = ReceiverStream::new(requests);
        let said = publisher(server).await.publish_stream(requests).await.unwrap().into_inner();
        Self { out, said }
    }

    pub(crate) async fn open(server: &Running, producer_id: &str) -> (Self, v1::PublishOpened) {
        let mut stream = Self::start(server).await;
        let open = v1::PublishOpen { producer_id: producer_id.to_owned(), producer_epoch: None };
        stream.send(Asked::Open(open)).await;
        let opened = match stream.next().await.unwrap().unwrap() {
            Said::Opened(opened) => opened,
            other => panic!("{other:?}"),
        };
        (stream, opened)
    }

    pub(crate) async fn send(&self, message: Asked) {
        self.out.send(v1::PublishStreamRequest { message: Some(message) }).await.unwrap();
    }

    async fn next(&mut self) -> Result<Option<Said>, Status> {
        Ok(self.said.message().await?.and_then(|response| response.message))
    }

    pub(crate) async fn ack(&mut self) -> v1::PublishAck {
        match self.next().await.unwrap().unwrap() {
            Said::Ack(ack) => ack,
            other => panic!("{other:?}"),
        }
    }

    async fn ends_with(mut self, code: Code) {
        let status = self.next().await.unwrap_err();
        let problem = problem::of_status(&status).unwrap_or_else(|| panic!("{status:?}"));
        assert_eq!(problem.code, code.as_str(), "{status:?}");
        assert!(!problem.request_id.is_empty());
    }
}

pub(crate) fn block(request_id: u64, events: &[Bytes]) -> v1::PublishBlock {
    let mut builder = BodyBuilder::default();
    for event in events {
        assert!(builder.push(event));
    }
    let (body, count) = builder.take();
    let body_crc = crc32c(&body);
    v1::PublishBlock { request_id, body, body_crc, count, ..v1::PublishBlock::default() }
}

fn sequenced(request_id: u64, first_sequence: u64, events: &[Bytes]) -> v1::PublishBlock {
    v1::PublishBlock {
        topic: "analysis/indicators/5m".to_owned(),
        partition: KeyHash::of_instrument("XNAS", "AAPL").partition(16).0,
        partitions: 16,
        first_sequence,
        ..block(request_id, events)
    }
}

#[tokio::test]
async fn describe() {
    let server = start().await;
    let described = publisher(&server).await.describe(v1::DescribeRequest {}).await.unwrap();
    let described = described.into_inner();
    let indicators = &described.templates[0];
    assert_eq!(indicators.template, "analysis/indicators/{timeframe}");
    assert_eq!(indicators.partitions, 16);
    assert_eq!(described.max_block_bytes, 1 << 20);
    assert_eq!((described.max_event_bytes, described.max_batch_bytes), (1_048_560, 16 << 20));
    assert_eq!(described.max_batch_events, 65_536);
    assert_eq!(described.tenant, "default");
    assert_eq!(described.service_version, env!("CARGO_PKG_VERSION"));
    server.send("POST /api/v1/events", &event("AAPL", 1)).await.expect(200);
    let again = publisher(&server).await.describe(v1::DescribeRequest {}).await.unwrap();
    let topic = &again.get_ref().topics[0];
    assert_eq!((topic.name.as_str(), topic.partitions), ("analysis/indicators/5m", 16));
    assert!(topic.topic_id > 0);
    assert!(described.key_hash.starts_with("xxh3-64"));
}

#[tokio::test]
async fn unary() {
    let server = start().await;
    let events = vec![canonical("AAPL", 1), Bytes::from_static(b"\xFF"), canonical("AAPL", 1)];
    let request = v1::PublishRequest { events, ..v1::PublishRequest::default() };
    let results = publisher(&server).await.publish(request).await.unwrap().into_inner().results;
    assert_eq!((results[0].offset, results[0].duplicate), (Some(0), false));
    assert_eq!(results[1].error.as_ref().unwrap().code, "EVENT_MALFORMED");
    assert_eq!((results[2].offset, results[2].duplicate), (Some(0), true));
    let empty = publisher(&server).await.publish(v1::PublishRequest::default()).await.unwrap_err();
    assert_eq!(problem::of_status(&empty).unwrap().code, "BATCH_EMPTY");
    assert_eq!(empty.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused() {
    let server = start().await;
    let events = vec![Bytes::from(vec![0; 17 << 20])];
    let request = v1::PublishRequest { events, ..v1::PublishRequest::default() };
    let status = publisher(&server).await.publish(request).await.unwrap_err();
    assert_eq!(problem::of_status(&status).unwrap().code, "BATCH_TOO_LARGE");
}

#[tokio::test]
async fn a_stream_without_a_producer() {
    let server = start().await;
    let (mut stream, opened) = Stream::open(&server, "").await;
    assert_eq!(opened.credit_bytes, 4 << 20);
    let events: Vec<Bytes> = (0..3).map(|minute| canonical("AAPL", minute)).collect();
    stream.send(Asked::Block(block(7, &events))).await;
    let ack = stream.ack().await;
    assert_eq!((ack.request_id, ack.base_offset, ack.error), (7, Some(0), None));
    assert_eq!(ack.topic, "analysis/indicators/5m");
    assert!(ack.results.is_empty());
    let mixed = [canonical("AAPL", 9), Bytes::from_static(b"\xFF\xFF"), canonical("AAPL", 0)];
    stream.send(Asked::Block(block(8, &mixed))).await;
    let ack = stream.ack().await;
    assert_eq!(ack.results[0].offset, Some(3));
    assert_eq!(ack.results[1].error.as_ref().unwrap().code, "EVENT_MALFORMED");
    assert!(ack.results[2].duplicate);
    let mut damaged = block(9, &events);
    damaged.body_crc ^= 1;
    stream.send(Asked::Block(damaged)).await;
    assert_eq!(stream.ack().await.error.unwrap().code, "BLOCK_CORRUPT");
    stream.send(Asked::Block(v1::PublishBlock { count: 2, ..block(10, &events) })).await;
    assert_eq!(stream.ack().await.error.unwrap().code, "BLOCK_CORRUPT");
    stream.send(Asked::Block(block(11, &[canonical("AAPL", 10)]))).await;
    assert_eq!(stream.ack().await.base_offset, Some(4));
    drop(stream.out);
    assert!(stream.said.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_sequenced_stream_refuses_a_gap_and_goes_on() {
    let server = start().await;
    let (mut stream, opened) = Stream::open(&server, "p-1").await;
    assert!(opened.sequences.is_empty());
    let at = |minute: u32| [canonical("AAPL", minute)];
    stream.send(Asked::Block(sequenced(1, 0, &at(0)))).await;
    let ack = stream.ack().await;
    assert_eq!((ack.error, ack.base_offset), (None, Some(0)));
    stream.send(Asked::Block(sequenced(2, 2, &at(2)))).await;
    assert_eq!(stream.ack().await.error.unwrap().code, "SEQUENCE_GAP");
    stream.send(Asked::Block(sequenced(3, 1, &at(1)))).await;
    assert_eq!(stream.ack().await.base_offset, Some(1));
    stream.send(Asked::Block(sequenced(4, 0, &at(0)))).await;
    let ack = stream.ack().await;
    assert_eq!((ack.duplicate, ack.base_offset), (true, Some(0)));
    let stale = v1::PublishBlock { partitions: 8, ..sequenced(5, 2, &at(2)) };
    stream.send(Asked::Block(stale)).await;
    assert_eq!(stream.ack().await.error.unwrap().code, "PARTITIONS_CHANGED");
    let (_newer, opened) = Stream::open(&server, "p-1").await;
    assert!(opened.producer_epoch > 0);
    stream.send(Asked::Block(sequenced(6, 2, &at(2)))).await;
    assert_eq!(stream.ack().await.error.unwrap().code, "PRODUCER_FENCED");
}

#[tokio::test]
async fn a_stream_that_starts_wrong_ends_with_a_problem() {
    let server = start().await;
    let stream = Stream::start(&server).await;
    stream.send(Asked::Block(v1::PublishBlock::default())).await;
    stream.ends_with(Code::RequestMalformed).await;
    let stream = Stream::start(&server).await;
    let open = v1::PublishOpen { producer_id: "no spaces".to_owned(), producer_epoch: None };
    stream.send(Asked::Open(open)).await;
    stream.ends_with(Code::ProducerIdInvalid).await;
    let (stream, _) = Stream::open(&server, "").await;
    stream.send(Asked::Open(v1::PublishOpen::default())).await;
    stream.ends_with(Code::RequestMalformed).await;
    server.send("POST /api/v1/events", &event("GOOD", 1)).await.expect(200);
}

#[tokio::test]
async fn a_client_gone_in_mid_stream_harms_nobody() {
    let server = start().await;
    let (stream, _) = Stream::open(&server, "p-2").await;
    stream.send(Asked::Block(sequenced(1, 0, &[canonical("AAPL", 0)]))).await;
    drop(stream);
    let (mut stream, _) = Stream::open(&server, "p-3").await;
    stream.send(Asked::Block(sequenced(1, 0, &[canonical("AAPL", 1)]))).await;
    assert_eq!(stream.ack().await.error, None);
}

#[tokio::test]
async fn a_stop_ends_streams_after_their_answers() {
    let server = start().await;
    let (mut stream, _) = Stream::open(&server, "").await;
    stream.send(Asked::Block(block(1, &[canonical("AAPL", 0)]))).await;
    assert_eq!(stream.ack().await.base_offset, Some(0));
    server.stop().await;
    stream.ends_with(Code::ShuttingDown).await;
}

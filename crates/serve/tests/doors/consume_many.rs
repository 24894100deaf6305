//! gRPC consuming, many attachments on one stream: each has its own credit, acks, errors and end.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use tidings_event::block::events;
use tidings_event::scan;
use tidings_serve::Limits;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Asked;
use tidings_wire::v1::consume_response::Message as Said;
use tidings_wire::v1::consumer_client::ConsumerClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::harness::{Running, event, start, start_with};

const PLENTY: v1::Credit = v1::Credit { events: 1_000, bytes: 1 << 20 };

struct Stream {
    out: mpsc::Sender<v1::ConsumeRequests>,
    said: Streaming<v1::ConsumeResponses>,
    /// Of the last message, what was not looked at yet.
    rest: std::vec::IntoIter<v1::ConsumeResponse>,
}

impl Stream {
    async fn start(server: &Running) -> Self {
        let (out, requests) = mpsc::channel(16);
        let mut client = ConsumerClient::new(server.grpc().await);
        let said = client.consume_many(ReceiverStream::new(requests)).await.unwrap().into_inner();
        Self { out, said, rest: Vec::new().into_iter() }
    }

    async fn send(&self, asked: impl IntoIterator<Item = (u32, Asked)>) {
        let requests = asked
            .into_iter()
            .map(|(attachment, message)| v1::ConsumeRequest { message: Some(message), attachment });
        self.out.send(v1::ConsumeRequests { requests: requests.collect() }).await.unwrap();
    }

    async fn next(&mut self) -> Option<(u32, Said)> {
        loop {
            if let Some(response) = self.rest.next() {
                return Some((response.attachment, response.message.unwrap()));
            }
            self.rest = self.said.message().await.unwrap()?.responses.into_iter();
        }
    }

    /// The next thing said to one, whatever comes for others.
    async fn next_of(&mut self, attachment: u32) -> Said {
        loop {
            let (number, said) = self.next().await.unwrap();
            if number == attachment {
                return said;
            }
        }
    }

    async fn fails(&mut self, attachment: u32, code: &str) {
        match self.next_of(attachment).await {
            Said::Error(problem) => assert_eq!(problem.code, code, "{problem:?}"),
            other => panic!("{other:?}"),
        }
    }
}

fn open(subscription: impl Into<String>) -> Asked {
    let (subscription, consumer) = (subscription.into(), "c".to_owned());
    Asked::Open(v1::ConsumeOpen { subscription, consumer, ..Default::default() })
}

async fn subscribe(server: &Running, name: &str, filter: &str) {
    let body = json!({"name": name, "topics": ["analysis/**"], "start": "earliest",
        "filter": filter, "delivery": {"stream": {}}});
    server.send("POST /api/v1/subscriptions", &body.to_string()).await.expect(201);
}

async fn publish(server: &Running, instruments: &[&str], minute: u32) {
    let all: Vec<_> = instruments.iter().map(|instrument| event(instrument, minute)).collect();
    server.send("POST /api/v1/events", &format!("[{}]", all.join(","))).await.expect(200);
}

fn instruments(delivery: &v1::Delivery) -> Vec<String> {
    let event = |event: Result<&[u8], _>| scan(event.unwrap()).unwrap().instrument.to_owned();
    events(&delivery.body).map(event).collect()
}

fn last(delivery: &v1::Delivery) -> v1::Position {
    let run = delivery.offsets.last().unwrap();
    v1::Position {
        topic_id: delivery.topic_id,
        epoch: delivery.epoch,
        partition: delivery.partition,
        offset: run.first + u64::from(run.count) - 1,
    }
}

/// Collects what attachments are given, acknowledging it, until each has so many events.
async fn gather(stream: &mut Stream, each: &[(u32, usize)]) -> BTreeMap<u32, Vec<String>> {
    let mut given: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let has = |given: &BTreeMap<u32, Vec<_>>, number| given.get(&number).map_or(0, Vec::len);
    while each.iter().any(|&(number, count)| has(&given, number) < count) {
        let (number, said) = stream.next().await.unwrap();
        if let Said::Delivery(delivery) = said {
            given.entry(number).or_default().extend(instruments(&delivery));
            let ack = v1::Ack { up_to: vec![last(&delivery)], runs: Vec::new() };
            stream.send([(number, Asked::Ack(ack))]).await;
        }
    }
    given
}

#[tokio::test]
async fn each_of_many_is_given_its_own() {
    let server = start().await;
    let names: Vec<String> = (0..50).map(|n| format!("i{n}")).collect();
    for name in &names {
        subscribe(&server, name, &format!("instrument == '{name}'")).await;
    }
    let mut stream = Stream::start(&server).await;
    let numbers = (1u32..).step_by(3);
    let opens = numbers.clone().zip(&names).flat_map(|(number, name)| {
        [(number, open(name.as_str())), (number, Asked::Credit(PLENTY))]
    });
    stream.send(opens).await;
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    publish(&server, &all, 1).await;
    publish(&server, &all, 2).await;
    let each: Vec<_> = numbers.clone().take(50).map(|number| (number, 2)).collect();
    let given = gather(&mut stream, &each).await;
    for (number, name) in numbers.zip(&names) {
        assert_eq!(given[&number], [name.as_str(), name.as_str()]);
    }
    // What was acknowledged is said to be, to whom it was, and does not come again.
    stream.send([(1, Asked::Close(v1::Close {}))]).await;
    while !matches!(stream.next_of(1).await, Said::Closed(_)) {}
    publish(&server, &["i0"], 3).await;
    stream.send([(200, open("i0")), (200, Asked::Credit(PLENTY))]).await;
    assert_eq!(gather(&mut stream, &[(200, 1)]).await[&200].last().unwrap(), "i0");
}

#[tokio::test]
async fn credit_is_an_attachments_own() {
    let server = start().await;
    for name in ["none", "one", "all"] {
        subscribe(&server, name, "true").await;
    }
    publish(&server, &["AAPL", "MSFT", "IBM"], 1).await;
    let mut stream = Stream::start(&server).await;
    let one = v1::Credit { events: 1, bytes: 1 << 20 };
    stream.send([(1, open("none")), (2, open("one")), (3, open("all"))]).await;
    stream.send([(2, Asked::Credit(one)), (3, Asked::Credit(PLENTY))]).await;
    let given = gather(&mut stream, &[(2, 1), (3, 3)]).await;
    assert_eq!((given.get(&1), given[&2].len(), given[&3].len()), (None, 1, 3));
    stream.send([(1, Asked::Credit(PLENTY)), (2, Asked::Credit(one))]).await;
    let given = gather(&mut stream, &[(1, 3), (2, 1)]).await;
    assert_eq!((given[&1].len(), given[&2].len()), (3, 1));
}

#[tokio::test]
async fn what_ends_one_leaves_the_others() {
    let server = start().await;
    for name in ["busy", "gone", "good", "wrong"] {
        subscribe(&server, name, "true").await;
    }
    let mut stream = Stream::start(&server).await;
    stream
        .send([(1, open("good")), (2, open("none")), (3, open("gone")), (4, open("wrong"))])
        .await;
    stream.send([(5, open("busy")), (6, open("busy")), (1, Asked::Credit(PLENTY))]).await;
    stream.fails(2, "SUBSCRIPTION_UNKNOWN").await;
    stream.fails(6, "SUBSCRIPTION_BUSY").await;
    let backwards = v1::PositionRun { first: 2, last: 1, ..Default::default() };
    let ack = v1::Ack { runs: vec![backwards], ..Default::default() };
    stream.send([(4, Asked::Ack(ack))]).await;
    stream.fails(4, "POSITION_INVALID").await;
    let deleted = server.ask("DELETE /api/v1/subscriptions/gone", &[], b"").await;
    assert_eq!(deleted.status, 204);
    stream.fails(3, "SUBSCRIPTION_GONE").await;
    // What was on its way to those that ended is passed over.
    stream.send((2..5).map(|number| (number, Asked::Credit(PLENTY)))).await;
    stream.send((2..5).map(|number| (number, Asked::Close(v1::Close {})))).await;
    publish(&server, &["AAPL"], 1).await;
    assert_eq!(gather(&mut stream, &[(1, 1)]).await[&1], ["AAPL"]);
    // The end of the stream frees every subscription.
    drop(stream.out);
    while stream.said.message().await.unwrap().is_some() {}
    let mut stream = Stream::start(&server).await;
    stream.send([(1, open("good")), (2, open("busy")), (3, open("wrong"))]).await;
    for number in 1..4 {
        assert!(matches!(stream.next_of(number).await, Said::Opened(_)));
    }
}

#[tokio::test]
async fn what_breaks_the_streams_rules_ends_it() {
    let server = start().await;
    subscribe(&server, "s", "true").await;
    let check = async |asked: Vec<(u32, Asked)>, field: &str| {
        let mut stream = Stream::start(&server).await;
        stream.send(asked).await;
        match stream.next_of(0).await {
            Said::Error(problem) => {
                assert_eq!(
                    (problem.code.as_str(), problem.field.as_str()),
                    ("REQUEST_MALFORMED", field)
                );
            }
            other => panic!("{other:?}"),
        }
        assert!(stream.next().await.is_none());
    };
    check(vec![(0, open("s"))], "requests[0].attachment").await;
    check(vec![(1, Asked::Credit(PLENTY))], "requests[0].attachment").await;
    check(vec![(1, Asked::Close(v1::Close {}))], "requests[0].attachment").await;
    check(vec![(7, open("s")), (7, open("s"))], "requests[1].attachment").await;
    check(vec![(7, open("s")), (6, open("s"))], "requests[1].attachment").await;
}

#[tokio::test]
async fn a_stream_has_so_many_attachments_and_no_more() {
    let server = start_with(Limits { attachments: 2, ..Limits::default() }).await;
    for name in ["a", "b", "c"] {
        subscribe(&server, name, "true").await;
    }
    let mut stream = Stream::start(&server).await;
    stream.send([(1, open("a")), (2, open("b")), (3, open("c"))]).await;
    stream.fails(3, "RESOURCE_EXHAUSTED").await;
    stream.send([(1, Asked::Close(v1::Close {})), (4, open("c"))]).await;
    assert!(matches!(stream.next_of(4).await, Said::Opened(_)));
}

#[tokio::test]
async fn a_stream_of_many_breaks_its_silence_and_says_that_it_stops() {
    let limits = Limits { heartbeat: Duration::from_millis(20), ..Limits::default() };
    let server = start_with(limits).await;
    subscribe(&server, "s", "true").await;
    let mut stream = Stream::start(&server).await;
    assert!(matches!(stream.next().await, Some((0, Said::Heartbeat(_)))));
    stream.send([(1, open("s"))]).await;
    assert!(matches!(stream.next_of(1).await, Said::Opened(_)));
    assert!(matches!(stream.next().await, Some((0, Said::Heartbeat(_)))));
    server.stop().await;
    stream.fails(0, "SHUTTING_DOWN").await;
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_retry_comes_when_its_time_has_come() {
    let server = start().await;
    let body = json!({"name": "s", "topics": ["analysis/**"], "start": "earliest",
        "retry": {"min_backoff_ms": 50, "max_backoff_ms": 50}, "delivery": {"stream": {}}});
    server.send("POST /api/v1/subscriptions", &body.to_string()).await.expect(201);
    publish(&server, &["AAPL"], 1).await;
    let mut stream = Stream::start(&server).await;
    stream.send([(1, open("s")), (1, Asked::Credit(PLENTY))]).await;
    let mut attempts = Vec::new();
    while attempts.len() < 3 {
        let Said::Delivery(delivery) = stream.next_of(1).await else { continue };
        attempts.push(delivery.attempts.first().map_or(1, |run| run.attempt));
        let at = last(&delivery);
        let run = v1::PositionRun {
            topic_id: at.topic_id,
            epoch: at.epoch,
            partition: at.partition,
            first: at.offset,
            last: at.offset,
        };
        let nack = v1::Nack { runs: vec![run], ..Default::default() };
        stream.send([(1, Asked::Nack(nack))]).await;
    }
    assert_eq!(attempts, [1, 2, 3]);
}

//! A consumer whose deliveries are framed gets what one over gRPC gets: through kills, again, as gaps, and
//! however slowly it takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tidings_client::v1::PublishRequest;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered, Gap, Transport};
use tidings_e2e::{Server, TestEvent, ask, indicator, indicator_json, soon, subscribe};
use tidings_event::Code;

const BOTH: [Transport; 2] = [Transport::Grpc, Transport::Framed];
const INSTRUMENTS: [&str; 3] = ["AAPL", "MSFT", "IBM"];

fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::Grpc => "grpc",
        Transport::Framed => "framed",
    }
}

fn options(transport: Transport) -> ConsumerOptions {
    ConsumerOptions { transport, ..ConsumerOptions::new(name(transport), "desk") }
}

async fn publish(client: &Client, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let events = INSTRUMENTS.iter().map(|key| indicator(key, "5m", number).into());
        let request = PublishRequest { events: events.collect(), ..PublishRequest::default() };
        for result in client.publish(request).await.unwrap() {
            assert_eq!(result.error, None);
        }
    }
}

/// What a consumer was given: the events by place, and which acks were confirmed.
#[derive(Default)]
struct Given {
    events: BTreeMap<(u32, u64), Vec<u8>>,
    confirmed: BTreeSet<(u32, u64)>,
    again: usize,
}

impl Given {
    /// Whether the last event of each partition is.
    fn is_confirmed(&self) -> bool {
        let mut last = BTreeMap::new();
        last.extend(self.events.keys().copied());
        last.into_iter().all(|place| self.confirmed.contains(&place))
    }

    fn take(&mut self, delivered: &Delivered) {
        let partition = delivered.partition.0;
        for event in delivered.events() {
            let event = event.unwrap();
            let place = (partition, event.offset.0);
            assert!(!self.confirmed.contains(&place), "{place:?} came after its confirmed ack");
            let next = self.events.range((partition, 0)..=(partition, u64::MAX)).next_back();
            let is_next = next.is_none_or(|(&(_, last), _)| last + 1 == event.offset.0);
            assert!(is_next || event.redelivered, "{place:?} after {next:?}");
            let before = self.events.insert(place, event.event.to_vec());
            if let Some(before) = before {
                assert_eq!(before, event.event);
                self.again += 1;
            }
        }
    }
}

/// Takes and acknowledges until all have come and the last of each partition are confirmed: an ack that was
/// durable when the service was killed is not confirmed any more.
async fn take(mut given: Given, mut consumer: Consumer, all: usize) -> (Given, Consumer) {
    while given.events.len() < all || !given.is_confirmed() {
        match soon("a delivery", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                given.take(&delivered);
                // A lost connection is told of by what comes next.
                let _asked = consumer.ack_up_to(delivered.last_position()).await;
            }
            ConsumerEvent::Confirmed(acks) => {
                for run in acks.runs {
                    let offsets = run.first.0..=run.last.0;
                    given.confirmed.extend(offsets.map(|offset| (run.partition.0, offset)));
                }
            }
            ConsumerEvent::Reconnected => {}
            other => panic!("{other:?}"),
        }
    }
    (given, consumer)
}

#[tokio::test(flavor = "multi_thread")]
async fn framed_and_grpc_consumers_are_given_the_same_through_kills() {
    const LIVES: u64 = 4;
    const EACH: u64 = 150;
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let mut server = Server::start(&dir);
    let addr = server.addr().to_owned();
    let client = server.client().await;
    let all = usize::try_from(LIVES * EACH).unwrap() * INSTRUMENTS.len();
    let mut consumers = Vec::new();
    for transport in BOTH {
        subscribe(&client, name(transport), &["analysis/**"]).await;
        consumers.push(client.consumer(options(transport)).await.unwrap());
    }
    let [grpc, framed] = <[Consumer; 2]>::try_from(consumers).unwrap();
    let lives = async {
        for life in 0..LIVES {
            publish(&server.client().await, life * EACH..(life + 1) * EACH).await;
            if life + 1 < LIVES {
                server.kill();
                server = Server::start_at(&dir, &addr);
            }
        }
        server
    };
    let (grpc, framed, server) =
        tokio::join!(take(Given::default(), grpc, all), take(Given::default(), framed, all), lives);
    assert_eq!(grpc.0.events.len(), all);
    assert_eq!(framed.0.events, grpc.0.events);
    for transport in BOTH {
        let line = format!("GET /api/v1/subscriptions/{}/status", name(transport));
        assert_eq!(ask(&server, &line, "", b"").json()["lag_events"], 0);
    }
    // Closed, a subscription is free at once.
    framed.1.close().await;
    let client = server.client().await;
    let once = ConsumerOptions { reconnect: false, ..options(Transport::Framed) };
    let next = soon("a consumer", client.consumer(once.clone())).await.unwrap();
    let busy = soon("a refusal", client.consumer(once)).await;
    assert!(busy.is_err_and(|error| error.is(Code::SubscriptionBusy)));
    drop((grpc, next));
}

/// What comes until there were so many events: per event its number, attempt, and whether it may be a repeat.
async fn attempts(
    consumer: &mut Consumer,
    count: usize,
    nack: bool,
) -> Vec<(TestEvent, u32, bool)> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let next = soon("a delivery", consumer.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        for event in delivered.events() {
            let event = event.unwrap();
            let read = TestEvent::read(event.event);
            let at = event.offset.0;
            let run = [delivered.run(at, at)];
            if nack && read.number == 3 && event.attempt < 3 {
                consumer.nack_saying(&run, Duration::ZERO, "not yet").await.unwrap();
            } else {
                consumer.ack(&run).await.unwrap();
            }
            seen.push((read, event.attempt, event.redelivered));
        }
    }
    seen.sort();
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_given_back_comes_again_framed_as_over_grpc() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let client = server.client().await;
    let mut seen = Vec::new();
    for transport in BOTH {
        let document = json!({"name": name(transport), "topics": ["analysis/**"], "start": "earliest",
            "retry": {"max_attempts": 5, "min_backoff_ms": 1, "max_backoff_ms": 5},
            "filter": "instrument != 'IBM'", "delivery": {"stream": {}}});
        client.rest().create_subscription_as(&document).await.unwrap();
    }
    publish(&client, 0..10).await;
    for transport in BOTH {
        let options = ConsumerOptions { credit_events: 7, ..options(transport) };
        let mut consumer = client.consumer(options).await.unwrap();
        seen.push(attempts(&mut consumer, 24, true).await);
    }
    assert_eq!(seen[1], seen[0]);
    let again = seen[1].iter().filter(|(_, attempt, redelivered)| *attempt > 1 && *redelivered);
    assert_eq!(again.count(), 4, "two events, two further attempts each: {:?}", seen[1]);
}

async fn gap(consumer: &mut Consumer) -> Gap {
    loop {
        match soon("a gap", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Gap(gap) => return gap,
            ConsumerEvent::Events(delivered) => {
                consumer.ack_up_to(delivered.last_position()).await.unwrap();
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_framed_consumer_is_told_the_same_gaps() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let client = server.client().await;
    for transport in BOTH {
        subscribe(&client, name(transport), &["analysis/**"]).await;
    }
    let good = indicator_json("AAPL", 0, 1.5);
    let late = |minute| {
        let event = indicator_json("AAPL", minute, 1.5);
        event.replacen('{', r#"{"expires_at":"2026-01-02T00:00:00Z","#, 1)
    };
    let body = format!("[{good},{},{}]", late(5), late(10));
    let answer = ask(&server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut told = Vec::new();
    for transport in BOTH {
        let mut consumer = client.consumer(options(transport)).await.unwrap();
        told.push(gap(&mut consumer).await);
    }
    assert_eq!(told[1], told[0]);
    let (run, gap) = (told[1].run, &told[1]);
    assert_eq!((run.first.0, run.last.0, gap.count, gap.reason.as_str()), (1, 2, 2, "EXPIRED"));
    assert_eq!(&*gap.topic, "analysis/indicators/5m");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_framed_consumer_that_is_slow_holds_no_other_back_and_misses_nothing() {
    const ROUNDS: u64 = 500;
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let client = server.client().await;
    for transport in BOTH {
        subscribe(&client, name(transport), &["analysis/**"]).await;
    }
    let all = usize::try_from(ROUNDS).unwrap() * INSTRUMENTS.len();
    let few = ConsumerOptions { credit_events: 100, ..options(Transport::Framed) };
    let slow = client.consumer(ConsumerOptions { reconnect: false, ..few }).await.unwrap();
    let quick = client.consumer(options(Transport::Grpc)).await.unwrap();
    let (quick, ()) = tokio::join!(take(Given::default(), quick, all), publish(&client, 0..ROUNDS));
    let line = "GET /api/v1/subscriptions/framed/status";
    assert_eq!(ask(&server, line, "", b"").json()["in_flight"], 100, "its credit, and no more");
    let (slow, _) = take(Given::default(), slow, all).await;
    assert_eq!(slow.events, quick.0.events);
    assert_eq!(slow.again, 0);
}

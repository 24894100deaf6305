//! Many consumers on one gRPC stream: each is given its own, one that is slow or wrong is alone with
//! that, and when the service is killed all of them go on where they were.

use std::collections::BTreeMap;

use serde_json::json;
use tidings_client::v1::PublishRequest;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Consumers};
use tidings_e2e::{Server, TestEvent, ask, indicator, soon};
use tidings_event::Code;
use tokio::task::JoinSet;

/// More than a connection may have streams.
const CONSUMERS: usize = 400;

fn instrument(number: usize) -> String {
    format!("KEY{number:03}")
}

async fn subscribe(client: &Client, number: usize) {
    let instrument = instrument(number);
    let document = json!({"name": format!("s-{number}"), "topics": ["analysis/**"],
        "start": "earliest", "delivery": {"stream": {}},
        "filter": format!("instrument == '{instrument}'")});
    client.rest().create_subscription_as(&document).await.unwrap();
}

async fn publish(client: &Client, rounds: std::ops::Range<u64>) {
    for round in rounds {
        let events = (0..CONSUMERS).map(|key| indicator(&instrument(key), "5m", round).into());
        let request = PublishRequest { events: events.collect(), ..PublishRequest::default() };
        for result in client.publish(request).await.unwrap() {
            assert_eq!(result.error, None);
        }
    }
}

async fn attach(consumers: &Consumers, number: usize) -> Consumer {
    consumers.attach(ConsumerOptions::new(format!("s-{number}"), "desk")).await.unwrap()
}

/// Takes, acknowledges and has confirmed what comes for one, up to a number; that it is this
/// instrument's alone, and in order, but for what comes again after a loss.
async fn take(mut consumer: Consumer, number: usize, last: u64) -> Consumer {
    let (mut next, mut confirmed) = (0, 0);
    while next <= last || confirmed <= last {
        match soon("an event", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    let event = event.unwrap();
                    let read = TestEvent::read(event.event);
                    assert_eq!(read.instrument, instrument(number));
                    assert!(read.number == next || event.redelivered, "{read:?} after {next}");
                    next = next.max(read.number + 1);
                }
                // A lost connection is told of by what comes next.
                let _asked = consumer.ack_up_to(delivered.last_position()).await;
            }
            ConsumerEvent::Confirmed(acks) if !acks.runs.is_empty() => confirmed = next,
            ConsumerEvent::Confirmed(_) | ConsumerEvent::Reconnected => {}
            other => panic!("{other:?}"),
        }
    }
    consumer
}

#[tokio::test(flavor = "multi_thread")]
async fn four_hundred_share_a_stream_and_go_on_after_a_kill() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("data");
    let server = Server::start(&dir);
    let addr = server.url().trim_start_matches("http://").to_owned();
    let client = server.client().await;
    let consumers = client.consumers();
    let mut taking = JoinSet::new();
    for number in 0..CONSUMERS {
        subscribe(&client, number).await;
        let consumer = attach(&consumers, number).await;
        taking.spawn(take(consumer, number, 19));
    }
    publish(&client, 0..10).await;
    server.kill();
    let server = Server::start_at(&dir, &addr);
    publish(&server.client().await, 10..20).await;
    let mut sessions = BTreeMap::new();
    while let Some(taken) = taking.join_next().await {
        let consumer = taken.unwrap();
        sessions.insert(consumer.session().to_owned(), consumer);
    }
    assert_eq!(sessions.len(), CONSUMERS, "each has a session of its own");
    // Nothing is left to any of them: what they acknowledged was theirs.
    let document = ask(&server, "GET /api/v1/subscriptions/s-7/status", "", b"").json();
    assert_eq!(document["lag_events"], 0, "{document}");
    // Dropped or closed, a subscription is free.
    let mut rest = sessions.into_values();
    rest.next().unwrap().close().await;
    drop(rest);
    for number in 0..CONSUMERS {
        let attached = async {
            loop {
                let options = ConsumerOptions::new(format!("s-{number}"), "next");
                match consumers.attach(ConsumerOptions { reconnect: false, ..options }).await {
                    Err(error) if error.is(Code::SubscriptionBusy) => {}
                    other => return other.unwrap(),
                }
            }
        };
        soon("a free subscription", attached).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_does_not_read_holds_no_other_back() {
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(&root.path().join("data"));
    let client = server.client().await;
    let consumers = client.consumers();
    for name in ["slow", "quick"] {
        let document = json!({"name": name, "topics": ["analysis/**"], "start": "earliest",
            "delivery": {"stream": {}}});
        client.rest().create_subscription_as(&document).await.unwrap();
    }
    let options = ConsumerOptions { credit_events: 1_000, ..ConsumerOptions::new("slow", "desk") };
    let mut slow = consumers.attach(options).await.unwrap();
    let mut quick = consumers.attach(ConsumerOptions::new("quick", "desk")).await.unwrap();
    let missing = consumers.attach(ConsumerOptions::new("missing", "desk")).await;
    assert!(missing.is_err_and(|error| error.is(Code::SubscriptionUnknown)));
    publish(&client, 0..50).await;
    let all = CONSUMERS * 50;
    assert_eq!(count(&mut quick, all).await, all);
    assert_eq!(count(&mut slow, all).await, all, "it has only waited for its reader");
}

/// Takes and acknowledges events until there were so many.
async fn count(consumer: &mut Consumer, all: usize) -> usize {
    let mut taken = 0;
    while taken < all {
        let next = soon("an event", consumer.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        taken += delivered.events().count();
        consumer.ack_up_to(delivered.last_position()).await.unwrap();
    }
    taken
}

//! Consumers and operators at their worst: acks that are twice, late or somebody else's, readers that
//! are slow, silent or gone in the middle, subscriptions and topics that go away under them.

use std::collections::BTreeSet;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tidings_client::{ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{Desk, Pulled, Server, ask, indicator, soon, subscribe};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const TOPICS: &[&str] = &["analysis/**"];

/// Publishes events of one key and waits until they are durable.
fn publish(server: &Server, key: &str, numbers: std::ops::Range<u64>) {
    let text = |number| tidings_event::json::to_json(&indicator(key, "1m", number)).unwrap();
    let body = format!("[{}]", numbers.map(text).collect::<Vec<_>>().join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    (dir, server)
}

fn numbers(events: &[Pulled]) -> Vec<u64> {
    events.iter().map(|event| event.number).collect()
}

#[test]
fn acks_that_are_twice_late_or_of_another_subscription_settle_nothing_more() {
    let (_dir, server) = start();
    publish(&server, "AAPL", 0..3);
    let retry = json!({"retry": {"min_backoff_ms": 1, "max_backoff_ms": 2}});
    let (desk, other) =
        (Desk::open(&server, "desk", TOPICS, &retry), Desk::open(&server, "other", TOPICS, &retry));
    let (mine, theirs) = (desk.pull(10), other.pull(10));
    assert_eq!(desk.ack(&mine[..1]), ["confirmed"]);
    assert_eq!(desk.ack(&mine[..1]), ["stale"], "twice");
    assert_eq!(desk.nack(&mine[..1]), ["stale"], "a nack of what is acknowledged");
    assert_eq!(desk.ack(&theirs[1..2]), ["stale"], "somebody else's");
    assert_eq!(desk.nack(&theirs[1..2]), ["stale"], "somebody else's");
    let again = {
        let _given_back = desk.nack(&mine[1..2]);
        desk.pull(10)
    };
    assert_eq!((numbers(&again), again[0].attempt()), (vec![1], 2));
    let open = |desk: &Desk<'_>| {
        let status = desk.status();
        (status["in_flight"].as_u64().unwrap(), status["lag_events"].as_u64().unwrap())
    };
    assert_eq!(open(&desk), (2, 2), "whatever was said about them");
    // Nobody else had it since: a late ack is not confirmed, and counts.
    assert_eq!(desk.ack(&mine[1..2]), ["stale"], "of the attempt before");
    assert_eq!(open(&desk), (1, 1));
    assert_eq!(desk.ack(again.iter().chain(&mine[2..])), ["stale", "confirmed"]);
    assert_eq!(other.ack(&theirs), ["confirmed"; 3], "what others said did not touch it");
    for desk in [desk, other] {
        assert_eq!(desk.status()["lag_events"], 0);
        assert_eq!(desk.letters(), [] as [Value; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_never_acks_or_never_reads_delays_nobody_else() {
    const EVENTS: u64 = 20_000;
    const WINDOW: u64 = 100;
    let (_dir, server) = start();
    let client = server.client().await;
    let window = json!({"max_in_flight": WINDOW, "delivery": {"stream": {}}});
    for name in ["never-acks", "never-reads"] {
        let _open = Desk::open(&server, name, TOPICS, &window);
    }
    subscribe(&client, "good", TOPICS).await;
    let silent = ConsumerOptions::new("never-acks", "silent");
    let mut silent = soon("a consumer", client.consumer(silent)).await.unwrap();
    let (mut deaf, _) = connect_async(format!("ws://{}/api/v1/ws", server.addr())).await.unwrap();
    for asked in [
        json!({"type": "open", "subscription": "never-reads"}),
        json!({"type": "credit", "events": EVENTS}),
    ] {
        deaf.send(Message::Text(asked.to_string().into())).await.unwrap();
    }
    let mut good =
        soon("a consumer", client.consumer(ConsumerOptions::new("good", "good"))).await.unwrap();
    let publisher = client.publisher(PublisherOptions::sequenced("p")).await.unwrap();
    for number in 0..EVENTS {
        soon("room", publisher.send(indicator("AAPL", "1m", number))).await.unwrap();
    }
    soon("the events to be stored", publisher.flush()).await.unwrap();
    let mut next = 0;
    while next < EVENTS {
        let ConsumerEvent::Events(delivered) =
            soon("a delivery", good.next()).await.unwrap().unwrap()
        else {
            continue;
        };
        for event in delivered.events() {
            assert_eq!(event.unwrap().offset.0, next);
            next += 1;
        }
        good.ack_up_to(delivered.last_position()).await.unwrap();
    }
    let mut came = 0;
    while came < WINDOW {
        if let ConsumerEvent::Events(delivered) =
            soon("a delivery", silent.next()).await.unwrap().unwrap()
        {
            came += u64::from(delivered.count);
        }
    }
    for name in ["never-acks", "never-reads"] {
        let status = Desk::of(&server, name, "").status();
        assert_eq!(status["in_flight"], WINDOW, "a window and no more: {status}");
        assert_eq!(status["lag_events"], EVENTS, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reader_had_when_it_left_in_the_middle_of_a_batch_comes_again_flagged() {
    const EVENTS: u64 = 100;
    let (_dir, server) = start();
    publish(&server, "AAPL", 0..EVENTS);
    let stream = json!({"delivery": {"stream": {}}});
    let desk = Desk::open(&server, "desk", TOPICS, &stream);
    let client = server.client().await;
    let options = || ConsumerOptions { reconnect: false, ..ConsumerOptions::new("desk", "c") };
    let mut first = soon("a consumer", client.consumer(options())).await.unwrap();
    let mut confirmed = BTreeSet::new();
    while confirmed.is_empty() {
        match soon("a delivery", first.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                first.ack(&[delivered.run(10, 19), delivered.run(30, 30)]).await.unwrap();
            }
            ConsumerEvent::Confirmed(acks) => {
                confirmed.extend(acks.runs.iter().flat_map(|run| run.first.0..=run.last.0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(confirmed, (10..20).chain([30]).collect());
    drop(first);
    // A connection that is gone is told to nobody: the next one may come before the service knows.
    let client = server.client().await;
    let mut second = loop {
        if let Ok(consumer) = soon("a consumer", client.consumer(options())).await {
            break consumer;
        }
    };
    let mut again = Vec::new();
    while again.len() as u64 + 11 < EVENTS {
        let ConsumerEvent::Events(delivered) =
            soon("a delivery", second.next()).await.unwrap().unwrap()
        else {
            continue;
        };
        for event in delivered.events().map(Result::unwrap) {
            assert!(event.redelivered && event.attempt == 2, "{event:?}");
            again.push(event.offset.0);
        }
        second.ack_up_to(delivered.last_position()).await.unwrap();
    }
    let expected: Vec<u64> = (0..EVENTS).filter(|offset| !confirmed.contains(offset)).collect();
    assert_eq!(again, expected, "in order, and nothing that was confirmed");
    soon("the service to let go", second.close()).await;
    assert_eq!(desk.letters(), [] as [Value; 0], "a lost connection is no failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_deleted_while_delivering_ends_its_consumer_by_name() {
    let (_dir, server) = start();
    publish(&server, "AAPL", 0..500);
    let client = server.client().await;
    subscribe(&client, "desk", TOPICS).await;
    let options = ConsumerOptions { credit_events: 8, ..ConsumerOptions::new("desk", "c") };
    let mut consumer = soon("a consumer", client.consumer(options)).await.unwrap();
    let first = soon("a delivery", consumer.next()).await.unwrap().unwrap();
    assert!(matches!(first, ConsumerEvent::Events(_)), "{first:?}");
    let gone = ask(&server, "DELETE /api/v1/subscriptions/desk", "", b"");
    assert_eq!(gone.status, 204, "{gone:?}");
    let error = loop {
        if let Err(error) = soon("the end", consumer.next()).await.unwrap() {
            break error;
        }
    };
    assert!(error.is(tidings_event::Code::SubscriptionGone), "{error}");
    let status = ask(&server, "GET /api/v1/subscriptions/desk/status", "", b"");
    assert_eq!((status.status, &status.json()["code"]), (404, &json!("SUBSCRIPTION_UNKNOWN")));
    // The name is free, and what comes under it is new.
    publish(&server, "AAPL", 500..501);
    assert_eq!(Desk::open(&server, "desk", TOPICS, &json!({})).pull(1000).len(), 501);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_under_a_subscription_is_told_and_the_others_go_on() {
    let (_dir, server) = start();
    let client = server.client().await;
    let put = |topic: &str| {
        let line = format!("PUT /api/v1/topics/desk:{topic}");
        let made = ask(&server, &line, "application/json", br#"{"partitions":1}"#);
        assert_eq!(made.status, 201, "{made:?}");
    };
    let send = async |topic: &str, number: u64| {
        let options = PublisherOptions {
            topic: Some(format!("desk/{topic}")),
            ..PublisherOptions::sequenced(topic)
        };
        let publisher = client.publisher(options).await.unwrap();
        let receipt = publisher.send(indicator("AAPL", "1m", number)).await.unwrap();
        soon("an event to be stored", receipt).await.unwrap();
    };
    put("goes");
    put("stays");
    send("goes", 0).await;
    send("stays", 0).await;
    subscribe(&client, "desk", &["desk/**"]).await;
    let mut consumer =
        soon("a consumer", client.consumer(ConsumerOptions::new("desk", "c"))).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let next = soon("a delivery", consumer.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { panic!("{next:?}") };
        seen.push(delivered.topic.to_string());
    }
    let gone = ask(&server, "DELETE /api/v1/topics/desk:goes", "", b"");
    assert_eq!(gone.status, 204, "{gone:?}");
    let gap = loop {
        if let ConsumerEvent::Gap(gap) = soon("the gap", consumer.next()).await.unwrap().unwrap() {
            break gap;
        }
    };
    assert_eq!((&*gap.topic, gap.count, gap.reason.as_str()), ("desk/goes", 1, "TOPIC_DELETED"));
    send("stays", 1).await;
    let next = soon("a delivery", consumer.next()).await.unwrap().unwrap();
    let ConsumerEvent::Events(delivered) = next else { panic!("{next:?}") };
    assert_eq!((&*delivered.topic, delivered.last_position().offset.0), ("desk/stays", 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_text_is_no_ack_and_ends_the_socket_with_its_name() {
    let (_dir, server) = start();
    publish(&server, "AAPL", 0..1);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    let body = json!({"ack_ids": ["a1-nonsense"]}).to_string();
    let path = "POST /api/v1/subscriptions/desk/ack";
    let refused = ask(&server, path, "application/json", body.as_bytes());
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("ACK_ID_INVALID")));
    let (mut socket, _) = connect_async(format!("ws://{}/api/v1/ws", server.addr())).await.unwrap();
    for asked in [
        json!({"type": "open", "subscription": "desk"}),
        json!({"type": "ack", "ack_ids": ["a1-nonsense"]}),
    ] {
        socket.send(Message::Text(asked.to_string().into())).await.unwrap();
    }
    let code = loop {
        let frame = soon("a frame", socket.next()).await.unwrap().unwrap();
        let Message::Text(text) = frame else { continue };
        let document: Value = serde_json::from_str(&text).unwrap();
        if document["type"] == "error" {
            break document["problem"]["code"].clone();
        }
    };
    assert_eq!(code, "ACK_ID_INVALID");
    assert_eq!(desk.status()["lag_events"], 1);
}

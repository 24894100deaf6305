//! Ack deadlines on the real executable: what was given more time does not come again, and what was
//! not does.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::documents::ExtendRequestDocument;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Extended};
use tidings_e2e::{Desk, Pulled, Server, ask, indicator, soon, subscribe, until};
use tidings_event::Code;

const TOPICS: &[&str] = &["analysis/**"];
/// As short as one may be.
const DEADLINE: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(600);

/// One event of each of three keys.
fn publish(server: &Server) {
    let text = |key: &str| tidings_event::json::to_json(&indicator(key, "1m", 0)).unwrap();
    let body = format!("[{}]", ["A", "B", "C"].map(text).join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn extend(client: &Client, events: &[&Pulled]) -> Vec<String> {
    let ids = events.iter().map(|event| event.ack_id().as_str().unwrap().to_owned());
    let request = ExtendRequestDocument { ack_ids: ids.collect(), by_ms: 600_000 };
    let answer = client.rest().extend("desk", &request).await.unwrap();
    answer.results.into_iter().map(|result| result.state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_event_with_more_time_does_not_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    let delivery = json!({"delivery": {"pull": {"ack_deadline_ms": 1000}}});
    let desk = Desk::open(&server, "desk", TOPICS, &delivery);
    publish(&server);
    let mut first = Vec::new();
    while first.len() < 3 {
        first.extend(desk.pull(10));
    }
    let named = |name: &str| first.iter().find(|event| event.instrument == name).unwrap();
    let (kept, late) = (named("B"), named("A"));
    assert_eq!(extend(&client, &[kept]).await, ["confirmed"]);
    assert_eq!(desk.ack([named("C")]), ["confirmed"]);
    // The one that nobody extended fails with its deadline.
    let again = desk.pull(10);
    assert_eq!((again[0].instrument.as_str(), again[0].attempt(), again.len()), ("A", 2, 1));
    assert_eq!(extend(&client, &[late, &again[0]]).await, ["stale", "confirmed"]);
    // Longer than both deadlines would have been.
    assert!(desk.pull_within(10, 2_500).is_empty());
    assert_eq!(desk.ack([kept, &again[0]]), ["confirmed", "confirmed"]);
    assert_eq!(extend(&client, &[kept]).await, ["stale"]);
    assert_eq!(desk.status()["lag_events"], 0);
}

/// What a stream is told next of its extensions, and the instruments that came before.
async fn extended(consumer: &mut Consumer) -> Extended {
    match soon("an answer", consumer.next()).await.unwrap().unwrap() {
        ConsumerEvent::Extended(extended) => extended,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_event_with_more_time_does_not_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    subscribe(&client, "desk", TOPICS).await;
    let options =
        ConsumerOptions { ack_deadline: Some(DEADLINE), ..ConsumerOptions::new("desk", "c") };
    let mut consumer = client.consumer(options).await.unwrap();
    publish(&server);
    let (mut runs, mut first) = (Vec::new(), Vec::new());
    while runs.len() < 3 {
        let next = soon("a delivery", consumer.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { panic!("{next:?}") };
        for event in delivered.events().map(Result::unwrap) {
            assert_eq!(event.attempt, 1);
            runs.push(delivered.run(event.offset.0, event.offset.0));
        }
        first.push(delivered);
    }
    let (kept, late) = (runs[1..].to_vec(), runs[0]);
    consumer.extend(&kept, LONG).await.unwrap();
    let told = extended(&mut consumer).await;
    assert_eq!(told, Extended { runs: kept.clone(), stale: vec![] });
    let next = soon("what is late", consumer.next()).await.unwrap().unwrap();
    let ConsumerEvent::Events(again) = next else { panic!("{next:?}") };
    assert_eq!(again.runs(), [late]);
    assert_eq!(again.events().next().unwrap().unwrap().attempt, 2);
    consumer.ack(&runs).await.unwrap();
    let settled = |status: &Value| status["lag_events"] == 0 && status["in_flight"] == 0;
    until(&server, "desk", settled).await;
    consumer.extend(&[late], LONG).await.unwrap();
    loop {
        match soon("an answer", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Confirmed(acks) => assert!(acks.stale.is_empty(), "{acks:?}"),
            ConsumerEvent::Extended(told) => {
                assert_eq!(told, Extended { runs: vec![], stale: vec![late] });
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    drop(consumer);
    // Without a deadline there is nothing to extend.
    until(&server, "desk", |status| status["consumer"].is_null()).await;
    let mut consumer = client.consumer(ConsumerOptions::new("desk", "c")).await.unwrap();
    consumer.extend(&[late], LONG).await.unwrap();
    let refused = soon("a refusal", consumer.next()).await.unwrap().unwrap_err();
    assert!(refused.is(Code::FieldInvalid), "{refused}");
}

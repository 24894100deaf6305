//! Several consumers of one subscription, over gRPC and HTTP: groups, stand-ins, health, digests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use tidings_client::v1::PublishRequest;
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered};
use tidings_e2e::{Server, ask, indicator, soon};
use tidings_event::{Code, scan, v1};

const KEYS: usize = 100;

/// What a consumer is given next, but for confirmations.
async fn delivered(consumer: &mut Consumer) -> Delivered {
    loop {
        match soon("a delivery", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivery) => return delivery,
            ConsumerEvent::Confirmed(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn subscribe(client: &Client, name: &str, more: serde_json::Value) {
    let mut document = json!({"name": name, "topics": ["analysis/**"], "start": "earliest",
        "delivery": {"stream": {}}});
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client.rest().create_subscription_as(&document).await.unwrap();
}

async fn attach(client: &Client, name: &str, consumer: &str) -> Consumer {
    client.consumer(ConsumerOptions::new(name, consumer)).await.unwrap()
}

async fn send(client: &Client, events: impl Iterator<Item = Vec<u8>>) {
    let events = events.map(Into::into).collect();
    let request = PublishRequest { events, ..PublishRequest::default() };
    for result in client.publish(request).await.unwrap() {
        assert_eq!(result.error, None);
    }
}

async fn publish(client: &Client, rounds: std::ops::Range<u64>) {
    for round in rounds {
        send(client, (0..KEYS).map(|key| indicator(&format!("KEY{key:03}"), "5m", round))).await;
    }
}

#[tokio::test]
async fn a_group_shares_the_keys_and_a_member_that_dies_leaves_its_own_to_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let client = server.client().await;
    subscribe(&client, "crew", json!({"sharing": "group"})).await;
    let mut members = BTreeMap::new();
    for member in 0..4 {
        members.insert(member, attach(&client, "crew", &format!("worker-{member}")).await);
    }
    publish(&client, 0..5).await;
    let mut keys: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let mut count = 0;
    // Every member by itself, so that what one has not taken yet is nobody's obstacle.
    let (said, mut heard) = tokio::sync::mpsc::channel(64);
    let mut tasks = tokio::task::JoinSet::new();
    for (member, mut consumer) in members {
        let said = said.clone();
        tasks.spawn(async move {
            while let Some(Ok(event)) = consumer.next().await {
                let ConsumerEvent::Events(delivery) = event else { continue };
                let has = delivery.events().map(|event| {
                    let event = event.unwrap();
                    let envelope = scan(event.event).unwrap();
                    (envelope.instrument.to_owned(), event.offset.0)
                });
                let has: Vec<_> = has.collect();
                consumer.ack(&delivery.runs()).await.unwrap();
                if said.send((member, has)).await.is_err() {
                    return;
                }
                if member == 0 {
                    // It dies with its first delivery acknowledged, whatever else was sent to it.
                    return;
                }
            }
        });
    }
    drop(said);
    while count < 5 * KEYS {
        let (member, has) = soon("a delivery", heard.recv()).await.unwrap();
        for (key, offset) in has {
            seen.entry(key.clone()).or_default().push(offset);
            keys.entry(member).or_default().insert(key);
            count = seen.values().map(|o| o.iter().collect::<BTreeSet<_>>().len()).sum();
        }
    }
    tasks.abort_all();
    assert_eq!((seen.len(), count), (KEYS, 5 * KEYS));
    let alive: usize = (1..4).map(|member| keys[&member].len()).sum();
    assert!(alive >= KEYS, "all keys are with those that live in the end: {keys:?}");
    for (key, offsets) in seen {
        let mut firsts = BTreeSet::new();
        let first: Vec<u64> = offsets.into_iter().filter(|at| firsts.insert(*at)).collect();
        assert!(first.is_sorted(), "{key}: {first:?}");
    }
}

#[tokio::test]
async fn a_stand_in_takes_over_when_the_connection_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let client = server.client().await;
    subscribe(&client, "pair", json!({"sharing": "failover"})).await;
    subscribe(&client, "alone", json!({})).await;
    let mut first = attach(&client, "pair", "a").await;
    let mut second = attach(&client, "pair", "b").await;
    publish(&client, 0..1).await;
    delivered(&mut first).await;
    let status = client.rest().status("pair").await.unwrap();
    let names: Vec<_> = status.members.iter().map(|m| (m.consumer.as_str(), m.active)).collect();
    assert_eq!(names, [("a", true), ("b", false)]);
    drop(first);
    let mut events = 0;
    while events < KEYS {
        let delivery = delivered(&mut second).await;
        events += delivery.count as usize;
        second.ack(&delivery.runs()).await.unwrap();
    }
    let status = client.rest().status("pair").await.unwrap();
    assert_eq!(status.members.len(), 1);
    // One that is not shared is busy as ever.
    let _held = attach(&client, "alone", "a").await;
    let refused = client.consumer(ConsumerOptions::new("alone", "b")).await.unwrap_err();
    assert!(refused.is(Code::SubscriptionBusy), "{refused}");
}

#[tokio::test]
async fn a_burst_of_anomalies_comes_as_its_first_and_a_digest_on_every_way() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let client = server.client().await;
    let fold = json!({"fold": {"window_ms": 300}});
    subscribe(&client, "stream", fold.clone()).await;
    let mut pulled = fold;
    pulled["delivery"] = json!({"pull": {}});
    subscribe(&client, "pull", pulled).await;
    let anomaly = |number: u64| {
        let anomaly = v1::Anomaly { r#type: "VOLUME_SPIKE".into(), ..v1::Anomaly::default() };
        let event = v1::Event {
            id: uuid(number).into(),
            source: "e2e".into(),
            kind: v1::Kind::Anomaly as i32,
            instrument: "AAPL".into(),
            venue: "XNAS".into(),
            produced_at: 1,
            severity: v1::Severity::High as i32,
            payload: Some(v1::event::Payload::Anomaly(anomaly)),
            ..v1::Event::default()
        };
        tidings_event::encode(&event)
    };
    send(&client, (0..50).map(anomaly)).await;
    let mut consumer = attach(&client, "stream", "c").await;
    let first = delivered(&mut consumer).await;
    assert_eq!(first.count, 1);
    let digest = delivered(&mut consumer).await;
    let told = digest.events().next().unwrap().unwrap().digest.unwrap().clone();
    assert_eq!((digest.count, told.count, told.ids.len()), (1, 49, 49));
    consumer.ack_up_to(digest.last_position()).await.unwrap();
    let mut digests = Vec::new();
    while digests.is_empty() {
        let body = json!({"max": 10, "wait_ms": 2_000, "consumer": "c"});
        let line = "POST /api/v1/subscriptions/pull/pull";
        let answer = ask(&server, line, "application/json", body.to_string().as_bytes());
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let deliveries = answer["deliveries"].as_array().unwrap().clone();
        digests.extend(deliveries.into_iter().filter(|d| d.get("digest").is_some()));
    }
    assert_eq!(digests[0]["digest"]["count"], 49);
    assert_eq!(digests[0]["digest"]["ids"].as_array().unwrap().len(), 49);
}

/// A UUID of version 8 with a number in it.
fn uuid(number: u64) -> Vec<u8> {
    let mut id = vec![0x80; 16];
    id[..6].copy_from_slice(&number.to_be_bytes()[2..]);
    id
}

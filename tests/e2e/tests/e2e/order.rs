//! Order and completeness under load: many producers, many subscriptions that attach anew, and as many
//! members of one group that come and go.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use serde_json::json;
use tidings_client::{Client, Publisher, PublisherOptions, Receipt};
use tidings_e2e::{
    Chronicle, Server, Thresholds, Witness, indicator, soon, subscribe, without_source,
};
use tidings_event::{Code, TopicId, block::BodyBuilder, scan};
use tokio::sync::watch;
use tokio::task::JoinSet;

const KEYS: u64 = 100;
const EVENTS: u64 = 1_000;
const PRODUCERS: u64 = 8;
const READERS: usize = 16;
const PARTITIONS: u32 = 16;
const TIMEFRAMES: [&str; 4] = ["1m", "5m", "15m", "1h"];
/// Keys of each timeframe's topic.
const SHARES: [u64; 4] = [70, 10, 10, 10];
/// The producer with a refused block, and how many events that block has.
const UNLUCKY: u64 = 3;
const BLOCK: u64 = 10;

/// A key stays in its timeframe, so that its order is that of one topic and partition.
fn timeframe(key: u64) -> usize {
    (key % 10).saturating_sub(6) as usize
}

fn event(key: u64, number: u64) -> Vec<u8> {
    indicator(&format!("KEY{key:03}"), TIMEFRAMES[timeframe(key)], number)
}

/// One sequenced producer and its history.
struct Producer {
    name: String,
    publisher: Publisher,
    chronicle: Chronicle,
    receipts: Vec<(Vec<u8>, Receipt)>,
}

impl Producer {
    async fn send(&mut self, event: Vec<u8>) {
        self.chronicle.invoke(&self.name, &event);
        let receipt = soon("room", self.publisher.send(&event)).await.unwrap();
        self.receipts.push((event, receipt));
    }

    /// Sends a block with an invalid event in its middle, and more events of its partition behind
    /// it; when the block was refused, sends it again without the mistake.
    async fn send_with_a_mistake(&mut self, key: u64, first: u64, behind: Vec<Vec<u8>>) {
        let events: Vec<_> = (first..first + BLOCK).map(|number| event(key, number)).collect();
        let mut body = BodyBuilder::default();
        for (at, event) in events.iter().enumerate() {
            let wrong = at as u64 == BLOCK / 2;
            let sent = if wrong { without_source(event) } else { event.clone() };
            self.chronicle.invoke_as(&self.name, event, &sent);
            assert!(body.push(&sent));
        }
        let (body, count): (Bytes, u32) = body.take();
        let envelope = scan(&events[0]).unwrap();
        let topic = format!("analysis/indicators/{}", envelope.timeframe);
        let place = (envelope.key_hash().partition(PARTITIONS).0, PARTITIONS);
        let sent = self.publisher.send_body_to(&topic, place, body, count).await;
        for event in behind {
            self.send(event).await;
        }
        let refused = soon("the refusal", sent.unwrap()).await.unwrap_err();
        assert!(refused.is(Code::FieldMissing), "{refused}");
        for event in events {
            self.chronicle.outcome(&event, &Err(refused.clone()));
            self.send(event).await;
        }
    }

    async fn finish(self) {
        for (event, receipt) in self.receipts {
            let outcome = soon("an outcome", receipt).await;
            self.chronicle.outcome(&event, &outcome);
            assert!(outcome.is_ok(), "{outcome:?}");
        }
        soon("the publisher to close", self.publisher.close()).await.unwrap();
    }
}

fn partition(key: u64) -> u32 {
    scan(&event(key, 0)).unwrap().key_hash().partition(PARTITIONS).0
}

/// Two keys of one topic's same partition: the second one's events must wait for the first one's to
/// be put right, and lose nothing by it.
fn neighbours(keys: &[u64]) -> (u64, u64) {
    let pairs = keys.iter().flat_map(|&a| keys.iter().map(move |&b| (a, b)));
    let place = |key| (timeframe(key), partition(key));
    let mut pairs = pairs.filter(|&(a, b)| a < b && place(a) == place(b));
    pairs.next().expect("two of the keys share a partition")
}

async fn produce(client: Client, chronicle: Chronicle, number: u64) {
    let name = format!("p{number}");
    let options =
        PublisherOptions { max_block_bytes: 8 << 10, ..PublisherOptions::sequenced(&name) };
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let mut producer = Producer { name, publisher, chronicle, receipts: Vec::new() };
    let keys: Vec<u64> = (0..KEYS).filter(|key| key % PRODUCERS == number).collect();
    let mut from = vec![0; keys.len()];
    for turn in 0..EVENTS {
        if number == UNLUCKY && turn == EVENTS / 2 {
            let (wrong, other) = neighbours(&keys);
            let behind = (turn..turn + BLOCK).map(|number| event(other, number)).collect();
            producer.send_with_a_mistake(wrong, turn, behind).await;
            for (key, from) in keys.iter().zip(&mut from) {
                if [wrong, other].contains(key) {
                    *from = turn + BLOCK;
                }
            }
        }
        for (&key, &from) in keys.iter().zip(&from) {
            if turn >= from {
                producer.send(event(key, turn)).await;
            }
        }
    }
    producer.finish().await;
}

/// Timeframes of a subscription: all, the large one and a small one, two small ones, or one.
fn selection(subscription: usize) -> Vec<usize> {
    let small = |n: usize| 1 + n % 3;
    match subscription {
        0 => (0..4).collect(),
        1 => vec![0, 1],
        2..6 => vec![small(subscription), small(subscription + 1)],
        _ => vec![small(subscription)],
    }
}

fn topics(subscription: usize) -> Vec<String> {
    let selected = selection(subscription);
    if selected.len() == TIMEFRAMES.len() {
        return vec!["analysis/**".to_owned()];
    }
    selected.into_iter().map(|n| format!("analysis/indicators/{}", TIMEFRAMES[n])).collect()
}

/// Reads a subscription to its end, attaching anew after every `turn` deliveries, of which it
/// leaves the last one unacknowledged.
async fn consume(client: Client, chronicle: Chronicle, name: String, expected: u64, turn: usize) {
    // First offset not seen yet, by topic and partition.
    let mut next = HashMap::new();
    let mut seen = 0;
    while seen < expected {
        let mut witness = Witness::attach(&client, &chronicle, &name).await;
        let mut deliveries = 0;
        while seen < expected && deliveries < turn {
            let Some(delivered) = witness.next().await.unwrap() else { continue };
            let next = next.entry((delivered.topic_id, delivered.partition)).or_insert(0);
            for event in delivered.events() {
                let offset = event.unwrap().offset.0;
                seen += u64::from(offset >= *next);
                *next = (offset + 1).max(*next);
            }
            deliveries += 1;
            if deliveries < turn {
                witness.ack(&delivered).await.unwrap();
            }
        }
        witness.detach().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_once_or_flagged_and_in_order_per_key() {
    let dir = tempfile::tempdir().unwrap();
    let (server, chronicle) =
        (Server::start(&dir.path().join("data")), Chronicle::open(dir.path()));
    let client = server.client().await;
    let mut tasks = JoinSet::new();
    let mut deliveries = 0;
    for n in 0..READERS {
        let (name, topics) = (format!("s{n}"), topics(n));
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        chronicle.subscription(&name, &topics);
        subscribe(&client, &name, &topics).await;
        let expected = EVENTS * selection(n).iter().map(|&n| SHARES[n]).sum::<u64>();
        deliveries += expected;
        let client = server.client().await;
        tasks.spawn(consume(client, chronicle.clone(), name, expected, 20 + 7 * n));
    }
    for number in 0..PRODUCERS {
        tasks.spawn(produce(server.client().await, chronicle.clone(), number));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    chronicle.judge(&Thresholds {
        min_acked: (KEYS * EVENTS) as usize,
        min_deliveries: deliveries as usize,
        expect_marks: vec!["reconnect".to_owned()],
        expect_redelivery: true,
        ..Thresholds::default()
    });
}

/// What the members of a group were given, all together: events by topic, partition and offset, and
/// who got any.
#[derive(Default)]
struct Seen {
    events: HashSet<(TopicId, u32, u64)>,
    members: BTreeSet<usize>,
}

/// Reads as one member of a group, attaching anew after every `turn` deliveries, of which it leaves
/// the last one to the others.
async fn share(client: Client, chronicle: Chronicle, member: usize, seen: watch::Sender<Seen>) {
    let name = format!("member-{member}");
    loop {
        let attached = Witness::attach_as(&client, &chronicle, "group", &name).await;
        let mut witness = attached.unwrap();
        let turn = 20 + 7 * member;
        let mut deliveries = 0;
        while deliveries < turn {
            let Some(delivered) = witness.next().await.unwrap() else { continue };
            let place = (delivered.topic_id, delivered.partition.0);
            let places = delivered.events().map(|e| (place.0, place.1, e.unwrap().offset.0));
            seen.send_modify(|seen| {
                seen.events.extend(places);
                seen.members.insert(member);
            });
            deliveries += 1;
            if deliveries < turn {
                witness.ack_runs(&delivered.runs()).await.unwrap();
            }
        }
        witness.detach().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_has_every_event_once_or_flagged_and_in_order_per_key() {
    let dir = tempfile::tempdir().unwrap();
    let (server, chronicle) =
        (Server::start(&dir.path().join("data")), Chronicle::open(dir.path()));
    let client = server.client().await;
    let topics = ["analysis/**"];
    chronicle.subscription("group", &topics);
    let group = json!({"name": "group", "topics": topics, "start": "earliest",
        "sharing": "group", "delivery": {"stream": {}}});
    client.rest().create_subscription_as(&group).await.unwrap();
    let (seen, mut all) = watch::channel(Seen::default());
    let mut members = JoinSet::new();
    for member in 0..READERS {
        let client = server.client().await;
        members.spawn(share(client, chronicle.clone(), member, seen.clone()));
    }
    let mut producers = JoinSet::new();
    for number in 0..PRODUCERS {
        producers.spawn(produce(server.client().await, chronicle.clone(), number));
    }
    let total = (KEYS * EVENTS) as usize;
    let everything = async { all.wait_for(|seen| seen.events.len() >= total).await.is_ok() };
    tokio::pin!(everything);
    loop {
        tokio::select! {
            all = &mut everything => break assert!(all),
            Some(ended) = producers.join_next() => ended.unwrap(),
            Some(ended) = members.join_next() => ended.unwrap(),
        }
    }
    members.shutdown().await;
    while let Some(ended) = producers.join_next().await {
        ended.unwrap();
    }
    let seen = seen.borrow();
    assert_eq!((seen.events.len(), seen.members.len()), (total, READERS));
    chronicle.judge(&Thresholds {
        min_acked: total,
        min_deliveries: total,
        expect_marks: vec!["reconnect".to_owned()],
        expect_redelivery: true,
        ..Thresholds::default()
    });
}

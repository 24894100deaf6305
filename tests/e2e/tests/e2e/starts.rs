//! Subscriptions that begin with the last value of every key, made at every door, against the full
//! history.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidings_client::PublisherOptions;
use tidings_client::documents::{StartDocument, SubscriptionRequest};
use tidings_e2e::{Desk, Pulled, Server, ask, indicator, run, soon};
use tidings_wire::v1::admin_client::AdminClient;
use tidings_wire::v1::{self, start::Start};

const TOPICS: &[&str] = &["analysis/**"];
const DOORS: [&str; 4] = ["rest", "grpc", "cli", "sdk"];

/// Topic and partition, and what came of it: offset and key.
type Came = BTreeMap<(String, u64), Vec<(u64, String)>>;

/// Publishes events of 40 keys in two timeframes; the later of a key come first now and then.
async fn publish(server: &Server, from: u64) {
    let client = server.client().await;
    let publisher = client.publisher(PublisherOptions::sequenced("p")).await.unwrap();
    for number in (from..from + 10).map(|number| number ^ 1) {
        for key in 0..40 {
            // Some keys have no more to say.
            if number % 10 <= key {
                let timeframe = if key % 3 == 0 { "5m" } else { "1m" };
                let event = indicator(&format!("KEY{key}"), timeframe, number);
                soon("room", publisher.send(event)).await.unwrap();
            }
        }
    }
    soon("the events to be stored", publisher.flush()).await.unwrap();
}

/// Makes a subscription of each door's name at that door.
async fn create(server: &Server, dir: &std::path::Path) {
    let body = json!({"name": "rest", "topics": TOPICS, "start": "last_per_key",
        "filter": "instrument != \"KEY7\""});
    let body = body.to_string();
    let made = ask(server, "POST /api/v1/subscriptions", "application/json", body.as_bytes());
    assert_eq!((made.status, &made.json()["start"]), (201, &json!("last_per_key")), "{made:?}");

    let channel = tonic::transport::Endpoint::from_shared(server.url().to_owned()).unwrap();
    let mut admin = AdminClient::new(channel.connect().await.unwrap());
    let start = Start::LastPerKey(v1::start::LastPerKey {});
    let request = v1::CreateSubscriptionRequest {
        name: "grpc".to_owned(),
        topics: TOPICS.iter().map(|&topic| topic.to_owned()).collect(),
        start: Some(v1::Start { start: Some(start) }),
        ..v1::CreateSubscriptionRequest::default()
    };
    admin.create_subscription(request).await.unwrap();

    let told = ["subscription", "create", "cli", "--pull", "--topics", TOPICS[0]];
    let start = ["--start", "last_per_key", "--server", server.url()];
    let ended = run(dir, &[&told[..], &start].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let request = SubscriptionRequest {
        name: "sdk".to_owned(),
        topics: vec![TOPICS[0].to_owned()],
        start: Some(StartDocument::LastPerKey),
        ..SubscriptionRequest::default()
    };
    server.client().await.rest().create_subscription(&request).await.unwrap();
}

/// What comes next, until so many came; acknowledged when that is said.
fn take(desk: &Desk<'_>, came: &mut Came, count: usize, acks: bool) {
    let mut left = count;
    while left > 0 {
        let pulled = desk.pull(u32::try_from(left).unwrap());
        left -= pulled.len();
        for event in &pulled {
            let item = &event.item;
            let place = (item["topic"].as_str().unwrap().to_owned(), number(&item["partition"]));
            let told = (number(&item["offset"]), event.instrument.clone());
            came.entry(place).or_default().push(told);
        }
        if acks {
            assert!(desk.ack(&pulled).iter().all(|state| state == "confirmed"));
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap()
}

/// The naive version: of each key the latest interval below the boundary, then all that follows.
fn expected(history: &[Pulled], boundary: &BTreeMap<(String, u64), u64>, without: &str) -> Came {
    let mut lasts: BTreeMap<_, BTreeMap<&str, (u64, u64)>> = BTreeMap::new();
    let mut after = Came::new();
    for event in history.iter().filter(|event| event.instrument != without) {
        let (topic, offset) = (event.item["topic"].as_str().unwrap(), &event.item["offset"]);
        let place = (topic.to_owned(), number(&event.item["partition"]));
        let offset = number(offset);
        if offset < boundary[&place] {
            let last = lasts.entry(place).or_default().entry(&event.instrument).or_default();
            *last = (*last).max((event.number, offset));
        } else {
            after.entry(place).or_default().push((offset, event.instrument.clone()));
        }
    }
    let mut all = Came::new();
    for (place, lasts) in lasts {
        let lasts = lasts.into_iter().map(|(key, (_, offset))| (offset, key.to_owned()));
        let mut offsets: Vec<_> = lasts.collect();
        offsets.sort_unstable();
        all.insert(place, offsets);
    }
    for (place, more) in after {
        all.entry(place).or_default().extend(more);
    }
    all
}

fn boundary(server: &Server, name: &str, history: &[Pulled]) -> BTreeMap<(String, u64), u64> {
    let shown = ask(server, &format!("GET /api/v1/subscriptions/{name}"), "", b"").json();
    // A position names its topic by a number.
    let position =
        |item: &Value| item["position"].as_str().unwrap().rsplit_once('-').map(|p| p.0.to_owned());
    let starts: BTreeMap<String, u64> = shown["boundary"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| {
            let (place, offset) = text.as_str().unwrap().rsplit_once('-').unwrap();
            (place.to_owned(), u64::from_str_radix(offset, 16).unwrap())
        })
        .collect();
    let of = |event: &Pulled| {
        let item = &event.item;
        let place = (item["topic"].as_str().unwrap().to_owned(), number(&item["partition"]));
        let start = starts.get(&position(item).unwrap()).copied();
        (place, start.expect("every partition has its boundary"))
    };
    history.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_at_the_last_values_is_the_same_at_every_door_and_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    publish(&server, 0).await;
    create(&server, dir.path()).await;
    let mut came: BTreeMap<&str, Came> = BTreeMap::new();
    for door in DOORS {
        let desk = Desk::of(&server, door, "desk");
        take(&desk, came.entry(door).or_default(), 15, true);
        // What is not acknowledged comes again.
        take(&desk, &mut Came::new(), 10, false);
    }
    server.kill();
    let server = Server::start(&data);
    publish(&server, 100).await;
    let all = Desk::open(&server, "all", TOPICS, &Value::Null);
    let total = usize::try_from(all.status()["lag_events"].as_u64().unwrap()).unwrap();
    let mut history = Vec::new();
    while history.len() < total {
        let pulled = all.pull(1_000);
        all.ack(&pulled);
        history.extend(pulled);
    }
    for door in DOORS {
        let starts = boundary(&server, door, &history);
        let expected = expected(&history, &starts, if door == "rest" { "KEY7" } else { "" });
        let lasts = expected
            .iter()
            .map(|(place, all)| all.iter().filter(|(offset, _)| *offset < starts[place]).count());
        assert_eq!(lasts.sum::<usize>(), if door == "rest" { 39 } else { 40 });
        let came = came.entry(door).or_default();
        let left = expected.values().map(Vec::len).sum::<usize>() - 15;
        let desk = Desk::of(&server, door, "desk");
        take(&desk, came, left, true);
        assert_eq!(*came, expected, "{door}");
        assert!(desk.pull_within(1, 100).is_empty(), "{door}: nothing else comes");
    }
}

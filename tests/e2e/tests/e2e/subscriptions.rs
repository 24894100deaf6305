//! What users of subscriptions check first, each with its number: the same again, a pause,
//! a trial over history, a watchlist that changes, a consumer that stops.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::PublisherOptions;
use tidings_e2e::{Chronicle, Desk, Server, TestEvent, Witness, ask, indicator, soon};
use tidings_event::{Clock, SystemClock};

const JSON: &str = "application/json";
const TOPICS: &[&str] = &["analysis/**"];

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    (dir, server)
}

/// Publishes so many events of one key and waits until they are durable.
async fn publish(server: &Server, key: &str, numbers: std::ops::Range<u64>) {
    let client = server.client().await;
    let publisher = client.publisher(PublisherOptions::sequenced("p")).await.unwrap();
    for number in numbers {
        soon("room", publisher.send(indicator(key, "1m", number))).await.unwrap();
    }
    soon("the events to be stored", publisher.flush()).await.unwrap();
}

#[test]
fn the_same_creation_twice_is_one_subscription_and_another_body_is_told_the_difference() {
    let (_dir, server) = start();
    let create = |body: &Value| {
        ask(&server, "POST /api/v1/subscriptions", JSON, body.to_string().as_bytes())
    };
    let body = json!({"name": "desk", "topics": ["analysis/**"], "max_in_flight": 100});
    let (made, same) = (create(&body), create(&body));
    assert_eq!((made.status, same.status), (201, 200));
    assert_eq!(made.json(), same.json());
    let other = json!({"name": "desk", "topics": ["analysis/**"], "max_in_flight": 200});
    let refused = create(&other);
    assert_eq!((refused.status, &refused.json()["code"]), (409, &json!("SUBSCRIPTION_EXISTS")));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    for part in ["max_in_flight", "100", "200"] {
        assert!(detail.contains(part), "{detail}");
    }
    let listed = ask(&server, "GET /api/v1/subscriptions", "", b"").json();
    assert_eq!(listed["subscriptions"], json!([made.json()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_thousand_events_of_a_pause_come_in_order_when_it_is_over() {
    const PAUSED: u64 = 60_000;
    let (dir, server) = start();
    let desk = Desk::open(&server, "desk", TOPICS, &json!({"delivery": {"stream": {}}}));
    let chronicle = Chronicle::open(dir.path());
    let mut witness = Witness::attach(&server.client().await, &chronicle, "desk").await;
    publish(&server, "AAPL", 0..10).await;
    let mut seen = Vec::new();
    while seen.len() < 10 {
        take(&mut witness, &mut seen).await;
    }
    while witness.confirmed() < 10 {
        assert!(witness.next().await.unwrap().is_none(), "all of them have come");
    }
    let paused = desk.call("POST", "/pause", &Value::Null);
    assert_eq!(paused["paused"], true, "{paused}");
    publish(&server, "AAPL", 10..10 + PAUSED).await;
    assert_eq!(desk.status()["lag_events"], PAUSED, "nothing was sent while it was paused");
    let resumed = desk.call("POST", "/resume", &Value::Null);
    assert_eq!(resumed["paused"], false, "{resumed}");
    while (seen.len() as u64) < 10 + PAUSED {
        take(&mut witness, &mut seen).await;
    }
    assert_eq!(seen, (0..10 + PAUSED).collect::<Vec<_>>());
}

/// Notes the numbers of what comes next, and acknowledges it.
async fn take(witness: &mut Witness, seen: &mut Vec<u64>) {
    let Some(delivered) = witness.next().await.unwrap() else { return };
    seen.extend(delivered.events().map(|event| TestEvent::read(event.unwrap().event).number));
    witness.ack(&delivered).await.unwrap();
}

#[test]
fn a_trial_over_history_counts_what_a_live_subscription_was_given() {
    const EVENTS: u64 = 500;
    let (_dir, server) = start();
    let filter = r#"instrument in ["KEY2", "KEY5"] && values.rsi_14 > 100"#;
    let desk = Desk::open(&server, "live", TOPICS, &json!({"filter": filter}));
    let events = (0..EVENTS).map(|n| indicator(&format!("KEY{}", n % 7), "1m", n));
    let texts: Vec<String> =
        events.map(|event| tidings_event::json::to_json(&event).unwrap()).collect();
    let body = format!("[{}]", texts.join(","));
    let answer = ask(&server, "POST /api/v1/events", JSON, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut live = 0;
    while desk.status()["lag_events"] != 0 {
        let pulled = desk.pull_within(100, 100);
        live += pulled.len();
        desk.ack(&pulled);
    }
    let naive = texts.iter().filter(|text| {
        let event: Value = serde_json::from_str(text).unwrap();
        let value = event["indicators"]["values"]["rsi_14"].as_f64().unwrap();
        ["KEY2", "KEY5"].contains(&event["instrument"].as_str().unwrap()) && value > 100.0
    });
    let naive = naive.count();
    let own = desk.call("POST", "/test", &json!({"samples": 0}));
    let trial = json!({"topics": TOPICS, "filter": filter, "samples": 3}).to_string();
    let trial = ask(&server, "POST /api/v1/filters/test", JSON, trial.as_bytes()).json();
    for tried in [&own, &trial] {
        assert_eq!(tried["matched"]["events"], naive, "{tried}");
        assert_eq!((&tried["looked"]["events"], &tried["next"]), (&json!(EVENTS), &Value::Null));
    }
    assert_eq!(live, naive);
    assert_eq!(trial["samples"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instrument_added_to_a_watchlist_of_ten_thousand_counts_from_an_exact_place_on() {
    const BEFORE: u64 = 100;
    let (dir, server) = start();
    let list = |count: u32| {
        let names: Vec<String> = (0..count).map(|n| format!("\"W{n}\"")).collect();
        json!({"filter": format!("instrument in [{}]", names.join(","))})
    };
    let mut more = list(9_999);
    more["delivery"] = json!({"stream": {}});
    let desk = Desk::open(&server, "desk", TOPICS, &more);
    let chronicle = Chronicle::open(dir.path());
    let mut witness = Witness::attach(&server.client().await, &chronicle, "desk").await;
    publish(&server, "W9999", 0..BEFORE).await;
    let clock = SystemClock::new();
    let asked = clock.monotonic();
    let path = "PATCH /api/v1/subscriptions/desk";
    let patch = list(10_000).to_string();
    let changed = ask(&server, path, "application/merge-patch+json", patch.as_bytes());
    assert_eq!((changed.status, &changed.json()["revision"]), (200, &json!(2)), "{changed:?}");
    assert!(!changed.json()["boundary"].as_array().unwrap().is_empty(), "{changed:?}");
    publish(&server, "W9999", BEFORE..BEFORE + 10).await;
    let mut seen = Vec::new();
    while seen.len() < 10 {
        take(&mut witness, &mut seen).await;
    }
    eprintln!(
        "a watchlist of 10,000 was changed and in force within {:?}",
        clock.monotonic() - asked
    );
    // The same connection, and from the boundary on: nothing of before, everything after.
    assert_eq!(seen, (BEFORE..BEFORE + 10).collect::<Vec<_>>());
    assert_eq!(desk.letters(), [] as [Value; 0]);
}

/// A metric's value.
fn metric(server: &Server, name: &str) -> u64 {
    let metrics = ask(server, "GET /metrics", "", b"").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap().parse().unwrap()
}

/// Asks whether a subscription is stalled until it is so, or not; how long that took.
fn until_stalled(desk: &Desk<'_>, stalled: bool) -> Duration {
    let clock = SystemClock::new();
    let from = clock.monotonic();
    loop {
        let status = desk.status();
        let took = clock.monotonic() - from;
        if (status["health"] == "stalled") == stalled {
            return took;
        }
        assert!(took < Duration::from_secs(60), "{status}");
    }
}

#[test]
fn a_consumer_that_stops_acknowledging_is_stalled_within_thirty_seconds_and_told_of_once() {
    let (_dir, server) = start();
    // Its events stay with it: no deadline gives them to anybody.
    let patient = json!({"delivery": {"pull": {"ack_deadline_ms": 600_000}}});
    let desk = Desk::open(&server, "desk", TOPICS, &patient);
    let event = tidings_event::json::to_json(&indicator("AAPL", "1m", 0)).unwrap();
    let answer = ask(&server, "POST /api/v1/events", JSON, event.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let held = desk.pull(1);
    let took = until_stalled(&desk, true);
    eprintln!("stalled after {took:?}");
    assert!(took <= Duration::from_secs(32), "{took:?}");
    assert_eq!(metric(&server, "tidings_deliver_stalled_subscriptions"), 1);
    assert_eq!(desk.ack(&held), ["confirmed"]);
    let took = until_stalled(&desk, false);
    eprintln!("well again after {took:?}");
    assert_eq!(metric(&server, "tidings_deliver_stalled_subscriptions"), 0);
    let log = server.log();
    let told = log.lines().filter(|line| line.contains("subscription stalled")).count();
    assert_eq!(told, 1, "{log}");
}

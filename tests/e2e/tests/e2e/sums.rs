//! Every event's end in every subscription: what the traces say is what a naive evaluator expects of
//! the published JSON and what each client did, and the sums are exact.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidings_e2e::{Desk, Pulled, Server, ask, indicator};

const TOPICS: &[&str] = &["analysis/**"];
const KEYS: u64 = 10;
const EVENTS: u64 = 200;

/// What a client does with an event.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Ack,
    /// Gives it back whenever it comes.
    Refuse,
}

/// A subscription: what it asks for, what that selects of JSON, and what its client does.
struct Case {
    name: &'static str,
    more: Value,
    selects: fn(&Value) -> bool,
    does: fn(&Value) -> Does,
}

fn number(event: &Value) -> u64 {
    let number = &event["key_seq"];
    number.as_u64().or_else(|| number.as_str()?.parse().ok()).unwrap()
}

fn cases() -> Vec<Case> {
    let give_up = json!({"max_attempts": 2, "min_backoff_ms": 1, "max_backoff_ms": 2});
    vec![
        Case { name: "all", more: json!({}), selects: |_| true, does: |_| Does::Ack },
        Case {
            name: "failing",
            more: json!({"retry": give_up}),
            selects: |_| true,
            does: |event| if number(event).is_multiple_of(7) { Does::Refuse } else { Does::Ack },
        },
        Case {
            name: "parallel",
            more: json!({"retry": give_up, "mode": "parallel"}),
            selects: |_| true,
            does: |event| if number(event).is_multiple_of(9) { Does::Refuse } else { Does::Ack },
        },
        Case {
            name: "filtered",
            more: json!({"filter": "instrument == \"KEY3\" || values.rsi_14 >= 150"}),
            selects: |event| {
                let value = event["indicators"]["values"]["rsi_14"].as_f64().unwrap();
                event["instrument"] == "KEY3" || value >= 150.0
            },
            does: |_| Does::Ack,
        },
        Case {
            name: "filtered-failing",
            more: json!({"filter": "instrument in [\"KEY1\", \"KEY7\"]", "retry": give_up}),
            selects: |event| event["instrument"] == "KEY1" || event["instrument"] == "KEY7",
            does: |event| if number(event).is_multiple_of(7) { Does::Refuse } else { Does::Ack },
        },
    ]
}

/// Position and JSON of every event.
fn publish(server: &Server) -> Vec<Value> {
    let text = |number| {
        let event = indicator(&format!("KEY{}", number % KEYS), "1m", number);
        tidings_event::json::to_json(&event).unwrap()
    };
    let texts: Vec<String> = (0..EVENTS).map(text).collect();
    let body = format!("[{}]", texts.join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

fn id(event: &Value) -> String {
    event["id"].as_str().unwrap().to_owned()
}

/// Pulls until nothing is open; how often each event came, by id.
fn consume(desk: &Desk<'_>, does: fn(&Value) -> Does) -> BTreeMap<String, u64> {
    let mut came: BTreeMap<String, u64> = BTreeMap::new();
    while desk.status()["lag_events"] != 0 {
        let pulled = desk.pull_within(64, 100);
        for event in &pulled {
            *came.entry(id(&event.item["event"])).or_default() += 1;
        }
        let refused = |event: &&Pulled| does(&event.item["event"]) == Does::Refuse;
        let (bad, good): (Vec<&Pulled>, _) = pulled.iter().partition(refused);
        desk.nack(bad);
        assert!(desk.ack(good).iter().all(|state| state == "confirmed"));
    }
    came
}

/// Outcomes of one event by subscription.
fn trace(server: &Server, event: &Value) -> BTreeMap<String, Value> {
    let answer = ask(server, &format!("GET /api/v1/events/{}/trace", id(event)), "", b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = answer.json();
    assert_eq!(document["looked"]["is_cut"], Value::Null, "{document}");
    let subscriptions = document["subscriptions"].as_array().unwrap();
    subscriptions.iter().map(|s| (s["name"].as_str().unwrap().to_owned(), s.clone())).collect()
}

#[test]
fn the_sum_of_outcomes_is_what_matched_for_every_subscription() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let cases = cases();
    let desks: Vec<Desk<'_>> =
        cases.iter().map(|case| Desk::open(&server, case.name, TOPICS, &case.more)).collect();
    let gone = Desk::open(&server, "gone", TOPICS, &json!({}));
    let events = publish(&server);
    let came: Vec<_> =
        cases.iter().zip(&desks).map(|(case, desk)| consume(desk, case.does)).collect();
    // One consumer is deleted when it has acknowledged a part.
    let acked = gone.pull(64);
    assert!(gone.ack(&acked).iter().all(|state| state == "confirmed"));
    let acked: Vec<String> = acked.iter().map(|event| id(&event.item["event"])).collect();
    assert_eq!(ask(&server, "DELETE /api/v1/subscriptions/gone", "", b"").status, 204);
    // A dead letter of each is removed.
    let removed: Vec<Option<String>> = desks.iter().map(|desk| remove_one(desk)).collect();

    let mut sums: BTreeMap<(String, String), u64> = BTreeMap::new();
    for event in &events {
        let outcomes = trace(&server, event);
        assert_eq!(outcomes.len(), cases.len() + 1, "{outcomes:?}");
        for ((case, came), removed) in cases.iter().zip(&came).zip(&removed) {
            let outcome = &outcomes[case.name];
            let expected = match (case.does)(event) {
                _ if !(case.selects)(event) => "filtered",
                Does::Ack => "delivered",
                Does::Refuse if removed.as_ref() == Some(&id(event)) => "discarded",
                Does::Refuse => "dead_lettered",
            };
            assert_eq!(outcome["outcome"], expected, "{}: {outcome}", case.name);
            let times = came.get(&id(event)).copied().unwrap_or(0);
            let expected_times = match expected {
                "filtered" => 0,
                "delivered" => 1,
                _ => 2,
            };
            assert_eq!(times, expected_times, "{}: {outcome}", case.name);
            *sums.entry((case.name.to_owned(), expected.to_owned())).or_default() += 1;
        }
        let expected = if acked.contains(&id(event)) { "delivered" } else { "deleted" };
        assert_eq!(outcomes["gone"]["outcome"], expected, "{}", outcomes["gone"]);
    }
    for case in &cases {
        let matched = events.iter().filter(|event| (case.selects)(event)).count() as u64;
        let of = |outcome: &str| {
            sums.get(&(case.name.to_owned(), outcome.to_owned())).copied().unwrap_or(0)
        };
        assert_eq!(of("delivered") + of("dead_lettered") + of("discarded"), matched);
        eprintln!("{}: {matched} matched, {sums:?}", case.name);
    }
}

/// Discards the first dead letter, where there is one; its id.
fn remove_one(desk: &Desk<'_>) -> Option<String> {
    let letter = desk.letters().into_iter().next()?;
    let chosen = json!({"positions": [letter["position"]]});
    let changed = desk.call("POST", "/dead-letters/discard", &chosen);
    assert_eq!(changed["letters"], 1, "{changed}");
    Some(id(&letter["event"]))
}

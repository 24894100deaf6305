//! The road over plain HTTP, as curl would take it, and what the service says about itself.

use serde_json::{Value, json};
use tidings_e2e::{Answer, Server, ask, indicator_json};

const JSON: &str = "application/json";

fn post(server: &Server, path: &str, body: &Value) -> Answer {
    ask(server, &format!("POST {path}"), JSON, body.to_string().as_bytes())
}

fn get(server: &Server, path: &str) -> Answer {
    ask(server, &format!("GET {path}"), "", b"")
}

#[track_caller]
fn check_published(server: &Server, content_type: &str, body: &str, count: usize) {
    let answer = ask(server, "POST /api/v1/events", content_type, body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let document = answer.json();
    let results = document["results"].as_array().unwrap();
    assert_eq!(results.len(), count, "{document}");
    for (index, result) in results.iter().enumerate() {
        assert_eq!(result["index"], index, "{document}");
        assert_eq!(result["topic"], "analysis/indicators/5m", "{document}");
        assert_eq!(result["durability"], "durable", "{document}");
        assert_eq!(result["duplicate"], false, "{document}");
    }
}

#[test]
fn events_published_as_json_are_pulled_acknowledged_and_become_last_values() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let event = |minute, value| indicator_json("AAPL", minute, value);
    let desk = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest",
                      "delivery": {"pull": {}}});
    assert_eq!(post(&server, "/api/v1/subscriptions", &desk).status, 201);
    assert_eq!(post(&server, "/api/v1/subscriptions", &desk).status, 200);
    check_published(&server, JSON, &event(0, 1.5), 1);
    check_published(&server, JSON, &format!("[{},{}]", event(5, 2.5), event(10, 3.5)), 2);
    let lines = format!("{}\n\n{}\n", event(15, 4.5), event(20, 5.5));
    check_published(&server, "application/x-ndjson", &lines, 2);

    let pull = json!({"max": 100, "wait_ms": 20_000, "consumer": "c-1"});
    let mut seen = Vec::new();
    while seen.len() < 5 {
        let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull);
        assert_eq!(pulled.status, 200, "{pulled:?}");
        let document = pulled.json();
        let deliveries = document["deliveries"].as_array().unwrap();
        assert!(!deliveries.is_empty(), "nothing came within the wait: {seen:?}");
        seen.extend(deliveries.clone());
    }
    let values: Vec<_> = seen
        .iter()
        .map(|item| item["event"]["indicators"]["values"]["rsi_14"].as_f64().unwrap())
        .collect();
    assert_eq!(values, [1.5, 2.5, 3.5, 4.5, 5.5], "{seen:?}");
    let status = get(&server, "/api/v1/subscriptions/desk/status").json();
    assert_eq!((&status["in_flight"], &status["state"]), (&json!(5), &json!("active")), "{status}");

    let acks = json!({"up_to": [seen[4]["ack_id"]]});
    let acked = post(&server, "/api/v1/subscriptions/desk/ack", &acks).json();
    assert_eq!(acked["results"][0]["state"], "confirmed", "{acked}");
    let status = get(&server, "/api/v1/subscriptions/desk/status").json();
    assert_eq!((&status["in_flight"], &status["lag_events"]), (&json!(0), &json!(0)), "{status}");
    let again = post(&server, "/api/v1/subscriptions/desk/ack", &acks).json();
    assert_eq!(again["results"][0]["state"], "stale", "{again}");

    let last = get(&server, "/api/v1/analysis/indicators/AAPL?timeframe=5m").json();
    assert_eq!(last["interval_start"], "2026-01-02T00:20:00Z", "{last}");
    assert_eq!(last["as_of"]["topic"], "analysis/indicators/5m", "{last}");
    assert_eq!(last["as_of"]["offset"], 4, "{last}");
    // An older interval that comes late is stored and does not win.
    check_published(&server, JSON, &event(12, 9.5), 1);
    let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull).json();
    assert_eq!(pulled["deliveries"][0]["offset"], 5, "{pulled}");
    let last = get(&server, "/api/v1/analysis/indicators/AAPL?timeframe=5m").json();
    assert_eq!(last["interval_start"], "2026-01-02T00:20:00Z", "{last}");
}

#[test]
fn progress_and_last_values_are_there_again_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let desk = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest"});
    assert_eq!(post(&server, "/api/v1/subscriptions", &desk).status, 201);
    check_published(&server, JSON, &indicator_json("AAPL", 0, 1.5), 1);
    check_published(&server, JSON, &indicator_json("AAPL", 5, 2.5), 1);
    let pull = json!({"max": 1, "wait_ms": 20_000, "consumer": "c-1"});
    let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull).json();
    let acks = json!({"ack_ids": [pulled["deliveries"][0]["ack_id"]]});
    let acked = post(&server, "/api/v1/subscriptions/desk/ack", &acks).json();
    assert_eq!(acked["results"][0]["state"], "confirmed", "{acked}");
    server.kill();

    let server = Server::start(&data);
    let pulled = post(&server, "/api/v1/subscriptions/desk/pull", &pull).json();
    assert_eq!(pulled["deliveries"][0]["offset"], 1, "{pulled}");
    assert_eq!(pulled["deliveries"][0]["redelivered"], true, "{pulled}");
    let last = get(&server, "/api/v1/analysis/indicators/AAPL?timeframe=5m");
    // The log may still be read for them.
    assert!(last.status == 200 || last.json()["code"] == "REBUILDING", "{last:?}");
}

#[test]
fn health_and_metrics_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let live = get(&server, "/livez");
    assert_eq!((live.status, &live.json()["status"]), (200, &json!("live")), "{live:?}");
    let ready = get(&server, "/readyz");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")), "{ready:?}");
    check_published(&server, JSON, &indicator_json("AAPL", 0, 1.5), 1);
    let metrics = get(&server, "/metrics");
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(metrics.head.contains("openmetrics-text"), "{}", metrics.head);
    assert!(metrics.body.contains("\ntidings_admit_events_total 1\n"), "{}", metrics.body);
    assert!(metrics.body.ends_with("# EOF\n"), "{}", metrics.body);
}

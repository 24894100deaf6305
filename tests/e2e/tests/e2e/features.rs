//! What users of an indicator distributor check first, each on the real executable: repeats, values
//! that are missing, timeframes of other notations. (Order: `order`; a full disk, a stop under load:
//! `operate`; complete intervals: `intervals`; sequences over a kill: `key_seq`.)

use serde_json::{Value, json};
use tidings_e2e::{Server, ask, indicator_json};

const JSON: &str = "application/json";

fn start() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let all = r#"{"name":"all","topics":["analysis/**"],"start":"earliest"}"#;
    assert_eq!(ask(&server, "POST /api/v1/subscriptions", JSON, all.as_bytes()).status, 201);
    (dir, server)
}

/// Everything that a subscription to everything is given.
fn pulled(server: &Server) -> Vec<Value> {
    let line = "POST /api/v1/subscriptions/all/pull";
    let answer = ask(server, line, JSON, br#"{"max":1000,"wait_ms":2000}"#);
    answer.json()["deliveries"].as_array().unwrap().clone()
}

#[test]
fn an_event_published_five_times_is_stored_and_delivered_once() {
    let (_dir, server) = start();
    let id = "01900000-0000-7000-8000-000000000077";
    let event = indicator_json("AAPL", 0, 1.5).replacen('{', &format!(r#"{{"id":"{id}","#), 1);
    let mut answers = Vec::new();
    for _time in 0..5 {
        let answer = ask(&server, "POST /api/v1/events", JSON, event.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = answer.json()["results"][0].clone();
        answers.push((result["id"].clone(), result["offset"].clone(), result["duplicate"].clone()));
    }
    let expected = |duplicate: bool| (json!(id), json!(0), json!(duplicate));
    assert_eq!(answers[0], expected(false));
    assert_eq!(answers[1..], [true; 4].map(expected));
    let events: Vec<_> = pulled(&server).iter().map(|d| d["event"]["id"].clone()).collect();
    assert_eq!(events, [json!(id)]);
}

#[test]
fn a_value_may_be_missing_with_a_reason_and_never_be_no_number() {
    let (_dir, server) = start();
    let good = indicator_json("AAPL", 0, 1.5);
    let end = r#""interval_end":"2026-01-02T00:05:00Z","#;
    for (wrong, code) in [
        (good.replace("1.5", "NaN"), "NUMBER_NOT_FINITE"),
        (good.replace("1.5", "Infinity"), "NUMBER_NOT_FINITE"),
        (good.replace(end, ""), "FIELD_MISSING"),
        (good.replace("1.5", "{}"), "FIELD_MISSING"),
    ] {
        let answer = ask(&server, "POST /api/v1/events", JSON, wrong.as_bytes());
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(code)), "{wrong}");
    }
    let refused = ask(&server, "GET /metrics", "", b"").body;
    let refused = refused.lines().find(|line| line.starts_with("tidings_serve_errors_total"));
    assert!(refused.unwrap().ends_with(" 4"), "each is counted: {refused:?}");
    let warming = good.replace("1.5", r#"{"status":"WARMING_UP"}"#);
    let answer = ask(&server, "POST /api/v1/events", JSON, warming.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let delivered = pulled(&server);
    assert_eq!(delivered.len(), 1);
    let value = &delivered[0]["event"]["indicators"]["values"]["rsi_14"];
    assert_eq!(value, &json!({"status": "WARMING_UP"}));
}

#[test]
fn a_timeframe_of_another_notation_is_read_by_the_dialect_that_is_named() {
    let (_dir, server) = start();
    let good = indicator_json("AAPL", 0, 1.5);
    for (given, dialect, canonical) in [
        ("1M", "binance", "1mo"),
        ("1mo", "platform", "1mo"),
        ("1m", "binance", "1m"),
        ("1mo", "", "1mo"),
    ] {
        let event = good.replace(r#""5m""#, &format!(r#""{given}""#));
        let query = if dialect.is_empty() { String::new() } else { format!("?dialect={dialect}") };
        let line = format!("POST /api/v1/events{query}");
        let answer = ask(&server, &line, JSON, event.as_bytes());
        assert_eq!(answer.status, 200, "{given} {dialect}: {answer:?}");
        let topic = &answer.json()["results"][0]["topic"];
        assert_eq!(topic, &json!(format!("analysis/indicators/{canonical}")), "{given} {dialect}");
    }
    for (given, query) in [("1x", ""), ("1x", "?dialect=binance"), ("1M", "")] {
        let event = good.replace(r#""5m""#, &format!(r#""{given}""#));
        let line = format!("POST /api/v1/events{query}");
        let problem = ask(&server, &line, JSON, event.as_bytes()).json();
        assert_eq!(
            (&problem["code"], &problem["field"]),
            (&json!("FIELD_INVALID"), &json!("timeframe"))
        );
    }
}

//! One event of each shape goes into the executable; the canonical event comes out, or is told as expired.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};
use tidings_e2e::{Answer, Server, ask, send_raw};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1/shapes");
const EVENTS: &str = "POST /api/v1/events";

fn golden(shape: &str, kind: &str) -> Value {
    let text = fs::read_to_string(format!("{FIXTURES}/{shape}/{kind}.event.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The event that a publish was answered the place of, as it lies in the log.
fn stored(server: &Server, answer: &Answer) -> Value {
    let at = &answer.json()["results"][0];
    let name = at["topic"].as_str().unwrap().replace('/', ":");
    let (partition, offset) = (&at["partition"], &at["offset"]);
    let path =
        format!("GET /api/v1/topics/{name}/events?partition={partition}&offset={offset}&limit=1");
    ask(server, &path, "", b"").json()["events"][0]["event"].clone()
}

/// Publishes a fixture as it lies there.
fn publish(server: &Server, shape: &str, kind: &str) -> Answer {
    if shape == "binary" {
        let request = fs::read(format!("{FIXTURES}/binary/{kind}.http")).unwrap();
        let end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
        let length = request.len() - end - 4;
        let line = format!(
            "{EVENTS} HTTP/1.1\r\nhost: e2e\r\nconnection: close\r\ncontent-length: {length}\r\n"
        );
        return send_raw(server, &[line.as_bytes(), &request].concat(), true);
    }
    let request = fs::read(format!("{FIXTURES}/{shape}/{kind}.json")).unwrap();
    let media =
        if shape == "structured" { "application/cloudevents+json" } else { "application/json" };
    ask(server, EVENTS, media, &request)
}

#[test]
fn one_event_of_each_shape_comes_out_as_its_canonical_event() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let desk = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest"});
    let created =
        ask(&server, "POST /api/v1/subscriptions", "application/json", desk.to_string().as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    let platform = ["indicators", "patterns", "anomaly", "correlation"];
    let all = [&platform[..], &["summary", "interval_complete"]].concat();
    let (mut want, mut stale) = (BTreeMap::new(), 0);
    for (shape, kinds) in
        [("a", &platform[..]), ("b", &platform), ("structured", &all), ("binary", &all)]
    {
        for kind in kinds {
            let answer = publish(&server, shape, kind);
            assert_eq!(answer.status, 200, "{shape} {kind}: {answer:?}");
            let event = golden(shape, kind);
            assert_eq!(stored(&server, &answer), event, "{shape} {kind}");
            if event["expires_at"].is_null() {
                want.insert(event["id"].to_string(), event);
            } else {
                stale += 1;
            }
        }
    }
    let pull = json!({"max": 1_000, "wait_ms": 20_000, "consumer": "c-1"}).to_string();
    let (mut got, mut expired) = (BTreeMap::new(), 0);
    while got.len() < want.len() || expired < stale {
        let pulled = ask(
            &server,
            "POST /api/v1/subscriptions/desk/pull",
            "application/json",
            pull.as_bytes(),
        );
        let document = pulled.json();
        let deliveries = document["deliveries"].as_array().unwrap();
        assert!(!deliveries.is_empty(), "nothing came within the wait: {got:?}");
        for delivery in deliveries {
            if let Some(gap) = delivery.get("gap") {
                assert_eq!(gap["reason"], "EXPIRED");
                expired += gap["count"].as_u64().unwrap();
                continue;
            }
            // The service may have published marks of its own.
            let id = delivery["event"]["id"].to_string();
            if want.contains_key(&id) {
                got.insert(id, delivery["event"].clone());
            }
        }
    }
    assert_eq!((got, expired), (want, stale));
}

#[test]
fn lines_of_mixed_shapes_in_a_dialect_are_stored_and_a_bad_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let a = fs::read_to_string(format!("{FIXTURES}/a/indicators.json")).unwrap();
    let a: Value = serde_json::from_str(&a).unwrap();
    let framed = |frame: &str, id: &str| {
        let mut event = a.clone();
        (event["timeframe"], event["eventId"]) = (frame.into(), id.into());
        event.to_string()
    };
    let lines = [framed("1", "one"), framed("1x", "two"), framed("240", "three")].join("\n");
    let line = "POST /api/v1/events?dialect=tradingview&source=ta-7&venue=XNAS";
    let answer = ask(&server, line, "application/x-ndjson", lines.as_bytes());
    assert_eq!(answer.status, 207, "{answer:?}");
    let results = answer.json()["results"].clone();
    assert_eq!(results[0]["topic"], "analysis/indicators/1m", "{results}");
    assert_eq!(results[1]["error"]["code"], "FIELD_INVALID", "{results}");
    assert_eq!(results[1]["error"]["field"], "timeframe", "{results}");
    assert_eq!(results[2]["topic"], "analysis/indicators/4h", "{results}");
}

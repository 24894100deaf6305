//! What version 1 left behind opens for ever: topics, subscriptions, cursors, events.
//!
//! The committed directory was written by the executable: three events of one key, of which the
//! subscription `readers` had acknowledged the first, and an empty topic `desk/notes`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tidings_e2e::{Server, ask};

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/v1/data");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn get(server: &Server, path: &str) -> Value {
    let answer = ask(server, &format!("GET {path}"), "", b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn values(deliveries: &Value) -> Vec<f64> {
    let value = |d: &Value| d["event"]["indicators"]["values"]["rsi_14"].as_f64().unwrap();
    deliveries.as_array().unwrap().iter().map(value).collect()
}

#[test]
fn a_data_directory_of_version_1_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    copy(Path::new(FIXTURE), &data);
    let server = Server::start(&data);

    let notes = get(&server, "/api/v1/topics/desk:notes");
    assert_eq!((&notes["partitions"], &notes["template"]), (&json!(2), &Value::Null));
    let readers = get(&server, "/api/v1/subscriptions/readers");
    assert_eq!(readers["labels"], json!({"team": "risk"}));

    let pull = json!({"max": 10, "wait_ms": 20_000, "consumer": "c"}).to_string();
    let path = "POST /api/v1/subscriptions/readers/pull";
    let pulled = ask(&server, path, "application/json", pull.as_bytes()).json();
    assert_eq!(values(&pulled["deliveries"]), [2.5, 3.5], "{pulled}");
    assert!(pulled["deliveries"].as_array().unwrap().iter().all(|d| d["redelivered"] == true));

    let next = json!({
        "id": "01890000-0000-7000-8000-000000000004", "source": "fixture", "kind": "INDICATORS",
        "instrument": "AAPL", "venue": "XNAS", "timeframe": "1d",
        "interval_start": "2026-01-04T00:00:00Z", "interval_end": "2026-01-05T00:00:00Z",
        "produced_at": "2026-01-05T00:00:00Z", "indicators": {"values": {"rsi_14": 4.5}}
    });
    let publish = "POST /api/v1/events";
    let answer = ask(&server, publish, "application/json", next.to_string().as_bytes());
    assert_eq!(answer.json()["results"][0]["offset"], 3, "{answer:?}");
}

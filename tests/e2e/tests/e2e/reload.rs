//! SIGHUP reads the configuration again: what may change changes, as a whole or not at all.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidings_e2e::{Server, ask, indicator_json};

const JSON: &str = "application/json";

/// A service with a configuration file beside its data directory.
struct Configured {
    server: Server,
    file: PathBuf,
}

impl Configured {
    fn start(dir: &Path, text: &str) -> Self {
        let file = dir.join("tidings.toml");
        std::fs::write(&file, text).unwrap();
        Self { server: Server::start(&dir.join("data")), file }
    }

    fn shown(&self) -> Value {
        let answer = ask(&self.server, "GET /api/v1/config", "", b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Writes another configuration, has it read, and returns what is shown then.
    fn reload(&self, text: &str) -> Value {
        let before = self.shown();
        std::fs::write(&self.file, text).unwrap();
        self.server.hang_up();
        // Each question is answered before the next one is asked.
        let mut asked = 0;
        loop {
            let now = self.shown();
            if now["generation"] != before["generation"] || now["refused"] != before["refused"] {
                return now;
            }
            asked += 1;
            assert!(asked < 100_000, "not reloaded: {now}, {}", self.server.log());
        }
    }

    fn publish(&self, timeframe: &str) -> (u16, Value) {
        let event = indicator_json("AAPL", 0, 1.5).replace("\"5m\"", &format!("\"{timeframe}\""));
        let answer = ask(&self.server, "POST /api/v1/events", JSON, event.as_bytes());
        (answer.status, answer.json()["code"].clone())
    }
}

#[test]
fn a_new_timeframe_counts_from_the_reload_on() {
    let dir = tempfile::tempdir().unwrap();
    let service = Configured::start(dir.path(), "[topics]\ntimeframes = [\"5m\"]\n");
    assert_eq!(service.publish("5m").0, 200);
    assert_eq!(service.publish("7m"), (404, json!("TOPIC_UNKNOWN")));
    let shown = service.reload("[topics]\ntimeframes = [\"7m\"]\n");
    assert_eq!(shown["config"]["topics"]["timeframes"], json!(["7m"]));
    assert_eq!(shown["generation"], 2);
    assert_eq!(service.publish("7m").0, 200);
    // A topic that is there stays.
    assert_eq!(service.publish("5m").0, 200);
    assert_eq!(service.publish("9m").0, 404);
}

#[test]
fn limits_and_the_log_level_change_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let service = Configured::start(dir.path(), "[logging]\nlevel = \"error\"\n");
    let two = format!("[{0},{0}]", indicator_json("AAPL", 0, 1.5));
    let publish = || ask(&service.server, "POST /api/v1/events", JSON, two.as_bytes());
    assert_eq!(publish().status, 200);
    assert!(!service.server.log().contains("\"INFO\""), "{}", service.server.log());
    service.reload("[limits]\nbatch_events = 1\n[logging]\nlevel = \"info\"\n");
    let refused = publish();
    assert_eq!((refused.status, refused.json()["code"].clone()), (413, json!("BATCH_TOO_LARGE")));
    assert!(service.server.log().contains("configuration reloaded"), "{}", service.server.log());
    service.reload("");
    assert_eq!(publish().status, 200);
}

#[test]
fn what_cannot_change_is_named_and_waits() {
    let dir = tempfile::tempdir().unwrap();
    let service = Configured::start(dir.path(), "");
    let text = "[log]\nring_bytes = 1048576\n[limits]\ntopics = 7\n";
    let shown = service.reload(text);
    let waiting = json!([{"key": "log.ring_bytes", "in_force": 33554432, "written": 1048576}]);
    assert_eq!(shown["waiting_for_restart"], waiting);
    assert_eq!(shown["config"]["log"]["ring_bytes"], 33554432);
    assert_eq!(shown["config"]["limits"]["topics"], 7);
    assert!(service.server.log().contains("needs restart"), "{}", service.server.log());
    let metrics = ask(&service.server, "GET /metrics", "", b"").body;
    assert!(metrics.contains("tidings_config_waiting_keys 1\n"), "{metrics}");
    assert_eq!(service.reload("")["waiting_for_restart"], json!([]));
}

#[test]
fn a_bad_file_changes_nothing_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let service = Configured::start(dir.path(), "[topics]\ntimeframes = [\"5m\"]\n");
    let bad = "[topics]\ntimeframes = [\"7m\"]\n\n[limits]\nbatch_evnts = 1\n";
    let shown = service.reload(bad);
    let refused = shown["refused"].as_str().unwrap();
    assert!(refused.contains("tidings.toml:5: unknown key `batch_evnts`"), "{refused}");
    assert!(refused.contains("did you mean `batch_events`?"), "{refused}");
    assert_eq!(shown["generation"], 1);
    assert_eq!(service.publish("7m").0, 404);
    // Valid keys with a value that another stage would refuse are no better.
    let shown = service.reload("[topics]\ntimeframes = [\"7 minutes\"]\n[limits]\ntopics = 1\n");
    assert!(shown["refused"].as_str().unwrap().contains("topics.timeframes"), "{shown}");
    assert_eq!(shown["config"]["limits"]["topics"], 1000);
    let shown = service.reload("[topics]\ntimeframes = [\"7m\"]\n");
    assert_eq!(shown["refused"], Value::Null);
    assert_eq!(service.publish("7m").0, 200);
    let metrics = ask(&service.server, "GET /metrics", "", b"").body;
    assert!(metrics.contains("tidings_config_errors_total 2\n"), "{metrics}");
}

//! Damage on the disk is named, and never more is lost than it hit.

use std::path::{Path, PathBuf};

use serde_json::json;
use tidings_e2e::{Server, ask, indicator_json, run};

const JSON: &str = "application/json";

fn publish(server: &Server, instrument: &str, minute: u64) {
    let event = indicator_json(instrument, minute, 1.5);
    let answer = ask(server, "POST /api/v1/events", JSON, event.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Flips bits where `text` stands in a segment.
pub(crate) fn damage(data: &Path, text: &str) {
    let files = std::fs::read_dir(data.join("short")).unwrap().map(|entry| entry.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|kind| kind == "seg"));
    let find = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).position(|window| window == text.as_bytes())
    };
    let (path, at) = segments.filter_map(|path| find(&path).map(|at| (path, at))).next().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 0xff;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_event_is_named_and_the_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    for (minute, instrument) in ["FIRST", "VICTIM", "LAST"].into_iter().enumerate() {
        publish(&server, instrument, minute as u64 * 5);
    }
    assert_eq!(server.terminate().code, Some(0));
    assert_eq!(run(dir.path(), &["check", "data"]).code, Some(0));

    damage(&data, "VICTIM");
    let checked = run(dir.path(), &["check", "data"]);
    assert_eq!(checked.code, Some(3), "{checked:?}");
    assert!(checked.stdout.contains("offsets 0..=0"), "{checked:?}");
    assert!(checked.stderr.contains("damaged"), "{checked:?}");

    let server = Server::start(&data);
    let request = json!({"name": "s", "topics": ["analysis/**"], "start": "earliest"});
    let created = ask(&server, "POST /api/v1/subscriptions", JSON, request.to_string().as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    let (mut instruments, mut gaps) = (Vec::new(), Vec::new());
    while instruments.len() + gaps.len() < 3 {
        let pull = r#"{"max":10,"wait_ms":20000,"consumer":"c"}"#;
        let pulled = ask(&server, "POST /api/v1/subscriptions/s/pull", JSON, pull.as_bytes());
        let document = pulled.json();
        let items = document["deliveries"].as_array().unwrap();
        assert!(!items.is_empty(), "nothing came within the wait: {instruments:?}, {gaps:?}");
        for item in items {
            match &item["gap"] {
                serde_json::Value::Null => instruments.push(item["event"]["instrument"].clone()),
                gap => gaps.push((gap["reason"].clone(), gap["from"].clone(), gap["to"].clone())),
            }
        }
    }
    instruments.sort_by_key(ToString::to_string);
    assert_eq!(instruments, ["FIRST", "LAST"]);
    assert_eq!(gaps, [(json!("DATA_LOSS"), json!(0), json!(0))]);
    // It goes on behind the gap.
    publish(&server, "VICTIM", 20);
}

#[test]
fn a_log_whose_files_may_not_grow_counts_as_one_on_a_full_disk_and_goes_on_when_they_may() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start_limited(&dir.path().join("data"), 128);
    let request = json!({"name": "s", "topics": ["analysis/**"], "start": "earliest"});
    let created = ask(&server, "POST /api/v1/subscriptions", JSON, request.to_string().as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    let publish =
        |n| ask(&server, "POST /api/v1/events", JSON, indicator_json("AAPL", n, 1.5).as_bytes());
    std::thread::scope(|scope| {
        let (told, stored) = std::sync::mpsc::sync_channel(200);
        let publishing = scope.spawn(move || {
            for n in 0..200 {
                // Whether this one or a mark is the first without room is a matter of time: what is refused is sent again.
                let mut answers = std::iter::repeat_with(|| publish(n).status);
                assert_eq!(answers.find(|status| *status != 507), Some(200));
                told.send(n).unwrap();
            }
        });
        while ask(&server, "GET /readyz", "", b"").status != 503 {}
        let refused = publish(200);
        assert_eq!((refused.status, &refused.json()["code"]), (507, &json!("STORAGE_FULL")));
        assert!(!publishing.is_finished(), "nothing is stored without room");
        let stored_before: Vec<_> = stored.try_iter().collect();
        assert!(!stored_before.is_empty());
        let mut delivered = 0;
        while delivered < stored_before.len() {
            let pull = r#"{"max":1000,"wait_ms":20000,"consumer":"c"}"#;
            let pulled = ask(&server, "POST /api/v1/subscriptions/s/pull", JSON, pull.as_bytes());
            let document = pulled.json();
            let items = document["deliveries"].as_array().unwrap();
            assert!(!items.is_empty(), "{delivered} of {stored_before:?} came within the wait");
            delivered += items.len();
        }
        server.let_files_grow();
        publishing.join().unwrap();
        let all = stored_before.into_iter().chain(stored.try_iter());
        assert_eq!(all.collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    });
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_lost_identity_is_made_anew_from_the_segments() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data).terminate().code, Some(0));
    std::fs::write(data.join("log.meta"), b"not a log").unwrap();
    assert_eq!(Server::start(&data).terminate().code, Some(0));
    let checked = run(dir.path(), &["check", "data"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn a_directory_that_is_not_a_log_any_more_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("log.meta"), b"not a log").unwrap();
    let ended = run(dir.path(), &["serve", "--addr", "127.0.0.1:0", "--data-dir", "data"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("log.meta"), "{ended:?}");
}

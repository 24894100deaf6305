//! The capacity file: measured by `tidings bench --here`, read by the service, shown by `doctor`.

use std::path::Path;

use serde_json::Value;
use tidings_e2e::{Server, ask, indicator_json, metric, run};

const CAPACITY: &str = "tidings_admit_capacity_events_per_second";
const USED: &str = "tidings_admit_capacity_used_percent";

/// Verdict and text of the doctor on the capacity.
fn doctor(dir: &Path, arguments: &[&str]) -> (String, String) {
    let ended = run(dir, &[&["--json", "doctor"], arguments].concat());
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == "capacity").unwrap();
    let text = |name: &str| found[name].as_str().unwrap().to_owned();
    (text("verdict"), text("found"))
}

const OFFLINE: [&str; 4] = ["--addr", "127.0.0.1:0", "--data-dir", "data"];

#[test]
fn this_machine_is_measured_and_the_service_goes_by_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(doctor(dir.path(), &OFFLINE).1, "not measured; `tidings bench --here` does");
    // A debug build on a busy machine: what is found is of no interest here, that it is found is.
    let small = ["--for", "200ms", "--rounds", "1", "--instruments", "20", "--ack-p99", "10s"];
    let here = ["bench", "--here", "--data-dir", "data", "--json"];
    let ended = run(dir.path(), &[&here[..], &small].concat());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told: Value = serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&told["file"], told["capacity"]["burst_events"].as_u64()),
        (&"data/capacity.toml".into(), Some(200))
    );
    let rate = told["capacity"]["events_per_second"].as_u64().unwrap();
    assert!(rate > 0, "{told}");
    assert!(
        told["capacity"]["sync_p99_us"].is_u64() && told["capacity"]["ack_p99_ms"].is_f64(),
        "{told}"
    );
    let left: Vec<_> =
        std::fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["capacity.toml"]);
    // The log does not mind the file, and the file is read.
    let server = Server::start(&data);
    assert_eq!((metric(&server, CAPACITY), metric(&server, USED)), (rate, 0));
    assert!(server.log().contains("capacity file"), "{}", server.log());
    let (verdict, found) = doctor(dir.path(), &["--server", server.url()]);
    assert_eq!(
        (verdict.as_str(), found),
        ("ok", format!("0 % of {rate} events/s used in the last 10 s"))
    );
    assert_eq!(server.terminate().code, Some(0));
    let (verdict, found) = doctor(dir.path(), &OFFLINE);
    assert_eq!(
        (verdict.as_str(), found.starts_with(&format!("{rate} events/s"))),
        ("ok", true),
        "{found}"
    );
    assert_eq!(run(dir.path(), &["check", "data"]).code, Some(0));
}

#[test]
fn a_load_near_the_capacity_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("capacity.toml"), "events_per_second = 1\n").unwrap();
    let server = Server::start(&data);
    let events: Vec<String> = (0..100).map(|at| indicator_json("AAPL", at * 5, 1.5)).collect();
    let body = format!("[{}]", events.join(","));
    let answer = ask(&server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    server.until_it_logs("measured capacity is nearly used");
    assert_eq!((metric(&server, CAPACITY), metric(&server, USED)), (1, 1_000));
    let (verdict, found) = doctor(dir.path(), &["--server", server.url()]);
    assert_eq!((verdict.as_str(), &*found), ("warn", "1000 % of 1 events/s used in the last 10 s"));
    // Ten seconds later it is over.
    server.until_it_logs("there is capacity again");
}

#[test]
fn a_bad_file_stops_the_start_and_names_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("measured.toml");
    let serve = |with: &str, says: &str| {
        std::fs::write(dir.path().join("tidings.toml"), format!("[admission]\n{with}\n")).unwrap();
        let ended = run(dir.path(), &["serve", "--addr", "127.0.0.1:0", "--data-dir", "data"]);
        assert_eq!((ended.code, ended.stderr.contains(says)), (Some(2), true), "{ended:?}");
        let (verdict, found) = doctor(dir.path(), &OFFLINE);
        assert_eq!((verdict.as_str(), found.contains(says)), ("fail", true), "{found}");
    };
    let named = "capacity_file = \"measured.toml\"";
    serve(named, "`admission.capacity_file` is measured.toml, which is not there");
    std::fs::write(&file, "events_per_second = \"many\"\n").unwrap();
    serve(named, "capacity file measured.toml: line 1: `events_per_second`: ");
    std::fs::write(&file, "events_per_second = 5\nbursts = 1\n").unwrap();
    serve(named, "unknown field `bursts`");
    std::fs::write(dir.path().join("data/capacity.toml"), "events_per_second = 0\n").unwrap();
    serve("capacity_file = \"\"", "data/capacity.toml: `events_per_second` is 0");
    // Of another machine it is only told.
    std::fs::write(&file, "events_per_second = 5\ncores = 4096\n").unwrap();
    std::fs::write(dir.path().join("tidings.toml"), format!("[admission]\n{named}\n")).unwrap();
    let (verdict, found) = doctor(dir.path(), &OFFLINE);
    assert_eq!((verdict.as_str(), found.contains("with 4096 cores")), ("warn", true), "{found}");
}

//! `tidings bench` against a running service: what it says, that it leaves nothing, that it can fail.

use std::path::Path;
use std::process::Command;
use std::thread;

use serde_json::Value;
use tidings_e2e::{Finished, Server, ask, executable, finish, metric, run};

const JSON: &str = "application/json";

/// As small as it gets.
const SMALL: [&str; 6] = ["--events", "6000", "--rate", "800", "--instruments", "20"];

fn bench(dir: &Path, server: &Server, arguments: &[&str]) -> (Finished, Value) {
    let small = [&SMALL[..], &["--for", "1s"]].concat();
    let ended = run(dir, &[&["bench", "--server", server.url()], &small[..], arguments].concat());
    let document = ended.stdout.lines().last().and_then(|line| serde_json::from_str(line).ok());
    (ended, document.unwrap_or_default())
}

fn nothing_is_left(server: &Server) {
    let topics = ask(server, "GET /api/v1/topics", "", b"").json();
    assert_eq!(topics["topics"], Value::Array(Vec::new()), "{topics}");
    let subscriptions = ask(server, "GET /api/v1/subscriptions", "", b"").json();
    assert_eq!(subscriptions["subscriptions"], Value::Array(Vec::new()), "{subscriptions}");
}

#[test]
fn a_running_service_is_measured_and_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let kept = ["--save", "kept.json", "--svg", "kept.svg"];
    let asked = [&["--rounds", "2", "--consumers", "2", "--json"], &kept[..]].concat();
    let (ended, document) = bench(dir.path(), &server, &asked);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(document["failures"], Value::Array(Vec::new()), "{document}");
    let scenarios = document["scenarios"].as_array().unwrap();
    let names: Vec<&str> = scenarios.iter().filter_map(|row| row["scenario"].as_str()).collect();
    assert_eq!(names, ["ingest", "fan-out", "latency", "replay", "burst"]);
    for (row, events) in scenarios.iter().zip([6_000, 6_000, 800, 6_000, 200]) {
        let rounds = row["rounds"].as_array().unwrap();
        assert_eq!(rounds.len(), 2, "{row}");
        for round in rounds {
            assert_eq!(round["events"], events, "{row}");
            assert!(round["events_per_second"].as_f64().unwrap() > 0.0, "{row}");
            assert!(round["client_cpu_ns_per_event"].is_number(), "{row}");
            assert!(round["server_syncs_per_second"].is_number(), "{row}");
            let timed = matches!(row["scenario"].as_str().unwrap(), "latency" | "burst");
            for of in ["ack_ms", "receipt_ms"] {
                let at = |name: &str| round[of][name].as_f64();
                assert_eq!(at("p50").is_some(), timed, "{row}");
                assert!(at("p50") <= at("p99") && at("p99") <= at("p99.9"), "{row}");
            }
        }
    }
    let saved = std::fs::read_to_string(dir.path().join("kept.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&saved).unwrap(), document);
    let picture = std::fs::read_to_string(dir.path().join("kept.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("fan-out, 2 consumers"), "{picture}");
    nothing_is_left(&server);
    // Two rounds and a warm-up.
    assert_eq!(metric(&server, "tidings_admit_events_total"), 6_000 + 2 * (3 * 6_000 + 1_000));
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn people_are_shown_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let (ended, _) = bench(dir.path(), &server, &["--scenario", "latency,ingest", "--rounds", "1"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = |start: &str| ended.stdout.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!((lines("ingest "), lines("latency ")), (1, 3), "{}", ended.stdout);
    assert!(ended.stdout.trim_end().ends_with("PASSED"), "{}", ended.stdout);
    assert!(ended.stderr.contains("ingest, round 1: "), "{}", ended.stderr);
    nothing_is_left(&server);
}

/// Sets the bench's subscription back as soon as some of it was settled, so that events come again.
fn set_back(server: &Server, has_ended: impl Fn() -> bool) {
    while !has_ended() {
        let list = ask(server, "GET /api/v1/subscriptions", "", b"").json();
        let names = list["subscriptions"].as_array().unwrap().iter();
        let name = names.filter_map(|one| one["name"].as_str()).next_back();
        // Not those of the warm-up, which is over with its 6,000 events.
        let settled = metric(server, "tidings_settle_acked_events_total");
        if let Some(name) = name.filter(|_| settled > 6_100) {
            let line = format!("POST /api/v1/subscriptions/{name}/seek");
            assert_eq!(ask(server, &line, JSON, br#"{"to":"earliest"}"#).status, 200);
            return;
        }
        thread::yield_now();
    }
}

#[test]
fn events_that_come_again_fail_the_run_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let mut command = Command::new(executable());
    command.args(["bench", "--server", server.url()]).args(SMALL).current_dir(dir.path());
    command.args(["--scenario", "latency", "--for", "4s", "--rounds", "1"]);
    let ended = thread::scope(|scope| {
        let running = scope.spawn(|| finish(command, ""));
        set_back(&server, || running.is_finished());
        running.join().unwrap()
    });
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("FAILED\n  latency, round 1, consumer 1: "), "{ended:?}");
    assert!(
        ended.stdout.contains(" repeated") || ended.stdout.contains("not of this run"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("the output is not what was put in"), "{ended:?}");
    nothing_is_left(&server);
}

#[test]
fn what_cannot_be_measured_is_told_by_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let nobody = run(dir.path(), &["bench", "--server", "http://127.0.0.1:1"]);
    assert_eq!(nobody.code, Some(4), "{nobody:?}");
    for wrong in [
        &["--data-dir", "data"][..],
        &["--scenario", "none"],
        &["--for", "1ms"],
        &["--here", "--rate", "5"],
    ] {
        let ended = run(dir.path(), &[&["bench"], wrong].concat());
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
    }
}

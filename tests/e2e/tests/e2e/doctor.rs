//! `tidings doctor` under conditions that are really so.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tidings_e2e::{Finished, Server, Tmpfs, ask, executable, finish, indicator_json, run};

/// Runs it offline, with a port that was free a moment ago.
fn doctor(dir: &Path, arguments: &[&str]) -> (Finished, Value) {
    let offline = ["--json", "doctor", "--addr", "127.0.0.1:0", "--data-dir", "data"];
    told(run(dir, &[&offline[..], arguments].concat()))
}

fn told(ended: Finished) -> (Finished, Value) {
    let document = serde_json::from_str(&ended.stdout).unwrap_or_default();
    (ended, document)
}

/// What a check found; it says why and what to do unless all is well.
fn finding<'a>(document: &'a Value, check: &str) -> (&'a str, &'a str) {
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no `{check}` in {document}"));
    let verdict = found["verdict"].as_str().unwrap();
    assert_eq!(found["why"].is_string(), verdict != "ok", "{found}");
    assert_eq!(found["do"].is_string(), verdict != "ok", "{found}");
    (verdict, found["found"].as_str().unwrap())
}

#[test]
fn a_machine_and_a_log_that_are_well_pass() {
    let dir = tempfile::tempdir().unwrap();
    let (ended, document) = doctor(dir.path(), &[]);
    assert_eq!(ended.code, Some(0), "{document}");
    for check in ["versions", "configuration", "data directory", "free space", "port", "clock"] {
        assert_ne!(finding(&document, check).0, "fail", "{document}");
    }
    assert!(finding(&document, "sync speed").1.contains("p99"), "{document}");
    let server = Server::start(&dir.path().join("data"));
    let event = indicator_json("AAPL", 0, 1.5);
    assert_eq!(
        ask(&server, "POST /api/v1/events", "application/json", event.as_bytes()).status,
        200
    );
    assert_eq!(server.terminate().code, Some(0));
    let (ended, document) = doctor(dir.path(), &[]);
    assert_eq!(ended.code, Some(0), "{document}");
    assert!(finding(&document, "log").1.ends_with("sound"), "{document}");
    // Nothing stays behind.
    let left = std::fs::read_dir(dir.path().join("data")).unwrap();
    let left = left
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("doctor"));
    assert_eq!(left.count(), 0);
    let text = run(dir.path(), &["doctor", "--addr", "127.0.0.1:0", "--data-dir", "data"]);
    assert!(text.stdout.lines().any(|line| line.starts_with("ok    log")), "{}", text.stdout);
}

#[test]
fn a_full_disk_fails() {
    let dir = tempfile::tempdir().unwrap();
    let Some(small) = Tmpfs::mount(&dir.path().join("data"), 8) else { return };
    small.fill();
    let (ended, document) = doctor(dir.path(), &[]);
    assert_eq!(ended.code, Some(1), "{document}");
    assert!(ended.stderr.contains("checks failed"), "{}", ended.stderr);
    assert_eq!(finding(&document, "free space").0, "fail", "{document}");
    assert_eq!(finding(&document, "sync speed").0, "fail", "{document}");
    let (verdict, found) = finding(&document, "file system");
    assert_eq!((verdict, found.starts_with("tmpfs")), ("fail", true), "{document}");
}

#[test]
fn low_limits_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = Command::new("bash");
    let script = "ulimit -n 64; ulimit -f 1024; exec \"$0\" --json doctor --addr 127.0.0.1:0 --data-dir data";
    limited.args(["-c", script]).arg(executable()).current_dir(dir.path());
    // A coverage profile cut off at the limit could not be read.
    limited.env("LLVM_PROFILE_FILE", "/dev/null");
    let (ended, document) = told(finish(limited, ""));
    assert_eq!(ended.code, Some(1), "{document}");
    assert_eq!(finding(&document, "open files").0, "fail", "{document}");
    assert_eq!(finding(&document, "file size").0, "fail", "{document}");
}

#[test]
fn a_damaged_log_fails() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("log.meta"), b"not a log").unwrap();
    let (ended, document) = doctor(dir.path(), &[]);
    assert_eq!(ended.code, Some(1), "{document}");
    let (verdict, found) = finding(&document, "log");
    assert_eq!((verdict, found.contains("log.meta")), ("fail", true), "{document}");
}

#[test]
fn a_taken_port_and_a_bad_configuration_fail() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let arguments = ["--json", "doctor", "--data-dir", "data", "--addr", addr.as_str()];
    let (ended, document) = told(run(dir.path(), &arguments));
    assert_eq!(ended.code, Some(1), "{document}");
    let (verdict, found) = finding(&document, "port");
    assert_eq!(verdict, "fail", "{document}");
    // It is this test that has it.
    assert!(found.contains(&std::process::id().to_string()), "{document}");
    std::fs::write(dir.path().join("tidings.toml"), "[log]\nretentoin = 1\n").unwrap();
    let (ended, document) = doctor(dir.path(), &[]);
    assert_eq!(ended.code, Some(1), "{document}");
    let (verdict, found) = finding(&document, "configuration");
    assert_eq!((verdict, found.contains("tidings.toml:2")), ("fail", true), "{document}");
}

#[test]
fn a_running_service_is_examined_from_the_outside() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let (ended, document) = told(run(dir.path(), &["--json", "doctor", "--server", server.url()]));
    assert_eq!(ended.code, Some(0), "{document} {}", ended.stderr);
    for check in
        ["reachable", "ready", "version", "configuration", "log", "pressure", "durability", "lag"]
    {
        assert_eq!(finding(&document, check).0, "ok", "{document}");
    }
    // From beside it, its lock and its port are seen to be its own.
    let both = ["--json", "doctor", "--data-dir", "data", "--addr", server.addr()];
    let (ended, document) = told(run(dir.path(), &both));
    assert_eq!(ended.code, Some(0), "{document}");
    assert_eq!(finding(&document, "log").0, "warn", "{document}");
    assert_eq!(finding(&document, "port").0, "warn", "{document}");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_service_that_cannot_be_reached_is_exit_code_4() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &["doctor", "--server", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
}

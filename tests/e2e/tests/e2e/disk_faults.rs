//! The disk of the running service fails, waits or fills up: what was acknowledged stays, nothing is
//! acknowledged that is not stored, everybody is told by its code, and who only reads goes on.

use serde_json::{Value, json};
use tidings_e2e::{Answer, Call, Desk, Fault, Server, Shim, ask, indicator};

const JSON: &str = "application/json";
const TOPICS: &[&str] = &["analysis/**"];

fn publish(server: &Server, number: u64) -> Answer {
    let text = tidings_event::json::to_json(&indicator("AAPL", "1m", number)).unwrap();
    ask(server, "POST /api/v1/events", JSON, text.as_bytes())
}

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    answer.json()["code"].as_str().unwrap_or_default().to_owned()
}

/// Everything a subscription is given, acknowledged.
fn drained(desk: &Desk<'_>, least: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < least {
        let pulled = desk.pull(1000);
        assert!(desk.ack(&pulled).iter().all(|state| state == "confirmed"));
        numbers.extend(pulled.iter().map(|event| event.number));
    }
    numbers
}

#[test]
fn a_failed_sync_is_unknown_once_then_read_only_and_a_restart_has_all_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    let desk = Desk::open(&server, "desk", TOPICS, &json!({}));
    for number in 0..5 {
        assert_eq!(publish(&server, number).status, 200);
    }
    shim.only("/data/short/");
    shim.hit(Call::Sync, Fault::Broken, 0, 1);
    assert_eq!(code(&publish(&server, 5)), "UNKNOWN_OUTCOME");
    assert_eq!(shim.hits(Call::Sync), 1, "the fault fired");
    let syncs = shim.calls(Call::Sync);
    for number in 6..9 {
        assert_eq!(code(&publish(&server, number)), "LOG_READ_ONLY");
    }
    assert_eq!(shim.calls(Call::Sync), syncs, "no sync is tried again");
    let ready = ask(&server, "GET /readyz", "", b"");
    assert_eq!((ready.status, code(&ready)), (503, "NOT_READY".to_owned()), "{ready:?}");
    // Who reads and acknowledges goes on: that is another journal.
    assert_eq!(drained(&desk, 5), [0, 1, 2, 3, 4]);
    assert_eq!(server.terminate().code, Some(0));
    shim.heal();
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 9).status, 200);
    let desk = Desk::of(&server, "desk", "desk");
    let rest = drained(&desk, 1);
    assert!(
        rest == [9] || rest == [5, 9],
        "the unknown one may be there, the refused never: {rest:?}"
    );
    assert_eq!(desk.letters(), [] as [Value; 0]);
}

#[test]
fn without_a_fault_the_shim_changes_nothing_and_counts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let shim = Shim::over(&data);
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 0).status, 200);
    assert_eq!(server.terminate().code, Some(0));
    for call in [Call::Open, Call::Write, Call::Sync, Call::SyncDir, Call::Rename] {
        assert!(shim.calls(call) > 0, "{call:?} is seen");
    }
    // Syncs that do nothing are what a power cut must find.
    let synced = shim.calls(Call::Sync);
    shim.hit_all(Call::Sync, Fault::Skipped);
    let server = Server::start_by(shim.command(), &data);
    assert_eq!(publish(&server, 1).status, 200);
    drop(server);
    assert_eq!(shim.hits(Call::Sync), shim.calls(Call::Sync) - synced);
    assert!(Call::ALL.iter().all(|call| shim.waits(*call) == 0));
}

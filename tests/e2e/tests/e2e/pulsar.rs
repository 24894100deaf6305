//! The service with its log on a real Pulsar, driven as on its own disk; and what it says where there is none.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tidings_client::PublisherOptions;
use tidings_e2e::{
    Chronicle, Desk, Engine, Finished, Pulsar, Server, TestEvent, Thresholds, Witness, ask,
    executable, finish, indicator, soon, subscribe,
};

const TOPICS: &[&str] = &["analysis/**"];
const EVENTS: u64 = 600;
const KEYS: [&str; 4] = ["AAPL", "MSFT", "IBM", "GOOG"];

pub(crate) fn event(number: u64) -> Vec<u8> {
    indicator(KEYS[(number % 4) as usize], "1m", number)
}

/// Publishes these one after the other, and waits until all are stored.
pub(crate) async fn publish(server: &Server, chronicle: &Chronicle, numbers: std::ops::Range<u64>) {
    let client = server.client().await;
    let opened = client.publisher(PublisherOptions::sequenced("p"));
    let publisher = soon("a publisher", opened).await.unwrap();
    let mut receipts = vec![];
    for event in numbers.map(event) {
        chronicle.invoke("p", &event);
        let receipt = soon("room", publisher.send(&event)).await.unwrap();
        receipts.push((event, receipt));
    }
    for (event, receipt) in receipts {
        let outcome = soon("an outcome", receipt).await;
        chronicle.outcome(&event, &outcome);
        outcome.unwrap();
    }
}

/// Reads and acknowledges until so many events came, and until so many acks are confirmed.
pub(crate) async fn read(server: &Server, chronicle: &Chronicle, events: usize) -> Vec<TestEvent> {
    let mut witness = Witness::attach(&server.client().await, chronicle, "all").await;
    let mut seen = vec![];
    while seen.len() < events || witness.confirmed() < seen.len() as u64 {
        let Some(delivered) = witness.next().await.unwrap() else { continue };
        seen.extend(delivered.events().map(|event| TestEvent::read(event.unwrap().event)));
        witness.ack(&delivered).await.unwrap();
    }
    witness.detach().await;
    seen
}

pub(crate) fn get(server: &Server, path: &str) -> Value {
    let answer = ask(server, &format!("GET {path}"), "", b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_on_pulsar_outlives_a_restart_and_comes_once() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", TOPICS);
    let server = engine.start(&data);
    assert_eq!(ask(&server, "GET /readyz", "", b"").status, 200);
    subscribe(&server.client().await, "all", TOPICS).await;
    publish(&server, &chronicle, 0..EVENTS).await;
    let first = read(&server, &chronicle, EVENTS as usize / 2).await;
    let sheet = get(&server, "/api/v1/topics/analysis:indicators:1m/guarantees").to_string();
    assert!(sheet.contains("engine = pulsar"), "{sheet}");
    let config = get(&server, "/api/v1/config");
    assert_eq!(config["config"]["engine"]["kind"], "pulsar", "{config}");
    assert!(!data.exists(), "the data directory is the embedded engine's");
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    chronicle.mark("restart", None);

    let server = engine.start(&data);
    // Nothing that was confirmed comes again.
    let rest = read(&server, &chronicle, EVENTS as usize - first.len()).await;
    let mut all = [first, rest].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), EVENTS as usize);
    publish(&server, &chronicle, EVENTS..EVENTS + 40).await;
    read(&server, &chronicle, 40).await;
    assert_eq!(server.terminate().code, Some(0));
    engine.record_stored(&data, &chronicle, "the log").await;
    chronicle.judge(&Thresholds {
        min_acked: EVENTS as usize + 40,
        min_deliveries: EVENTS as usize + 40,
        expect_marks: vec!["restart".to_owned()],
        ..Thresholds::default()
    });
}

#[test]
fn what_fails_on_pulsar_is_a_dead_letter_and_is_traced() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let server = engine.start(&data);
    let (bad, good) = (indicator("AAPL", "5m", 0), indicator("MSFT", "5m", 0));
    let texts = [&bad, &good].map(|event| tidings_event::json::to_json(event).unwrap());
    let body = format!("[{}]", texts.join(","));
    let answer = ask(&server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    let retry = json!({"retry": {"max_attempts": 2, "min_backoff_ms": 1, "max_backoff_ms": 2}});
    let desk = Desk::open(&server, "desk", TOPICS, &retry);
    while desk.letters().is_empty() {
        let (failing, fine): (Vec<_>, _) =
            desk.pull_within(10, 500).into_iter().partition(|event| event.instrument == "AAPL");
        desk.nack(&failing);
        desk.ack(&fine);
    }
    let id = tidings_event::format_event_id(&tidings_event::scan(&bad).unwrap().id);
    server.kill();

    let server = engine.start(&data);
    let desk = Desk::of(&server, "desk", "desk");
    assert_eq!(desk.letters().len(), 1);
    let trace = get(&server, &format!("/api/v1/events/{id}/trace?source=e2e"));
    assert_eq!(trace["subscriptions"][0]["outcome"], "dead_lettered", "{trace}");
    let redriven = desk.call("POST", "/dead-letters/redrive", &json!({"all": true}));
    let again = desk.pull(10);
    assert_eq!((again[0].name(), again.len()), (("AAPL", 0), 1), "{redriven}");
    assert_eq!(desk.ack(&again), ["confirmed"]);
    assert_eq!(server.terminate().code, Some(0));
}

/// Runs a command on an engine to its end.
fn run_on(engine: &Engine, dir: &Path, arguments: &[&str]) -> Finished {
    let mut command = engine.command();
    command.args(arguments).current_dir(dir);
    finish(command, "")
}

fn doctor(engine: &Engine, dir: &Path) -> (Option<i32>, Value) {
    let ended = run_on(engine, dir, &["--json", "doctor", "--addr", "127.0.0.1:0"]);
    (ended.code, serde_json::from_str(&ended.stdout).unwrap_or_default())
}

/// Verdict and words of one check.
fn finding(document: &Value, check: &str) -> (String, String) {
    let findings = document["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["check"] == check);
    let found = found.unwrap_or_else(|| panic!("no `{check}` in {document}"));
    let text = |member: &str| found[member].as_str().unwrap_or_default().to_owned();
    (text("verdict"), text("found"))
}

#[test]
fn the_doctor_examines_pulsar_and_the_service_refuses_what_loses_events() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let (code, before) = doctor(&engine, dir.path());
    assert_eq!(code, Some(0), "{before}");
    assert!(finding(&before, "broker").1.starts_with("Pulsar "), "{before}");
    assert!(finding(&before, "namespace").1.contains("the first start makes it"), "{before}");
    assert_eq!(finding(&before, "connection").0, "ok", "{before}");

    let server = engine.start(&dir.path().join("data"));
    let (code, running) = doctor(&engine, dir.path());
    assert_eq!(code, Some(0), "{running}");
    for check in ["retention", "deduplication", "topic creation", "idle topics", "backlog quota"] {
        assert_eq!(finding(&running, check).0, "ok", "{running}");
    }
    assert_eq!(finding(&running, "owner").0, "warn", "{running}");
    assert_eq!(server.terminate().code, Some(0));

    let Engine::Pulsar(options) = &engine else { panic!("it is one") };
    let place = format!("persistent/{}/{}", options.tenant, options.namespace);
    let repeats = format!("{place}/short/deduplicationEnabled");
    pulsar.ask("POST", &repeats, "true");
    let (code, broken) = doctor(&engine, dir.path());
    assert_eq!(code, Some(1), "{broken}");
    assert_eq!(finding(&broken, "deduplication").0, "fail", "{broken}");
    let refused = run_on(&engine, dir.path(), &["serve", "--addr", "127.0.0.1:0"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    for words in ["cannot keep what is promised: deduplication", "remove-deduplication"] {
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
    pulsar.ask("DELETE", &repeats, "");
    assert_eq!(engine.start(&dir.path().join("data")).terminate().code, Some(0));
}

/// Runs a command beside a configuration that says that the log is on a broker that nobody has.
fn run_nowhere(arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let config = "[engine]\nkind = \"pulsar\"\n[engine.pulsar]\nurl = \"pulsar://127.0.0.1:1\"\n\
                  admin_url = \"http://127.0.0.1:1\"\nstart_seconds = 1\n";
    std::fs::write(dir.path().join("tidings.toml"), config).unwrap();
    let mut command = Command::new(executable());
    command.args(arguments).envs(variables.iter().copied()).current_dir(dir.path());
    finish(command, "")
}

#[test]
fn a_pulsar_that_is_not_there_ends_the_start_with_what_to_do() {
    let ended = run_nowhere(&["serve", "--addr", "127.0.0.1:0"], &[]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    let last = ended.stderr.lines().last().unwrap();
    for words in ["cannot reach Pulsar at http://127.0.0.1:1", "engine.pulsar.admin_url"] {
        assert!(last.contains(words), "{}", ended.stderr);
    }
    assert!(ended.stderr.contains("waits for Pulsar"), "{}", ended.stderr);
    let examined = run_nowhere(&["--json", "doctor", "--addr", "127.0.0.1:0"], &[]);
    assert_eq!(examined.code, Some(1), "{}", examined.stderr);
    let document = serde_json::from_str(&examined.stdout).unwrap();
    assert_eq!(finding(&document, "pulsar").0, "fail", "{document}");
}

#[test]
fn what_is_only_for_the_embedded_log_says_so_on_pulsar() {
    for arguments in [&["check"][..], &["check", "."]] {
        let checked = run_nowhere(arguments, &[]);
        assert_eq!(checked.code, Some(2), "{}", checked.stderr);
        assert!(checked.stderr.contains("`tidings doctor` examines"), "{}", checked.stderr);
    }
    let measured = run_nowhere(&["bench", "--here"], &[]);
    assert_eq!(measured.code, Some(2), "{}", measured.stderr);
    assert!(measured.stderr.contains("tidings bench --server"), "{}", measured.stderr);
    // The demo's events are nobody's, wherever a service would put its own.
    let demo = run_nowhere(&["demo", "--for", "1s", "--instruments", "5", "--json"], &[]);
    assert!(demo.stdout.contains("\"order_violations\":0"), "{} {}", demo.stdout, demo.stderr);
}

#[test]
fn settings_of_pulsar_are_refused_all_at_once_and_no_password_is_told() {
    let variables = [
        ("TIDINGS_ENGINE__PULSAR__URL", "pulsar://me:secret@127.0.0.1:1"),
        ("TIDINGS_ENGINE__PULSAR__NAMESPACE", "no/name"),
    ];
    let ended = run_nowhere(&["serve", "--addr", "127.0.0.1:0"], &variables);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    for words in ["engine.pulsar.url: `***`", "engine.pulsar.namespace: `no/name`"] {
        assert!(ended.stderr.contains(words), "{}", ended.stderr);
    }
    assert!(!ended.stderr.contains("secret"), "{}", ended.stderr);
}

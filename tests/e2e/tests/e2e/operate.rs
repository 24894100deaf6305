//! What an operator relies on: start, stop, a full disk, the supervisor, completions, the pages in
//! `docs/operate`.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use tidings_client::{Backoff, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{
    Server, TestEvent, Tmpfs, ask, executable, finish, indicator, indicator_json, run, soon,
    subscribe,
};
use tidings_event::{Clock, SystemClock};
use tidings_telemetry::Timer;

const JSON: &str = "application/json";

/// More questions than any state here takes to come, each answered before the next is asked.
const QUESTIONS: usize = 1_000_000;

/// From the start on an empty directory to readiness.
const READY_MAX: Duration = Duration::from_secs(2);
/// From the first publish that finds no room to a readiness that says so, and back.
const NOT_READY_MAX: Duration = Duration::from_secs(5);
const READY_AGAIN_MAX: Duration = Duration::from_secs(10);
/// From SIGTERM under load to the end.
const STOP_MAX: Duration = Duration::from_secs(10);

#[track_caller]
fn within(most: Duration, took: Duration) {
    assert!(took <= most, "it took {took:?}, at most {most:?} is promised");
}

#[test]
fn an_empty_directory_and_no_configuration_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    let clock = SystemClock::new();
    let before = clock.monotonic();
    let server = Server::start(&dir.path().join("data"));
    within(READY_MAX, clock.monotonic() - before);
    let request = json!({"name": "s", "topics": ["analysis/**"], "start": "earliest"});
    let created = ask(&server, "POST /api/v1/subscriptions", JSON, request.to_string().as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    let event = indicator_json("AAPL", 0, 32.7);
    assert_eq!(ask(&server, "POST /api/v1/events", JSON, event.as_bytes()).status, 200);
    let pull = r#"{"max":10,"wait_ms":20000,"consumer":"c"}"#;
    let pulled = ask(&server, "POST /api/v1/subscriptions/s/pull", JSON, pull.as_bytes());
    assert_eq!(pulled.json()["deliveries"][0]["event"]["instrument"], "AAPL", "{pulled:?}");
}

#[test]
fn a_key_that_does_not_exist_ends_the_start() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tidings.toml"), "[topics]\n\nretentoin = 7\n").unwrap();
    let ended = run(dir.path(), &["serve", "--addr", "127.0.0.1:0"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    // Nothing is close to it, and still the nearest key is named.
    let named = "tidings.toml:3: unknown key `retentoin`; the nearest is `partitions`";
    assert!(ended.stderr.contains(named), "{}", ended.stderr);
    std::fs::write(dir.path().join("tidings.toml"), "[topics]\ntimefarmes = []\n").unwrap();
    let ended = run(dir.path(), &["serve", "--addr", "127.0.0.1:0"]);
    assert!(ended.stderr.contains("did you mean `timeframes`?"), "{}", ended.stderr);
}

#[test]
fn a_full_disk_is_not_ready_until_there_is_room_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&dir.path().join("small"), 64) else { return };
    disk.weigh_down(32);
    let server = Server::start(&dir.path().join("small/data"));
    let publish = |number: u64| {
        let event = indicator_json(&format!("I{number}"), 0, 1.5);
        let batch = format!("[{}]", vec![event; 500].join(","));
        ask(&server, "POST /api/v1/events", JSON, batch.as_bytes())
    };
    let refused = (0..).map(publish).find(|answer| answer.status != 200).unwrap();
    let code = refused.json()["results"][0]["error"]["code"].clone();
    assert!(["STORAGE_FULL", "RESOURCE_EXHAUSTED"].iter().any(|c| code == *c), "{refused:?}");
    let clock = SystemClock::new();
    let full = clock.monotonic();
    let answer = until(&server, "GET /readyz", 503);
    within(NOT_READY_MAX, clock.monotonic() - full);
    assert!(answer["detail"].as_str().unwrap().contains("reserve"), "{answer}");
    assert_eq!(ask(&server, "GET /livez", "", b"").status, 200);
    // The reserve is for progress: what was stored is still delivered and settled.
    let request = json!({"name": "s", "topics": ["analysis/**"], "start": "earliest"});
    let created = ask(&server, "POST /api/v1/subscriptions", JSON, request.to_string().as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    disk.free();
    let freed = clock.monotonic();
    until(&server, "GET /readyz", 200);
    within(READY_AGAIN_MAX, clock.monotonic() - freed);
    assert_eq!(publish(1_000_000).status, 200);
    assert_eq!(server.terminate().code, Some(0));
}

/// Asks until the answer has this status.
fn until(server: &Server, line: &str, status: u16) -> Value {
    let mut answers = (0..QUESTIONS).map(|_| ask(server, line, "", b""));
    answers.find(|answer| answer.status == status).expect("it comes").json()
}

/// Load on a fixed plan: what is due is sent whether or not anything before it was answered.
struct OpenLoop {
    clock: SystemClock,
    started: Duration,
}

impl OpenLoop {
    const EVENTS_PER_SECOND: u64 = 10_000;
    const TICK: Duration = Duration::from_millis(5);

    fn start() -> Self {
        let clock = SystemClock::new();
        let started = clock.monotonic();
        Self { clock, started }
    }

    /// Events that are to be sent by now.
    fn due(&self) -> u64 {
        let running = self.clock.monotonic() - self.started;
        Self::EVENTS_PER_SECOND * running.as_micros() as u64 / 1_000_000
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_ten_thousand_events_a_second_loses_none_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let client = server.client().await;
    let backoff = Backoff { give_up_after: Some(Duration::ZERO), ..Backoff::default() };
    let options = PublisherOptions { backoff, ..PublisherOptions::sequenced("p") };
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let (mut server, mut receipts) = (Some(server), FuturesUnordered::new());
    let mut acknowledged = BTreeSet::new();
    let (load, mut sent, mut stopping) = (OpenLoop::start(), 0, None);
    // It goes on at its rate until the service takes nothing any more.
    'load: loop {
        let due = load.due();
        for number in sent..due {
            let event = indicator("AAPL", "1m", number);
            let Ok(receipt) = soon("room", publisher.send(&event)).await else { break 'load };
            receipts.push(async move { (number, receipt.await.is_ok()) });
        }
        sent = due;
        while let Some(Some((number, true))) = receipts.next().now_or_never() {
            acknowledged.insert(number);
        }
        // The plan was kept so far, and most of it is stored.
        let is_loaded = acknowledged.len() as u64 >= OpenLoop::EVENTS_PER_SECOND
            && sent - acknowledged.len() as u64 <= OpenLoop::EVENTS_PER_SECOND / 2
            && load.due() - sent <= OpenLoop::EVENTS_PER_SECOND / 10;
        if is_loaded && let Some(server) = server.take() {
            stopping = Some(tokio::task::spawn_blocking(move || {
                let clock = SystemClock::new();
                let began = clock.monotonic();
                (server.terminate(), clock.monotonic() - began)
            }));
        }
        Timer.after(OpenLoop::TICK).await;
    }
    while let Some((number, stored)) = soon("an outcome", receipts.next()).await {
        if stored {
            acknowledged.insert(number);
        }
    }
    let (ended, took) = stopping.expect("the service keeps up with the load").await.unwrap();
    within(STOP_MAX, took);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);

    let server = Server::start(&data);
    let client = server.client().await;
    subscribe(&client, "all", &["analysis/**"]).await;
    let mut consumer =
        soon("a consumer", client.consumer(ConsumerOptions::new("all", "c"))).await.unwrap();
    while !acknowledged.is_empty() {
        match soon("a delivery", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    acknowledged.remove(&TestEvent::read(event.unwrap().event).number);
                }
                soon("room for an ack", consumer.ack_up_to(delivered.last_position()))
                    .await
                    .unwrap();
            }
            ConsumerEvent::Gap(gap) => panic!("{gap:?}"),
            ConsumerEvent::Confirmed(_)
            | ConsumerEvent::Extended(_)
            | ConsumerEvent::Reconnected => {}
        }
    }
}

#[test]
fn a_malformed_event_is_named_counted_and_the_next_one_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let counted = || {
        let metrics = ask(&server, "GET /metrics", "", b"").body;
        let errors =
            metrics.lines().find_map(|line| line.strip_prefix("tidings_serve_errors_total "));
        errors.unwrap().parse::<u64>().unwrap()
    };
    let before = counted();
    let event = indicator_json("AAPL", 0, 1.5);
    let malformed = event.replace(r#""timeframe":"5m""#, r#""timeframe":"five""#);
    let refused = ask(&server, "POST /api/v1/events", JSON, malformed.as_bytes());
    assert!((400..500).contains(&refused.status), "{refused:?}");
    assert_eq!(refused.json()["code"], "FIELD_INVALID", "{refused:?}");
    assert_eq!(refused.json()["field"], "timeframe", "{refused:?}");
    assert_eq!(counted(), before + 1);
    assert_eq!(ask(&server, "POST /api/v1/events", JSON, event.as_bytes()).status, 200);
}

#[test]
fn a_supervisor_is_told_when_it_is_ready_and_when_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let told = || {
        let mut message = [0; 500];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = Command::new(executable());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let server = Server::start_by(command, &dir.path().join("data"));
    assert_eq!(told(), format!("READY=1\nSTATUS=serving {}", server.url()));
    assert_eq!(told(), "WATCHDOG=1");
    assert_eq!(server.terminate().code, Some(0));
    let last = std::iter::repeat_with(told).find(|message| message != "WATCHDOG=1").unwrap();
    assert!(last.starts_with("STOPPING=1\n"), "{last}");
}

#[test]
fn bash_completes_commands() {
    let dir = tempfile::tempdir().unwrap();
    let script = "tidings completions bash > it.bash && bash -n it.bash && source it.bash &&
        COMP_WORDS=(tidings sub) COMP_CWORD=1 && _tidings tidings sub tidings &&
        echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(dir.path()).env("PATH", path());
    let ended = finish(bash, "");
    assert_eq!((ended.code, ended.stdout.trim()), (Some(0), "subscribe subscription"), "{ended:?}");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        let printed = run(dir.path(), &["completions", shell]);
        assert_eq!(printed.code, Some(0), "{printed:?}");
        assert!(printed.stdout.contains("subscription"), "{shell}");
    }
}

#[test]
fn the_version_says_what_it_was_built_from() {
    let dir = tempfile::tempdir().unwrap();
    let ended = run(dir.path(), &["version", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    assert!(document["rustc"].as_str().unwrap().starts_with("rustc "), "{document}");
    assert!(document["target"].as_str().unwrap().contains("linux"), "{document}");
    assert!(run(dir.path(), &["version"]).stdout.starts_with("tidings "));
}

#[test]
fn systemd_accepts_the_unit() {
    let unit = include_str!("../../../../deploy/systemd/tidings.service");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tidings.service");
    let here = unit.replace("/usr/bin/tidings", &executable().display().to_string());
    std::fs::write(&path, here).unwrap();
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED: systemd-analyze is not here");
        return;
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no"]).arg(path);
    let ended = finish(verify, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    // The configuration that goes with it is one.
    let file = dir.path().join("tidings.toml");
    std::fs::write(&file, include_str!("../../../../deploy/systemd/tidings.toml")).unwrap();
    let told =
        run(dir.path(), &["--json", "doctor", "--data-dir", "data", "--addr", "127.0.0.1:0"]);
    assert!(told.stdout.contains(r#""check":"configuration","found":"tidings.toml""#), "{told:?}");
}

/// Runs every `sh` block of a page, in order, in one shell; `sh root` blocks are for people.
fn check_page(page: &str) {
    let blocks =
        page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let script: String = blocks.collect();
    assert!(!script.is_empty());
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port().to_string();
    drop(free);
    let script =
        format!("set -euo pipefail\ntrap 'kill $(jobs -p) 2> kill.log || true' EXIT\n{script}");
    // timeout ends the services of the page, too. Job control gives each a job of its own.
    let mut bash = Command::new("timeout");
    bash.args(["-s", "KILL", "50", "bash", "-c", &script]).current_dir(dir.path());
    bash.env("PATH", path()).env("PORT", port).env_remove("TIDINGS_SERVER");
    let ended = finish(bash, "");
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
}

/// Where commands are looked for: first beside this test.
fn path() -> String {
    let here = executable().parent().map(Path::display).unwrap();
    format!("{here}:{}", std::env::var("PATH").unwrap())
}

#[test]
fn the_page_on_installing_is_true() {
    check_page(include_str!("../../../../docs/operate/install.md"));
}

#[test]
fn the_page_on_reloading_is_true() {
    check_page(include_str!("../../../../docs/operate/reload.md"));
}

#[test]
fn the_page_on_health_is_true() {
    check_page(include_str!("../../../../docs/operate/health.md"));
}

#[test]
fn the_page_on_backups_is_true() {
    check_page(include_str!("../../../../docs/operate/backup.md"));
}

#[test]
fn the_page_on_upgrading_is_true() {
    check_page(include_str!("../../../../docs/operate/upgrade.md"));
}

#[test]
fn the_page_on_capacity_is_true() {
    check_page(include_str!("../../../../docs/operate/capacity.md"));
}

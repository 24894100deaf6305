//! What README and docs show beside the guide, the API's commands and the pages on operating: its
//! commands run, its documents are taken, its scripts follow a subscription.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tidings_e2e::{Server, ask, example, executable, finish, indicator_json, run, toolchain};

const JSON: &str = "application/json";
const README: &str = include_str!("../../../../README.md");
const API: &str = include_str!("../../../../docs/api.md");
const GRPC: &str = include_str!("../../../../docs/grpc.md");
const TRACING: &str = include_str!("../../../../docs/operate/tracing.md");
const EVENT: &str = include_str!("../../../../docs/spec/event.md");
const STREAMS: &str = include_str!("../../../../docs/spec/streams.md");

/// An `EventSource` for a Node that has none: only what the page uses.
const EVENT_SOURCE: &str = r#"globalThis.EventSource ??= class extends EventTarget {
  constructor(url) { super(); this.follow(url); }
  async follow(url) {
    let text = "";
    for await (const piece of (await fetch(url)).body) {
      text += new TextDecoder().decode(piece);
      const events = text.split("\n\n");
      text = events.pop();
      for (const lines of events.map((event) => event.split("\n"))) {
        const value = (name) => lines.find((line) => line.startsWith(name + ": "))?.slice(name.length + 2);
        const event = { data: value("data"), lastEventId: value("id") };
        if (!value("event") && event.data) this.onmessage?.(event);
      }
    }
  }
};
"#;

/// The blocks of a page in one language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fenced = page.split("```").skip(1).step_by(2);
    let blocks: Vec<&str> =
        fenced.filter_map(|block| block.strip_prefix(&format!("{language}\n"))).collect();
    assert!(!blocks.is_empty(), "no `{language}` is shown");
    blocks
}

/// The pages with blocks, under a folder of the project.
fn with_blocks(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            with_blocks(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "md")
            && std::fs::read_to_string(&path).unwrap().contains("```")
        {
            let name = path.strip_prefix(toolchain::root()).unwrap();
            found.insert(name.to_string_lossy().into_owned());
        }
    }
}

#[test]
fn every_page_with_an_example_is_known() {
    let mut found = BTreeSet::new();
    with_blocks(&toolchain::root().join("docs"), &mut found);
    let known = [
        // What it sketches is still to be built.
        "docs/adr/0002-several-owners.md",
        // By `api` and, its scripts, here.
        "docs/api.md",
        "docs/grpc.md",
        // By `guide`, which knows its pages.
        "docs/guide/browser.md",
        "docs/guide/filters.md",
        "docs/guide/first-steps.md",
        "docs/guide/go.md",
        "docs/guide/python.md",
        "docs/guide/rust.md",
        // By `cargo xtask ci`, which runs the commands of the page.
        "docs/operate/durability.md",
        // By `operate`, and the one on tracing here.
        "docs/operate/backup.md",
        "docs/operate/capacity.md",
        // By `cluster`, and the tests of the configuration.
        "docs/operate/cluster.md",
        // By `edge_topics`, and the tests of the configuration.
        "docs/operate/edge-topics.md",
        "docs/operate/health.md",
        "docs/operate/install.md",
        // By the tests of the configuration.
        "docs/operate/pulsar.md",
        "docs/operate/reload.md",
        "docs/operate/tracing.md",
        "docs/operate/upgrade.md",
        // Its commands take an idle machine and the peers.
        "docs/performance.md",
        "docs/spec/event.md",
        // By the tests of the rule language.
        "docs/spec/rules.md",
        "docs/spec/streams.md",
    ];
    assert_eq!(found, known.map(str::to_owned).into_iter().collect());
}

#[test]
fn the_commands_of_the_readme_run() {
    let dir = tempfile::tempdir().unwrap();
    let bars = "Date,Open,High,Low,Close,Volume\n2020-01-01,1,2,1,1.5,1\n2020-01-02,1,2,1,1.5,1\n";
    std::fs::write(dir.path().join("AAPL-1d.csv"), bars).unwrap();
    let commands: Vec<Vec<&str>> = README
        .split("cargo run --release -- ")
        .skip(1)
        .map(|rest| rest.split(['\n', '`']).next().unwrap().split_whitespace().collect())
        .collect();
    assert_eq!(commands.len(), 3, "{commands:?}");
    for arguments in commands {
        // As it stands a demo takes a minute, and a service has no end and the one port.
        let shorter: &[&str] = match arguments[..] {
            ["demo"] => &["--for", "2s", "--instruments", "20"],
            ["demo", ..] => &[],
            _ => &["--addr", "127.0.0.1:0"],
        };
        let mut command = Command::new("timeout");
        command.args(["-s", "TERM", "20"]).arg(executable()).args(&arguments).args(shorter);
        command.current_dir(dir.path());
        let ended = finish(command, "");
        match arguments[0] {
            // Two seconds are too few events for its verdict, but not for its work.
            "demo" => assert!(matches!(ended.code, Some(0 | 1)), "{arguments:?}: {ended:?}"),
            _ => assert_eq!(ended.code, Some(124), "it served until it was told: {ended:?}"),
        }
    }
}

/// A service with a subscription `desk` and one event for it.
fn desk(dir: &Path) -> Server {
    let server = Server::start(&dir.join("data"));
    let desk = json!({"name": "desk", "topics": ["analysis/**"], "start": "earliest"}).to_string();
    let created = ask(&server, "POST /api/v1/subscriptions", JSON, desk.as_bytes());
    assert_eq!(created.status, 201, "{created:?}");
    let event = indicator_json("AAPL", 0, 32.7);
    assert_eq!(ask(&server, "POST /api/v1/events", JSON, event.as_bytes()).status, 200);
    server
}

/// A program that goes on and on, ended with its test.
struct Follower(Child);

impl Follower {
    /// The first line that it prints.
    fn starts(mut command: Command) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (Self(child), line)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// Asks until everything of `desk` is settled.
fn settled(server: &Server) {
    let lag = || ask(server, "GET /api/v1/subscriptions/desk/status", "", b"").json();
    assert!((0..100_000).any(|_| lag()["lag_events"] == 0), "{}", lag());
}

#[test]
fn the_python_of_the_readme_follows_a_subscription() {
    let Some(python) = toolchain::python() else { return };
    let dir = tempfile::tempdir().unwrap();
    let server = desk(dir.path());
    let script = blocks(README, "python")[0].replace("127.0.0.1:8080", server.addr());
    let mut command = Command::new(python);
    command.args(["-u", "-c", &script]);
    let (_follower, line) = Follower::starts(command);
    assert_eq!(line, "analysis/indicators/5m AAPL\n");
    settled(&server);
}

#[test]
fn the_scripts_of_the_api_follow_a_subscription() {
    if toolchain::node().is_none() {
        return;
    }
    let scripts = blocks(API, "js");
    let printed = ["analysis/indicators/5m 13 0 {", "1 {"];
    for (script, wanted) in scripts.iter().zip(printed) {
        let dir = tempfile::tempdir().unwrap();
        let server = desk(dir.path());
        let script = script.replace("localhost:8080", server.addr());
        let script = format!("{EVENT_SOURCE}{script}");
        let mut command = Command::new("node");
        command.args(["--experimental-websocket", "--no-warnings", "-e", &script]);
        let (_follower, line) = Follower::starts(command);
        assert!(line.contains(wanted), "{line}");
        // A server-sent event is settled when its reader comes again.
        if script.contains("socket.send") {
            settled(&server);
        }
    }
    assert_eq!(scripts.len(), printed.len());
}

#[test]
fn the_command_of_the_page_on_grpc_runs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    for line in blocks(GRPC, "sh").concat().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["cargo", "run", "-p", "tidings-examples", "--bin", name, "--", _address] = words[..]
        else {
            panic!("{line}")
        };
        let mut command = Command::new(example(name));
        command.arg(server.url());
        let ended = finish(command, "");
        assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    }
}

#[test]
fn the_settings_of_the_page_on_tracing_are_settings() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tidings.toml"), blocks(TRACING, "toml").concat()).unwrap();
    let arguments = ["--json", "doctor", "--data-dir", "data", "--addr", "127.0.0.1:0"];
    let told = run(dir.path(), &arguments);
    assert!(told.stdout.contains(r#""check":"configuration","found":"tidings.toml""#), "{told:?}");
}

#[test]
fn the_event_of_the_specification_is_taken_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    for event in blocks(EVENT, "json") {
        let answer = ask(&server, "POST /api/v1/events", JSON, event.as_bytes()).json();
        let placed = &answer["results"][0];
        let topic = placed["topic"].as_str().unwrap_or_else(|| panic!("{answer}"));
        let (name, partition) = (topic.replace('/', ":"), &placed["partition"]);
        let line = format!("GET /api/v1/topics/{name}/events?partition={partition}&limit=1");
        let page = ask(&server, &line, "", b"").json();
        let shown: Value = serde_json::from_str(event).unwrap();
        assert_eq!(page["events"][0]["event"], shown);
    }
}

#[test]
fn a_server_sent_event_has_the_members_that_the_specification_shows() {
    let shown = STREAMS.split("```").nth(1).unwrap();
    let shown = shown.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let shown: Value = serde_json::from_str(&shown.replace("{..}", "{}")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let server = desk(dir.path());
    let mut socket = TcpStream::connect(server.addr()).unwrap();
    let head = "GET /api/v1/subscriptions/desk/stream HTTP/1.1\r\nhost: e2e\r\n\r\n";
    socket.write_all(head.as_bytes()).unwrap();
    let told = BufReader::new(&mut socket).lines().map(Result::unwrap);
    let mut told = told.skip_while(|line| !line.starts_with("id: "));
    let id = told.next().unwrap();
    assert!(id.ends_with("-1"), "{id}");
    let told: Value =
        serde_json::from_str(told.next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
    let members = |document: &Value| -> BTreeSet<String> {
        document.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(members(&told), members(&shown));
}

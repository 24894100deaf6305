//! `tidings migrate` beside a real broker: a service goes on there where it stopped here, whatever ended the move.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tidings_client::PublisherOptions;
use tidings_e2e::{
    Chronicle, Engine, Finished, Pulsar, Server, Thresholds, ask, finish, heavy_indicator,
    indicator, indicator_json, run, soon, subscribe,
};
use tidings_log_pulsar::PulsarOptions;

use crate::pulsar::{get, publish, read};

const JSON: &str = "application/json";
const EVENTS: u64 = 600;
const TOPICS: &[&str] = &["analysis/indicators/1m"];
const PARTITIONS: u32 = 16;

/// The command, to a namespace, as its `engine.kind` was before.
fn migrate(engine: &Engine, data: &Path, more: &[&str]) -> Command {
    let mut command = engine.command();
    command.env_remove("TIDINGS_ENGINE__KIND").current_dir(data.parent().unwrap());
    command.args(["migrate", "--from"]).arg(data).args(more);
    command
}

fn migrated(engine: &Engine, data: &Path, more: &[&str]) -> Finished {
    finish(migrate(engine, data, more), "")
}

fn namespace(engine: &Engine) -> String {
    let Engine::Pulsar(options) = engine else { panic!("it is on Pulsar") };
    let PulsarOptions { tenant, namespace, .. } = &**options;
    format!("persistent/{tenant}/{namespace}")
}

/// Starts a move, and kills it when a topic has so many messages; whether it was killed.
fn kill_at(pulsar: &Pulsar, engine: &Engine, data: &Path, (journal, entries): (&str, u64)) -> bool {
    let mut command = migrate(engine, data, &[]);
    let mut child: Child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let path = format!("{}/{journal}-partition-0/internalStats", namespace(engine));
    let stored = || {
        let answer = pulsar.try_ask("GET", &path, "").unwrap_or_default();
        let (from, to) = (answer.find('{')?, answer.rfind('}')?);
        let stats: Value = serde_json::from_str(answer.get(from..=to)?).ok()?;
        stats["numberOfEntries"].as_u64()
    };
    while child.try_wait().unwrap().is_none() {
        if stored().is_some_and(|stored| stored >= entries) {
            child.kill().unwrap();
            break;
        }
    }
    child.wait().unwrap().code().is_none()
}

/// Everything that lies in a topic, as it is browsed, and what is said of the offsets that do not.
fn history(server: &Server, topic: &str) -> Vec<Value> {
    let mut found = vec![];
    for partition in 0..PARTITIONS {
        let mut offset = 0;
        loop {
            let path = format!(
                "GET /api/v1/topics/{topic}/events?partition={partition}&offset={offset}&limit=1000"
            );
            let answer = ask(server, &path, "", b"");
            let mut document = answer.json();
            // Each request has its own.
            document.as_object_mut().unwrap().remove("request_id");
            let events = document["events"].as_array().cloned().unwrap_or_default();
            found.push(json!([partition, offset, answer.status, document]));
            match events.last() {
                Some(last) => offset = last["offset"].as_u64().unwrap() + 1,
                None => break,
            }
        }
    }
    found
}

fn trace(server: &Server, id: &str, more: &str) -> Value {
    get(server, &format!("/api/v1/events/{id}/trace?{more}"))
}

fn post(server: &Server, event: &str) -> Value {
    let answer = ask(server, "POST /api/v1/events", JSON, event.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["results"][0].clone()
}

/// Fills a topic with more than is sent at a time, of which retention leaves little, and one with little.
async fn fill(server: &Server) {
    let small = json!({"retention": {"seconds": 3_600, "bytes": 1}}).to_string();
    let path = "PUT /api/v1/topics/analysis:indicators:5m";
    assert_eq!(ask(server, path, JSON, small.as_bytes()).status, 201);
    let client = server.client().await;
    let opened = client.publisher(PublisherOptions::sequenced("heavy"));
    let publisher = soon("a publisher", opened).await.unwrap();
    for number in 0..2_000 {
        for event in [heavy_indicator("IBM", "1h", number, 16), indicator("IBM", "5m", number)] {
            soon("room", publisher.send(event)).await.unwrap();
        }
    }
    soon("all to be stored", publisher.flush()).await.unwrap();
    while tidings_e2e::metric(server, "tidings_log_trimmed_events_total") == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_goes_on_on_pulsar_where_it_stopped_on_its_disk() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", TOPICS);
    let mut command = Engine::Embedded.command();
    command.env("TIDINGS_LOG__TRIM_INTERVAL_SECONDS", "1");
    let server = Server::start_by(command, &data);
    subscribe(&server.client().await, "all", TOPICS).await;
    publish(&server, &chronicle, 0..EVENTS).await;
    let first = read(&server, &chronicle, EVENTS as usize / 2).await;
    let single = tidings_event::json::to_json(&indicator("MSFT", "15m", 1)).unwrap();
    let placed = post(&server, &single);
    let id = placed["id"].as_str().unwrap().to_owned();
    let old =
        tidings_event::format_event_id(&tidings_event::scan(&crate::pulsar::event(7)).unwrap().id);
    fill(&server).await;
    let position = trace(&server, &id, "")["position"].as_str().unwrap().to_owned();
    assert_eq!(server.terminate().code, Some(0));
    // Retention has come by for the last time.
    let server = Server::start(&data);
    let topics = ["analysis:indicators:1m", "analysis:indicators:5m", "analysis:indicators:1h"];
    let before = topics.map(|topic| history(&server, topic));
    assert_eq!(server.terminate().code, Some(0));

    // Two starts, and the record of what is copied: before that the namespace is as empty as it was.
    assert!(kill_at(&pulsar, &engine, &data, ("state", 3)), "it had ended before it was killed");
    let unfinished = Server::try_start_by(engine.command(), &data).unwrap_err();
    assert!(format!("{unfinished:?}").contains("still being copied"), "{unfinished:?}");
    assert!(kill_at(&pulsar, &engine, &data, ("short", 40)), "it had ended before it was killed");
    let done = migrated(&engine, &data, &[]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("goes on: "), "{}", done.stderr);
    for words in ["equal: ", "next: set `engine.kind` to pulsar", "to go back: "] {
        assert!(done.stdout.contains(words), "{}", done.stdout);
    }
    let refused = Server::try_start_by(Engine::Embedded.command(), &data).unwrap_err();
    assert!(format!("{refused:?}").contains("was moved to pulsar://"), "{refused:?}");
    let again = migrated(&engine, &data, &["--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.stdout.contains(r#""finished":"before""#), "{}", again.stdout);
    chronicle.mark("moved", None);

    let server = engine.start(&data);
    assert_eq!(topics.map(|topic| history(&server, topic)), before);
    let rest = read(&server, &chronicle, EVENTS as usize - first.len()).await;
    let mut all = [first, rest].concat();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), EVENTS as usize, "what was confirmed does not come again");
    let repeated = post(&server, &single);
    assert_eq!((&repeated["duplicate"], &repeated["offset"]), (&json!(true), &placed["offset"]));
    let by_position = trace(&server, &id, &format!("position={position}"));
    assert_eq!(by_position["looked"]["by"], "position", "{by_position}");
    let traced = trace(&server, &old, "topic=analysis/indicators/1m");
    assert_eq!(traced["subscriptions"][0]["name"], "all", "{traced}");
    publish(&server, &chronicle, EVENTS..EVENTS + 40).await;
    read(&server, &chronicle, 40).await;
    assert_eq!(server.terminate().code, Some(0));
    chronicle.judge(&Thresholds {
        min_acked: EVENTS as usize + 40,
        min_deliveries: EVENTS as usize + 40,
        expect_marks: vec!["moved".to_owned()],
        ..Thresholds::default()
    });
    // To go back.
    std::fs::remove_file(data.join("MOVED")).unwrap();
    assert_eq!(Server::start(&data).terminate().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_goes_on_with_its_epoch() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let server = Server::start(&data);
    let (addr, client) = (server.addr().to_owned(), server.client().await);
    let opened = client.publisher(PublisherOptions::sequenced("p"));
    let publisher = soon("a publisher", opened).await.unwrap();
    let epoch = publisher.producer_epoch();
    let mut offsets = vec![];
    for number in 0..20 {
        let receipt = soon("room", publisher.send(indicator("AAPL", "1m", number))).await.unwrap();
        offsets.push(soon("an answer", receipt).await.unwrap().offset);
    }
    assert_eq!(server.terminate().code, Some(0));
    let moved = migrated(&engine, &data, &[]);
    assert_eq!(moved.code, Some(0), "{}", moved.stderr);
    let server = Server::start_at_by(engine.command(), &data, &addr);
    for number in 20..40 {
        let receipt = soon("room", publisher.send(indicator("AAPL", "1m", number))).await.unwrap();
        offsets.push(soon("an answer", receipt).await.unwrap().offset);
    }
    assert_eq!(publisher.producer_epoch(), epoch, "it is known");
    assert_eq!(offsets, (0..40).map(Some).collect::<Vec<_>>());
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn a_damaged_log_is_moved_only_when_that_is_accepted() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let server = Server::start(&data);
    for (minute, instrument) in (0..).step_by(5).zip(["FIRST", "VICTIM", "LAST"]) {
        post(&server, &indicator_json(instrument, minute, 1.5));
    }
    assert_eq!(server.terminate().code, Some(0));
    crate::damage::damage(&data, "VICTIM");
    let refused = migrated(&engine, &data, &[]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(refused.stdout.contains("damaged: topic/partition "), "{}", refused.stdout);
    assert!(refused.stderr.contains("--accept-damage"), "{}", refused.stderr);
    let accepted = migrated(&engine, &data, &["--accept-damage", "--json"]);
    assert_eq!(accepted.code, Some(0), "{}", accepted.stderr);
    let last = accepted.stdout.lines().last().unwrap();
    let document: Value = serde_json::from_str(last).unwrap();
    let migration = &document["migration"];
    assert_eq!(migration["finished"], "now", "{document}");
    assert_eq!(
        (&migration["damaged_ranges"], &migration["compared"]["blocks"]),
        (&json!(1), &json!(2))
    );
    let server = engine.start(&data);
    let told = history(&server, "analysis:indicators:5m");
    let lost = told.iter().filter(|answer| answer.to_string().contains("DATA_LOSS")).count();
    assert_eq!(lost, 1, "{told:?}");
    assert_eq!(server.terminate().code, Some(0));
}

#[test]
fn what_stands_in_the_way_of_a_move_is_told() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let nothing = migrated(&engine, &dir.path().join("none"), &[]);
    assert_eq!(nothing.code, Some(2), "{}", nothing.stderr);
    let server = Server::start(&data);
    let in_use = migrated(&engine, &data, &[]);
    assert_eq!(in_use.code, Some(1), "{}", in_use.stderr);
    assert!(in_use.stderr.contains("stop the service"), "{}", in_use.stderr);
    assert_eq!(server.terminate().code, Some(0));
    let other = engine.start(&dir.path().join("other"));
    let occupied = migrated(&engine, &data, &[]);
    assert_eq!(occupied.code, Some(1), "{}", occupied.stderr);
    assert!(occupied.stderr.contains("it holds a log of its own"), "{}", occupied.stderr);
    assert_eq!(ask(&other, "GET /readyz", "", b"").status, 200, "its owner did not notice");
    assert_eq!(other.terminate().code, Some(0));
    assert_eq!(run(dir.path(), &["check", "data"]).code, Some(0));
    assert_eq!(Server::start(&data).terminate().code, Some(0));
}

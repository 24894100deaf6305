//! Edge topics: events of a service that is killed, beside a broker that is killed, as a native consumer reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::PublisherOptions;
use tidings_e2e::{
    Engine, OwnPulsar, Pulsar, Server, ask, finish, indicator, metric, soon, toolchain, until,
};
use tidings_log_pulsar::PulsarOptions;
use tidings_telemetry::Timer;

const KEYS: [&str; 5] = ["AAPL", "MSFT", "IBM", "EUR/USD", "GOOG"];
/// Published in each part of a history.
const EVENTS: u64 = 500;
/// A broker starts, and an edge finds it: on a machine that has other things to do.
const BACK: Duration = Duration::from_secs(300);
const PAGE: &str = include_str!("../../../../docs/operate/edge-topics.md");

fn event(number: u64) -> Vec<u8> {
    let keys = KEYS.len() as u64;
    indicator(KEYS[(number % keys) as usize], "1m", number / keys)
}

/// A namespace for edge topics. A service whose data directory lies beside the file here mirrors to it.
struct Place {
    pulsar: Pulsar,
    namespace: String,
    format: &'static str,
}

impl Place {
    fn new(pulsar: Pulsar, dir: &Path, format: &'static str) -> Self {
        Self::secured(pulsar, dir, format, None)
    }

    /// With an address of its own and what secures it, where that is another one.
    fn secured(
        pulsar: Pulsar,
        dir: &Path,
        format: &'static str,
        link: Option<&PulsarOptions>,
    ) -> Self {
        let namespace = format!("public/edge-{:032x}", rand::random::<u128>());
        let link = link.map_or(format!("url = \"{}\"", pulsar.url()), |options| {
            let file = |file: &Option<PathBuf>| file.as_ref().unwrap().display().to_string();
            let (ca, token) = (file(&options.security.ca_file), file(&options.security.token_file));
            format!("url = \"{}\"\nca_file = \"{ca}\"\ntoken_file = \"{token}\"", options.url)
        });
        let config = dir.join("tidings.toml");
        let file = format!(
            "[engine.pulsar]\nanswer_seconds = 5\n[[edges.mirrored]]\nname = \"desk\"\n\
             topics = [\"analysis/**\"]\nstart = \"earliest\"\nformat = \"{format}\"\nwindow = 200\n\
             {link}\ntarget = \"persistent://{namespace}/{{topic}}\"\n"
        );
        std::fs::write(config, file).unwrap();
        let place = Self { pulsar, namespace, format };
        let path = format!("namespaces/{}", place.namespace);
        place.pulsar.ask("PUT", &path, "");
        // As brokers are shipped.
        let made = r#"{"allowAutoTopicCreation":true,"topicType":"non-partitioned"}"#;
        place.pulsar.ask("POST", &format!("{path}/autoTopicCreation"), made);
        place
    }

    fn topic(&self) -> String {
        format!("persistent://{}/analysis:indicators:1m", self.namespace)
    }

    /// Every message of the topic, until so many events were seen and nothing more comes.
    fn read(&self, python: &Path, events: u64) -> Vec<Value> {
        let form = if self.format == "json" { "json" } else { "bytes" };
        let script = toolchain::root().join("tests/e2e/edge_topics/read.py");
        let (script, events) = (script.to_string_lossy(), events.to_string());
        let topic = self.topic();
        let arguments = ["-B", &*script, self.pulsar.url(), form, &events, &topic];
        let ended = toolchain::tool(python, &toolchain::root(), &arguments);
        toolchain::succeeded(&ended, &arguments);
        let lines = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

async fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let client = server.client().await;
    let opened = client.publisher(PublisherOptions::sequenced("p"));
    let publisher = soon("a publisher", opened).await.unwrap();
    let mut receipts = vec![];
    for event in numbers.map(event) {
        receipts.push(soon("room", publisher.send(&event)).await.unwrap());
    }
    for receipt in receipts {
        soon("an outcome", receipt).await.unwrap();
    }
}

/// Asks until a metric is as wanted; a broker may have to be found meanwhile.
async fn until_metric(server: &Server, name: &str, is_wanted: impl Fn(u64) -> bool) {
    let asking = async {
        while !is_wanted(metric(server, name)) {
            tokio::task::yield_now().await;
        }
    };
    Timer.limit(BACK, asking).await.unwrap_or_else(|_| panic!("{name} stays as it is"));
}

async fn until_all_is_mirrored(server: &Server) {
    until(server, "edge.desk", |status| status["lag_events"] == 0 && status["in_flight"] == 0)
        .await;
}

fn text<'a>(message: &'a Value, pointer: &str) -> &'a str {
    message.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{message}"))
}

/// Holds what was read against what was published: every event, per key in order, a repeat only as the same event at
/// the same offset. Says how many repeats there were.
fn judge(messages: &[Value], events: u64) -> usize {
    let mut places: BTreeMap<(&str, u64), &str> = BTreeMap::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    let mut repeats = 0;
    for message in messages {
        let (id, key) = (text(message, "/properties/id"), text(message, "/key"));
        let offset: u64 = text(message, "/properties/offset").parse().unwrap();
        let place = (text(message, "/properties/partition"), offset);
        if let Some(before) = places.insert(place, id) {
            assert_eq!(before, id, "another event at {place:?}");
            repeats += 1;
        } else if let Some(before) = last.insert(key, offset) {
            assert!(before < offset, "{key}: {offset} comes for the first time after {before}");
        }
    }
    let ids: BTreeSet<&str> = places.values().copied().collect();
    let published = (0..events).map(|number| {
        tidings_event::format_event_id(&tidings_event::scan(&event(number)).unwrap().id)
    });
    let published: BTreeSet<String> = published.collect();
    assert_eq!(ids.len(), places.len(), "an event at two offsets");
    assert_eq!(ids, published.iter().map(String::as_str).collect::<BTreeSet<_>>());
    repeats
}

/// What the schema makes of a message is what was published.
fn judge_values(messages: &[Value]) {
    for message in messages {
        let value = &message["value"];
        let (key, number) = (text(message, "/key"), value["key_seq"].as_u64().unwrap());
        assert_eq!((text(value, "/instrument"), text(value, "/timeframe")), (key, "1m"));
        assert_eq!(text(value, "/id"), text(message, "/properties/id"));
        assert_eq!(value["rsi_14"], number as f64, "{message}");
        assert_eq!(text(message, "/properties/venue"), "XNAS");
        let end = 1_700_000_000_000 + (number + 1) * 60_000;
        assert_eq!(message["event_time"], end, "the end of the bar");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_native_consumer_reads_every_event_of_a_killed_service_and_a_killed_broker() {
    let Some(python) = toolchain::python() else { return };
    let Some(own) = OwnPulsar::start() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (place, data) = (Place::new(own.pulsar(), dir.path(), "json"), dir.path().join("data"));
    let server = Engine::Embedded.start(&data);
    publish(&server, 0..EVENTS).await;
    until_metric(&server, "tidings_edge_messages_total", |messages| messages > 0).await;
    server.kill();

    let server = Engine::Embedded.start(&data);
    publish(&server, EVENTS..2 * EVENTS).await;
    own.kill();
    publish(&server, 2 * EVENTS..3 * EVENTS).await;
    until_metric(&server, "tidings_edge_stopped_edges", |edges| edges == 1).await;
    // The service itself is well, and nothing that waits is lost.
    assert_eq!(ask(&server, "GET /readyz", "", b"").status, 200);
    until(&server, "edge.desk", |status| status["lag_events"].as_u64() >= Some(EVENTS)).await;
    own.start_again();
    until_metric(&server, "tidings_edge_stopped_edges", |edges| edges == 0).await;
    until_all_is_mirrored(&server).await;
    assert_eq!(server.terminate().code, Some(0));

    let messages = place.read(&python, 3 * EVENTS);
    let repeats = judge(&messages, 3 * EVENTS);
    println!("{} messages, {repeats} of them repeats", messages.len());
    judge_values(&messages);
    let schema = place.schema();
    assert_eq!(schema["type"], "JSON", "{schema}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_drops_repeats_has_each_event_of_a_killed_service_once() {
    let Some(python) = toolchain::python() else { return };
    let Some(pulsar) = Pulsar::find() else { return };
    // The log is on the same Pulsar, in a namespace of its own.
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let (place, data) = (Place::new(pulsar, dir.path(), "protobuf"), dir.path().join("data"));
    place.pulsar.ask("POST", &format!("namespaces/{}/deduplication", place.namespace), "true");
    let mut server = engine.start(&data);
    for part in 0..3 {
        publish(&server, part * EVENTS..(part + 1) * EVENTS).await;
        until_metric(&server, "tidings_edge_messages_total", |messages| messages > 0).await;
        server.kill();
        server = engine.start(&data);
    }
    until_all_is_mirrored(&server).await;
    assert_eq!(server.terminate().code, Some(0));

    let messages = place.read(&python, 3 * EVENTS);
    assert_eq!(judge(&messages, 3 * EVENTS), 0, "the broker dropped every repeat");
    let bytes: BTreeSet<&str> = messages.iter().map(|m| text(m, "/value/bytes")).collect();
    assert_eq!(bytes.len(), messages.len());
    assert!(bytes.contains(&*base64(&event(7))), "the bytes that were published");
    assert_eq!(place.schema()["type"], "PROTOBUF_NATIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_shows_reads_an_edge_topic() {
    let Some(python) = toolchain::python() else { return };
    let Some(pulsar) = Pulsar::find() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (place, data) = (Place::new(pulsar, dir.path(), "json"), dir.path().join("data"));
    let server = Engine::Embedded.start(&data);
    publish(&server, 0..10).await;
    until_all_is_mirrored(&server).await;
    let script = PAGE.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let script = script
        .replace("pulsar://127.0.0.1:6650", place.pulsar.url())
        .replace("public/default", &place.namespace)
        // As it stands it has no end.
        .replace("while True:", "for _ in range(10):");
    let file = dir.path().join("desk.py");
    std::fs::write(&file, script).unwrap();
    let ended = toolchain::tool(&python, dir.path(), &["-B", "desk.py"]);
    toolchain::succeeded(&ended, &["desk.py"]);
    let told = ended.stdout.lines().filter(|line| *line == "AAPL 1m 1.0").count();
    assert_eq!(told, 1, "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secured_edge_waits_until_its_role_may_produce() {
    let Some(own) = OwnPulsar::secured() else { return };
    let (mut options, dir) = (own.secured_options(), tempfile::tempdir().unwrap());
    let token_file = dir.path().join("token");
    std::fs::write(&token_file, own.token("desk", None)).unwrap();
    options.security.token_file = Some(token_file);
    let place = Place::secured(own.pulsar(), dir.path(), "json", Some(&options));
    let data = dir.path().join("data");
    let server = Engine::Embedded.start(&data);
    publish(&server, 0..20).await;
    until_metric(&server, "tidings_edge_errors_total", |errors| errors > 0).await;
    assert_eq!(metric(&server, "tidings_edge_messages_total"), 0);
    let path = format!("namespaces/{}/permissions/desk", place.namespace);
    place.pulsar.ask("POST", &path, r#"["produce"]"#);
    until_all_is_mirrored(&server).await;
    assert_eq!(metric(&server, "tidings_edge_messages_total"), 20);
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0));
    let told = "let the role of the token or certificate produce there";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn an_edge_that_cannot_be_ends_the_start_with_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let file =
        "[[edges.mirrored]]\nname = \"desk\"\ntopics = [\"analysis/**\"]\nformat = \"avro\"\n";
    std::fs::write(dir.path().join("tidings.toml"), file).unwrap();
    let mut command = Engine::Embedded.command();
    command.args(["serve", "--addr", "127.0.0.1:0"]).current_dir(dir.path());
    let ended = finish(command, "");
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let told = "edges.mirrored[0].format: `avro`; it must be json or protobuf";
    assert!(ended.stderr.contains(told), "{ended:?}");
}

impl Place {
    fn schema(&self) -> Value {
        let path = format!("schemas/{}/analysis:indicators:1m/schema", self.namespace);
        let answer = self.pulsar.ask("GET", &path, "");
        let json = &answer[answer.find('{').unwrap()..=answer.rfind('}').unwrap()];
        serde_json::from_str(json).unwrap_or(json!(answer))
    }
}

/// In base 64, as Python writes it.
fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

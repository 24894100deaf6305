//! Two nodes with one log: when the owner is gone the other one takes over by itself, and nothing acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use tempfile::TempDir;
use tidings_client::{Backoff, Client, PublisherOptions};
use tidings_e2e::{
    Chronicle, Engine, OwnPulsar, Pulsar, Server, TestEvent, Thresholds, Witness, ask, finish,
    indicator, metric, subscribe, until_ready_is,
};
use tidings_event::{Clock, SystemClock};
use tidings_telemetry::Timer;
use tokio::sync::watch;
use tokio::task::JoinSet;

const TOPICS: &[&str] = &["analysis/**"];
const KEYS: u64 = 20;
/// Events that wait for their outcome at a time.
const UNDER_WAY: usize = 500;
/// Acknowledged before the owner is harmed, and again after that.
const EVENTS: u64 = 1_000;
/// A client finds out about a frozen service after some 20 s; on a machine that has other things to do.
const BACK: Duration = Duration::from_secs(180);

fn event(number: u64) -> Vec<u8> {
    indicator(&format!("KEY{}", number % KEYS), "1m", number / KEYS)
}

/// A log, and where the nodes are that share it.
struct Nodes {
    engine: Engine,
    dir: TempDir,
    addresses: Vec<String>,
}

impl Nodes {
    fn find() -> Option<Self> {
        Some(Self::of(Pulsar::find()?.engine()))
    }

    fn of(engine: Engine) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // A node says where it is before it is there.
        let free: Vec<TcpListener> =
            (0..2).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses = free.iter().map(|port| port.local_addr().unwrap().to_string()).collect();
        Self { engine, dir, addresses }
    }

    fn data(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("node-{at}"))
    }

    fn start(&self, name: &str, at: usize) -> Server {
        let address = &self.addresses[at];
        let mut command = self.engine.command();
        command.env("TIDINGS_CLUSTER__NODE", name);
        command.env("TIDINGS_CLUSTER__ADVERTISE", format!("http://{address}"));
        Server::start_at_by(command, &self.data(at), address)
    }

    async fn client(&self) -> Client {
        let urls: Vec<String> = self.addresses.iter().map(|at| format!("http://{at}")).collect();
        Client::connect(&urls.join(",")).await.unwrap()
    }
}

fn cluster(server: &Server) -> Value {
    let answer = ask(server, "GET /api/v1/cluster", "", b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn patient() -> Backoff {
    Backoff { max: Duration::from_millis(500), give_up_after: Some(BACK), ..Backoff::default() }
}

/// Publishes until told to stop, and until everything has its outcome; says how many were acknowledged so far.
async fn publish(
    client: Client,
    chronicle: Chronicle,
    stop: Arc<AtomicBool>,
    acknowledged: watch::Sender<u64>,
) {
    let options = PublisherOptions { backoff: patient(), ..PublisherOptions::sequenced("p") };
    let publisher = client.publisher(options).await.unwrap();
    let (mut receipts, mut next) = (FuturesUnordered::new(), 0);
    loop {
        while receipts.len() < UNDER_WAY && !stop.load(Ordering::Acquire) {
            let event = event(next);
            next += 1;
            chronicle.invoke("p", &event);
            let receipt = Timer.limit(BACK, publisher.send(&event)).await.unwrap().unwrap();
            receipts.push(async move { (event, receipt.await) });
        }
        let Some((event, outcome)) = Timer.limit(BACK, receipts.next()).await.unwrap() else {
            return;
        };
        chronicle.outcome(&event, &outcome);
        outcome.unwrap();
        acknowledged.send_modify(|count| *count += 1);
    }
}

/// Reads and acknowledges until everything that was acknowledged came, by as many connections as that takes.
async fn read(client: Client, chronicle: Chronicle, all: watch::Receiver<Option<u64>>) {
    let mut seen = BTreeSet::new();
    while all.borrow().is_none_or(|count| (seen.len() as u64) < count) {
        let attached = Witness::attach_as(&client, &chronicle, "all", "witness").await;
        let Ok(mut witness) = attached else {
            // Any call that fails goes on to the next node.
            let _elsewhere = client.rest().topics().await;
            Timer.after(Duration::from_millis(100)).await;
            continue;
        };
        while all.borrow().is_none_or(|count| (seen.len() as u64) < count) {
            let Ok(next) = witness.next_within(Duration::from_millis(500)).await else { break };
            let Some(delivered) = next else { continue };
            let events = delivered.events().map(|event| TestEvent::read(event.unwrap().event));
            seen.extend(events);
            if witness.ack(&delivered).await.is_err() {
                break;
            }
        }
        chronicle.mark("reconnect", Some("all"));
    }
}

/// A publisher and a reader that go on whatever becomes of the nodes.
struct Load {
    chronicle: Chronicle,
    stop: Arc<AtomicBool>,
    acknowledged: watch::Receiver<u64>,
    all: watch::Sender<Option<u64>>,
    publishing: JoinSet<()>,
    reading: JoinSet<()>,
}

impl Load {
    async fn start(nodes: &Nodes) -> Self {
        let chronicle = Chronicle::open(nodes.dir.path());
        chronicle.subscription("all", TOPICS);
        subscribe(&nodes.client().await, "all", TOPICS).await;
        let (stop, sender) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
        let (acknowledged, all) = (sender.subscribe(), watch::Sender::new(None));
        let (mut publishing, mut reading) = (JoinSet::new(), JoinSet::new());
        reading.spawn(read(nodes.client().await, chronicle.clone(), all.subscribe()));
        let told = Arc::clone(&stop);
        publishing.spawn(publish(nodes.client().await, chronicle.clone(), told, sender));
        Self { chronicle, stop, acknowledged, all, publishing, reading }
    }

    /// Waits until so many more are acknowledged.
    async fn goes_on(&mut self) {
        let now = *self.acknowledged.borrow();
        let enough = self.acknowledged.wait_for(|count| *count >= now + EVENTS);
        drop(Timer.limit(BACK, enough).await.unwrap().unwrap());
    }

    /// Ends it; everything acknowledged comes.
    async fn finish(self) -> Chronicle {
        self.stop.store(true, Ordering::Release);
        self.publishing.join_all().await;
        self.all.send_replace(Some(*self.acknowledged.borrow()));
        Timer.limit(BACK, self.reading.join_all()).await.expect("everything comes");
        self.chronicle
    }
}

/// Nothing that was acknowledged is missing from the log, and all of it was delivered in order.
async fn judge(nodes: &Nodes, chronicle: &Chronicle) {
    nodes.engine.record_stored(&nodes.data(0), chronicle, "the log").await;
    let told = chronicle.judged(&Thresholds {
        min_acked: 2 * EVENTS as usize,
        min_deliveries: 2 * EVENTS as usize,
        ..Thresholds::default()
    });
    eprint!("{told}");
}

/// The first node owns the log, the second one stands by.
async fn two(nodes: &Nodes) -> (Server, Server) {
    let owner = nodes.start("a", 0);
    until_ready_is(&owner, 200).await;
    let other = nodes.start("b", 1);
    let told = until_ready_is(&other, 503).await;
    assert!(told.contains(&format!("node `a` at {} owns the log", owner.url())), "{told}");
    let refused = ask(&other, "POST /api/v1/events", "application/json", b"[]");
    assert_eq!((refused.status, &refused.json()["code"]), (503, &"NOT_READY".into()));
    assert_eq!(refused.json()["field"], "owner", "{refused:?}");
    assert_eq!(ask(&other, "GET /livez", "", b"").status, 200);
    (owner, other)
}

async fn took(what: &str, other: &Server, since: Duration, clock: &SystemClock) {
    until_ready_is(other, 200).await;
    let took = clock.monotonic().saturating_sub(since).as_secs_f64();
    eprintln!("takeover after {what}: {took:.1} s");
    let known = cluster(other);
    let group = &known["partition_groups"][0];
    assert_eq!((&group["owner"], &group["state"]), (&"b".into(), &"serving".into()), "{known}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_that_is_killed_under_load_is_followed_by_the_other_node() {
    let Some(nodes) = Nodes::find() else { return };
    let (owner, other) = two(&nodes).await;
    let (clock, mut load) = (SystemClock::new(), Load::start(&nodes).await);
    load.goes_on().await;
    let since = clock.monotonic();
    owner.kill();
    took("kill -9", &other, since, &clock).await;
    load.goes_on().await;
    let chronicle = load.finish().await;
    assert_eq!(metric(&other, "tidings_cluster_takeovers_total"), 1);
    let ended = other.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    judge(&nodes, &chronicle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_that_was_frozen_under_load_writes_nothing_more_and_stands_by() {
    let Some(nodes) = Nodes::find() else { return };
    let (owner, other) = two(&nodes).await;
    let (clock, mut load) = (SystemClock::new(), Load::start(&nodes).await);
    load.goes_on().await;
    let since = clock.monotonic();
    owner.freeze();
    took("SIGSTOP", &other, since, &clock).await;
    owner.thaw();
    let told = until_ready_is(&owner, 503).await;
    assert!(told.contains("owner"), "{told}");
    let failed = async {
        while metric(&owner, "tidings_log_fenced_appends_total") == 0 {
            Timer.after(Duration::from_millis(50)).await;
        }
    };
    Timer.limit(BACK, failed).await.expect("appends under way fail");
    load.goes_on().await;
    assert_eq!(cluster(&owner)["partition_groups"][0]["owner"], "b");
    let chronicle = load.finish().await;
    for server in [owner, other] {
        let ended = server.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    judge(&nodes, &chronicle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_that_is_told_to_stop_hands_over_at_once() {
    let Some(nodes) = Nodes::find() else { return };
    let (owner, other) = two(&nodes).await;
    let (clock, mut load) = (SystemClock::new(), Load::start(&nodes).await);
    load.goes_on().await;
    let since = clock.monotonic();
    let ended = owner.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    took("SIGTERM", &other, since, &clock).await;
    load.goes_on().await;
    let chronicle = load.finish().await;
    assert_eq!(other.terminate().code, Some(0));
    judge(&nodes, &chronicle).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_owner_that_is_cut_off_ends_its_streams_and_goes_on_where_nobody_followed() {
    let Some(broker) = OwnPulsar::start() else { return };
    let nodes = Nodes::of(broker.pulsar().engine());
    let (owner, other) = two(&nodes).await;
    let mut load = Load::start(&nodes).await;
    load.goes_on().await;
    let client = owner.client().await;
    subscribe(&client, "quiet", &["analysis/patterns"]).await;
    let mut quiet = Witness::attach_as(&client, &load.chronicle, "quiet", "quiet").await.unwrap();
    broker.kill();
    let ended = async {
        loop {
            match quiet.next_within(Duration::from_secs(1)).await {
                Ok(came) => assert!(came.is_none(), "nothing is published there"),
                Err(error) => return error,
            }
        }
    };
    let error = Timer.limit(BACK, ended).await.expect("the stream ends");
    assert!(error.is_retryable(), "{error}");
    let told = until_ready_is(&owner, 503).await;
    assert!(told.contains("beats"), "{told}");
    broker.start_again();
    until_ready_is(&owner, 200).await;
    load.goes_on().await;
    let takeovers = [&owner, &other].map(|node| metric(node, "tidings_cluster_takeovers_total"));
    assert_eq!(takeovers, [1, 0], "nobody was dead");
    let chronicle = load.finish().await;
    for server in [other, owner] {
        let ended = server.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    judge(&nodes, &chronicle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_with_one_name_the_later_one_goes_on() {
    let Some(nodes) = Nodes::find() else { return };
    let former = nodes.start("a", 0);
    until_ready_is(&former, 200).await;
    let latter = nodes.start("a", 1);
    let ended = former.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("another process runs as node `a`"), "{}", ended.stderr);
    until_ready_is(&latter, 200).await;
    assert_eq!(latter.terminate().code, Some(0));
}

/// Verdict and words of each line of a doctor that is configured as nobody, or as a node somewhere.
fn doctor(nodes: &Nodes, own: Option<(&str, &str)>) -> BTreeMap<String, (String, String)> {
    let mut command = nodes.engine.command();
    if let Some((name, address)) = own {
        command.env("TIDINGS_CLUSTER__NODE", name);
        command.env("TIDINGS_CLUSTER__ADVERTISE", format!("http://{address}"));
    }
    command.args(["--json", "doctor", "--addr", "127.0.0.1:0"]).current_dir(nodes.dir.path());
    let ended = finish(command, "");
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |it: &Value, member: &str| it[member].as_str().unwrap_or_default().to_owned();
    let findings = document["findings"].as_array().unwrap().iter();
    findings.map(|it| (text(it, "check"), (text(it, "verdict"), text(it, "found")))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_who_is_there_and_who_owns_the_log() {
    let Some(nodes) = Nodes::find() else { return };
    assert_eq!(doctor(&nodes, None).get("members"), None);
    let (owner, other) = two(&nodes).await;
    let found = doctor(&nodes, Some(("b", &nodes.addresses[1])));
    let (a, b) = (&nodes.addresses[0], &nodes.addresses[1]);
    let ok = |found: &str| Some(("ok".to_owned(), found.to_owned()));
    assert_eq!(found.get("members").cloned(), ok(&format!("a at {a}, b at {b}")), "{found:?}");
    assert_eq!(found["log's owner"].0, "ok", "{found:?}");
    assert!(found["log's owner"].1.starts_with("a, by term "), "{found:?}");
    assert_eq!(found["members' topic"].0, "ok", "{found:?}");
    assert!(!found.contains_key("cluster.node"), "{found:?}");
    for own in [None, Some(("a", b.as_str()))] {
        assert_eq!(doctor(&nodes, own)["cluster.node"].0, "warn");
    }
    for server in [other, owner] {
        assert_eq!(server.terminate().code, Some(0));
    }
    let (verdict, found) = &doctor(&nodes, None)["members"];
    assert_eq!(verdict, "ok");
    assert!(found.starts_with("no node runs"), "{found}");
}

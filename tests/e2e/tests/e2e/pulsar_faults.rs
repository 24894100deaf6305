//! The broker dies under load, or another service takes the log: publishers are held back, readiness says why, memory
//! is bounded, and what was acknowledged is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tidings_client::{Client, PublisherOptions};
use tidings_e2e::{
    Chronicle, OwnPulsar, Pulsar, Server, TestEvent, Thresholds, Witness, ask, heavy_indicator,
    metric, resident, soon, subscribe, until_ready_is,
};
use tidings_telemetry::Timer;
use tokio::sync::watch;
use tokio::task::JoinSet;

const TOPICS: &[&str] = &["analysis/**"];
const KEYS: u64 = 20;
/// Events that wait for their outcome at a time: more than a connection has credit for.
const UNDER_WAY: usize = 2_000;
/// Acknowledged before the broker dies, and again when it is back.
const EVENTS: u64 = 1_000;
/// With 16 labels an event has some 6.5 KB: what is under way is more than a queue takes.
const LABELS: u8 = 16;
/// Of the service, with a budget of 256 MiB.
const RESIDENT_MAX: u64 = 320 << 20;
/// A queue of a journal, with that budget.
const QUEUE_MAX: u64 = 8 << 20;
/// A broker starts, and the service finds it: on a machine that has other things to do.
const BACK: Duration = Duration::from_secs(300);

fn event(number: u64) -> Vec<u8> {
    heavy_indicator(&format!("KEY{}", number % KEYS), "1m", number / KEYS, LABELS)
}

/// Publishes until told to stop, and until everything has its outcome; says how many were acknowledged so far.
async fn publish(
    client: Client,
    chronicle: Chronicle,
    stop: Arc<AtomicBool>,
    acknowledged: watch::Sender<u64>,
) {
    let opened = client.publisher(PublisherOptions::sequenced("p"));
    let publisher = soon("a publisher", opened).await.unwrap();
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

/// Reads and acknowledges until everything that was acknowledged came.
async fn read(client: Client, chronicle: Chronicle, mut all: watch::Receiver<Option<u64>>) {
    let mut witness = Witness::attach(&client, &chronicle, "all").await;
    let (mut seen, mut count) = (std::collections::BTreeSet::new(), None);
    while count.is_none_or(|count| (seen.len() as u64) < count || witness.confirmed() < count) {
        tokio::select! {
            next = witness.next_within(BACK) => {
                let Some(delivered) = next.unwrap() else { continue };
                let events = delivered.events().map(|event| TestEvent::read(event.unwrap().event));
                seen.extend(events);
                witness.ack(&delivered).await.unwrap();
            }
            // The sender lives as long as the test.
            told = all.changed() => {
                told.unwrap();
                count = *all.borrow();
            }
        }
    }
    witness.detach().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_broker_killed_under_load_holds_publishers_back_and_loses_nothing() {
    let Some(broker) = OwnPulsar::start() else { return };
    let (engine, dir) = (broker.pulsar().engine(), tempfile::tempdir().unwrap());
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    chronicle.subscription("all", TOPICS);
    let mut command = engine.command();
    command.env("TIDINGS_MEMORY__BUDGET", "256MiB");
    let server = Server::start_by(command, &data);
    subscribe(&server.client().await, "all", TOPICS).await;
    let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), watch::Sender::new(0));
    let (mut acks, all) = (acknowledged.subscribe(), watch::Sender::new(None));
    let mut clients = JoinSet::new();
    clients.spawn(read(server.client().await, chronicle.clone(), all.subscribe()));
    let mut publishing = JoinSet::new();
    let client = server.client().await;
    publishing.spawn(publish(client, chronicle.clone(), Arc::clone(&stop), acknowledged));
    let enough = Timer.limit(BACK, acks.wait_for(|count| *count >= EVENTS)).await;
    drop(enough.unwrap().unwrap());

    broker.kill();
    chronicle.mark("broker killed", None);
    let told = until_ready_is(&server, 503).await;
    assert!(told.contains("does not reach the broker"), "{told}");
    assert_eq!(ask(&server, "GET /livez", "", b"").status, 200);
    let at_the_kill = *acks.borrow();
    let queued = metric(&server, "tidings_log_queued_bytes");
    assert!(queued > 0 && queued <= 4 * QUEUE_MAX, "{queued} bytes wait");
    broker.start_again();
    until_ready_is(&server, 200).await;
    let enough = Timer.limit(BACK, acks.wait_for(|count| *count >= at_the_kill + EVENTS)).await;
    drop(enough.unwrap().unwrap());
    let (_, most) = resident(&server);
    assert!(most < RESIDENT_MAX, "it held {most} bytes");

    stop.store(true, Ordering::Release);
    publishing.join_all().await;
    let count = *acks.borrow();
    all.send_replace(Some(count));
    Timer.limit(BACK, clients.join_all()).await.expect("everything comes");
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    engine.record_stored(&data, &chronicle, "the log").await;
    let told = chronicle.judged(&Thresholds {
        min_acked: 2 * EVENTS as usize,
        min_deliveries: 2 * EVENTS as usize,
        expect_marks: vec!["broker killed".to_owned()],
        ..Thresholds::default()
    });
    eprint!(
        "{count} acknowledged, {queued} bytes waited for the broker, {most} held at most\n{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stop_without_a_broker_ends_in_time_and_the_rest_comes_again() {
    let Some(broker) = OwnPulsar::start() else { return };
    let (engine, dir) = (broker.pulsar().engine(), tempfile::tempdir().unwrap());
    let data = dir.path().join("data");
    let mut command = engine.command();
    command.env("TIDINGS_ENGINE__PULSAR__CLOSE_SECONDS", "2");
    let server = Server::start_by(command, &data);
    broker.kill();
    until_ready_is(&server, 503).await;
    // Within the limit of the harness.
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    broker.start_again();
    assert_eq!(engine.start(&data).terminate().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_whose_log_another_one_took_says_so_and_acknowledges_nothing() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (engine, dir) = (pulsar.engine(), tempfile::tempdir().unwrap());
    let former = engine.start(&dir.path().join("former"));
    let publish = |server: &Server, number: u64| {
        let text = tidings_event::json::to_json(&event(number)).unwrap();
        ask(server, "POST /api/v1/events", "application/json", text.as_bytes())
    };
    assert_eq!(publish(&former, 0).status, 200);
    let latter = engine.start(&dir.path().join("latter"));
    let told = until_ready_is(&former, 503).await;
    assert!(told.contains("has another owner"), "{told}");
    let refused = publish(&former, KEYS);
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(publish(&latter, 2 * KEYS).status, 200);
    assert_eq!(latter.terminate().code, Some(0));
    assert_eq!(former.terminate().code, Some(0));
}

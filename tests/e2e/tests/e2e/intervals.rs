//! Intervals are marked: at once when all have published, at the deadline with who is missing, once
//! across a kill -9, and after the events that they speak of.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_client::{Client, Consumer, ConsumerEvent, ConsumerOptions, PublisherOptions};
use tidings_e2e::{Server, ask, indicator, soon, subscribe};
use tidings_event::{Clock, SystemClock};

const MARKS: &str = "analysis/intervals/5m";

/// How long after the last event's acknowledgement its consumer has the mark: the median of several
/// intervals, for one alone may meet a slow disk.
const MARK_MAX: Duration = Duration::from_millis(100);
const INTERVALS: u64 = 5;

fn instruments() -> Vec<String> {
    (0..500).map(|n| format!("I{n:03}")).collect()
}

/// A service that expects these instruments at `XNAS` in `5m`, in a directory of its own.
fn expecting(dir: &Path, deadline_ms: u64) -> Server {
    std::fs::write(dir.join("nasdaq.txt"), instruments().join("\n")).unwrap();
    let list =
        "[[intervals.expected]]\nvenue = \"XNAS\"\ntimeframe = \"5m\"\nfile = \"nasdaq.txt\"";
    let config = format!("[intervals]\ndeadline_ms = {deadline_ms}\n{list}\n");
    std::fs::write(dir.join("tidings.toml"), config).unwrap();
    Server::start(&dir.join("data"))
}

/// Publishes the n-th interval of instruments, and waits until all of it is durable.
async fn publish(client: &Client, instruments: &[String], n: u64) {
    let options = PublisherOptions::sequenced(format!("p{n}-{}", instruments.len()));
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let mut receipts = Vec::new();
    for instrument in instruments {
        receipts.push(publisher.send(&indicator(instrument, "5m", n)).await.unwrap());
    }
    for receipt in receipts {
        soon("an outcome", receipt).await.unwrap();
    }
    soon("the publisher to close", publisher.close()).await.unwrap();
}

/// The marks as they are delivered.
struct Marks {
    consumer: Consumer,
    waiting: VecDeque<(u64, Value)>,
}

impl Marks {
    async fn of(client: &Client) -> Self {
        let options = ConsumerOptions::new("marks", "test");
        let consumer = soon("a consumer", client.consumer(options)).await.unwrap();
        Self { consumer, waiting: VecDeque::new() }
    }

    /// The next mark: its revision and what it says.
    async fn next(&mut self) -> (u64, Value) {
        loop {
            if let Some(mark) = self.waiting.pop_front() {
                return mark;
            }
            let next = soon("a mark", self.consumer.next()).await.unwrap().unwrap();
            let ConsumerEvent::Events(delivered) = next else { continue };
            for event in delivered.events() {
                let text = tidings_event::json::to_json(event.unwrap().event).unwrap();
                let mark: Value = serde_json::from_str(&text).unwrap();
                assert_eq!((&mark["source"], &mark["venue"]), (&json!("tidings"), &json!("XNAS")));
                let revision = mark["revision"].as_u64().unwrap_or(0);
                self.waiting.push_back((revision, mark["interval_complete"].clone()));
            }
            self.consumer.ack_up_to(delivered.last_position()).await.unwrap();
        }
    }
}

/// Every event of a topic, by its ingest time.
fn stored(server: &Server, topic: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    let name = topic.replace('/', ":");
    for partition in 0..16 {
        let path =
            format!("GET /api/v1/topics/{name}/events?partition={partition}&offset=0&limit=1000");
        let page = ask(server, &path, "", b"").json();
        for entry in page["events"].as_array().unwrap() {
            let at = entry["ingested_at"].as_str().unwrap().to_owned();
            all.push((at, entry["event"].clone()));
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_500_instruments_completes_an_interval() {
    let dir = tempfile::tempdir().unwrap();
    let server = expecting(dir.path(), 60_000);
    let client = server.client().await;
    subscribe(&client, "marks", &[MARKS]).await;
    let mut marks = Marks::of(&client).await;
    let all = instruments();
    let clock = SystemClock::new();
    let mut took = Vec::new();
    for interval in 1..=INTERVALS {
        publish(&client, &all[..499], interval).await;
        publish(&client, &all[499..], interval).await;
        let sent = clock.monotonic();
        let (revision, said) = marks.next().await;
        took.push(clock.monotonic() - sent);
        assert_eq!(revision, 0);
        assert_eq!(said, json!({"expected": 500, "published": 500, "expected_from": "DECLARED"}));
    }
    took.sort();
    assert!(took[took.len() / 2] <= MARK_MAX, "marks came after {took:?}");
    let events = stored(&server, "analysis/indicators/5m");
    let marked = stored(&server, MARKS);
    assert_eq!((events.len(), marked.len()), (500 * INTERVALS as usize, INTERVALS as usize));
    for (interval, mark) in events.chunks(500).zip(&marked) {
        let (last, first) = (&interval[499].0, &mark.0);
        assert!(last <= first, "the mark was taken in at {first}, the last event at {last}");
    }
    let known = ask(&server, "GET /api/v1/intervals?venue=XNAS", "", b"").json();
    assert_eq!(known["intervals"][0]["state"], "complete", "{known}");
    assert_eq!(known["intervals"][0]["revision"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_names_the_missing_once_across_kills() {
    let dir = tempfile::tempdir().unwrap();
    let all = instruments();
    let (late, early): (Vec<String>, Vec<String>) =
        all.into_iter().partition(|name| ["I007", "I250", "I499"].contains(&name.as_str()));
    let server = expecting(dir.path(), 1_000);
    let client = server.client().await;
    subscribe(&client, "marks", &[MARKS]).await;
    publish(&client, &early, 1).await;
    server.kill();

    let server = expecting(dir.path(), 1_000);
    let client = server.client().await;
    let mut marks = Marks::of(&client).await;
    let (revision, said) = marks.next().await;
    let missing = json!({"expected": 500, "published": 497,
        "missing": ["I007", "I250", "I499"], "expected_from": "DECLARED"});
    assert_eq!((revision, said), (0, missing));
    server.kill();

    let server = expecting(dir.path(), 1_000);
    let client = server.client().await;
    publish(&client, &late, 1).await;
    // A complete interval of its own shows that what came before it was decided.
    publish(&client, &instruments(), 2).await;
    let mut marks = Marks::of(&client).await;
    let mut complete = BTreeMap::new();
    while complete.len() < 2 {
        let (revision, said) = marks.next().await;
        if said["published"] == 500 {
            complete.insert(revision, said);
        }
    }
    let stored = stored(&server, MARKS);
    let of_first = |event: &Value| event["interval_start"] == stored[0].1["interval_start"];
    let revisions: Vec<u64> = stored
        .iter()
        .filter(|(_, event)| of_first(event))
        .map(|(_, event)| event["revision"].as_u64().unwrap_or(0))
        .collect();
    // The three came late: gathered into one mark, or into as many as came apart.
    assert!(revisions.iter().copied().eq(0..revisions.len() as u64), "{revisions:?}");
    assert!((2..=4).contains(&revisions.len()), "{revisions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn expectations_are_learned_where_that_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("tidings.toml"), "[intervals]\nlearn = true\n").unwrap();
    let server = Server::start(&dir.path().join("data"));
    let client = server.client().await;
    subscribe(&client, "marks", &[MARKS]).await;
    let names: Vec<String> = ["AAPL", "IBM"].map(str::to_owned).to_vec();
    publish(&client, &names, 1).await;
    publish(&client, &names, 2).await;
    let mut marks = Marks::of(&client).await;
    let (_, said) = marks.next().await;
    assert_eq!(said, json!({"expected": 2, "published": 2, "expected_from": "LEARNED"}));
}

#[test]
fn without_lists_or_learning_nothing_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let list = ask(&server, "GET /api/v1/intervals", "", b"").json();
    assert_eq!(list, json!({"intervals": []}));
    let refused = ask(&server, "GET /api/v1/intervals?cursor=x", "", b"");
    assert_eq!((refused.status, &refused.json()["code"]), (400, &json!("CURSOR_INVALID")));
}

//! kill -9 at random, of the service and of consumers, under every kind of subscription at once: the
//! checker finds nothing lost, nothing invented, nothing out of order, and every delivery's end
//! written down exactly once.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tidings_client::{Backoff, Client, ClientError, Delivered, PublisherOptions, Run};
use tidings_e2e::{
    Chronicle, Desk, Server, TestEvent, Thresholds, Witness, indicator, settlements, soon,
};
use tokio::task::JoinSet;

/// Of an ordinary run; `TIDINGS_MIXED_KILLS` and `TIDINGS_MIXED_EVENTS` ask for more.
const KILLS: u64 = 10;
const EVENTS: u64 = 10_000;
const TOPICS: &[&str] = &["analysis/**"];
const KEYS: u64 = 20;
/// After this long without anything new a consumer asks whether that was all.
const QUIET: Duration = Duration::from_millis(100);

fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn key(number: u64) -> String {
    format!("KEY{}", number % KEYS)
}

/// A number that looks like none before it.
fn random(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 16
}

/// A subscription, and how those who consume it behave.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    members: &'static [&'static str],
    /// Keys that its filter selects; empty: all.
    keys: &'static [&'static str],
    /// Whether it gives back one event of 49, whenever it comes.
    refuses: bool,
}

const KINDS: &[Kind] = &[
    Kind { name: "all", members: &["one"], keys: &[], refuses: false },
    Kind { name: "failing", members: &["one"], keys: &[], refuses: true },
    Kind { name: "some", members: &["one"], keys: &["KEY3", "KEY8", "KEY11"], refuses: false },
    Kind { name: "some-failing", members: &["one"], keys: &["KEY1", "KEY8"], refuses: true },
    Kind { name: "group", members: &["one", "two", "three"], keys: &[], refuses: false },
];

impl Kind {
    fn document(&self) -> Value {
        let mut document = json!({"delivery": {"stream": {}}});
        if self.refuses {
            document["retry"] =
                json!({"max_attempts": 2, "min_backoff_ms": 1, "max_backoff_ms": 5});
        }
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|key| format!("'{key}'")).collect();
            document["filter"] = json!(format!("instrument in [{}]", keys.join(", ")));
        }
        if self.members.len() > 1 {
            document["sharing"] = json!("group");
        }
        document
    }

    fn is_refused(&self, number: u64) -> bool {
        self.refuses && number % 49 == 7
    }
}

/// Acknowledges what a member takes and gives back what it refuses.
async fn answer(witness: &Witness, kind: &Kind, delivered: &Delivered) -> Result<(), ClientError> {
    let (mut good, mut bad): (Vec<Run>, Vec<Run>) = (Vec::new(), Vec::new());
    for event in delivered.events() {
        let event = event.unwrap();
        let run = delivered.run(event.offset.0, event.offset.0);
        let refused = kind.is_refused(TestEvent::read(event.event).number);
        if refused { bad.push(run) } else { good.push(run) }
    }
    if !bad.is_empty() {
        witness.nack(&delivered.topic, &bad).await?;
    }
    if good.is_empty() { Ok(()) } else { witness.ack_runs(&good).await }
}

/// One member; dies after so many deliveries, comes again, and stays until the service is gone.
async fn consume(url: String, chronicle: Chronicle, kind: Kind, member: &str, dies_after: u64) {
    let mut left = dies_after;
    loop {
        let Ok(client) = Client::connect(&url).await else { return };
        let attached = Witness::attach_as(&client, &chronicle, kind.name, member).await;
        let Ok(mut witness) = attached else { return };
        if kind.members.len() > 1 {
            // Keys move to it, and take with them what is not settled in time.
            chronicle.mark("member joined", Some(kind.name));
        }
        loop {
            let Ok(next) = witness.next_within(Duration::from_secs(60)).await else { return };
            let Some(delivered) = next else { continue };
            left = left.wrapping_sub(1);
            if left == 0 {
                // With all that it had in its hands.
                chronicle.mark("consumer killed", Some(kind.name));
                break;
            }
            if answer(&witness, &kind, &delivered).await.is_err() {
                return;
            }
        }
    }
}

fn subscribe(server: &Server) {
    for kind in KINDS {
        let _desk = Desk::open(server, kind.name, TOPICS, &kind.document());
    }
}

/// Publishes until the service, which is killed after some of them are acknowledged, is gone.
async fn cycle(data: &Path, numbers: std::ops::Range<u64>, chronicle: &Chronicle) -> u64 {
    let server = Server::start(data);
    subscribe(&server);
    let mut members = JoinSet::new();
    for (n, kind) in KINDS.iter().enumerate() {
        for (m, &member) in kind.members.iter().enumerate() {
            let dies_after = 1 + random(numbers.start + (n * 7 + m) as u64) % 40;
            let url = server.url().to_owned();
            members.spawn(consume(url, chronicle.clone(), *kind, member, dies_after));
        }
    }
    let backoff = Backoff { give_up_after: Some(Duration::ZERO), ..Backoff::default() };
    let options =
        PublisherOptions { backoff, max_block_bytes: 4 << 10, ..PublisherOptions::sequenced("p") };
    let publisher = soon("a publisher", server.client().await.publisher(options)).await.unwrap();
    let killed_after = 1 + random(numbers.start) % (numbers.end - numbers.start - 1);
    let mut receipts = FuturesUnordered::new();
    for event in numbers.map(|number| indicator(&key(number), "1m", number)) {
        chronicle.invoke("p", &event);
        let read = TestEvent::read(&event);
        for kind in KINDS.iter().filter(|kind| !kind.keys.is_empty()) {
            chronicle.verdict(kind.name, &event, kind.keys.contains(&read.instrument.as_str()));
        }
        let receipt = publisher.send(&event).await.unwrap();
        receipts.push(async move { (event, receipt.await) });
    }
    let (mut server, mut acknowledged) = (Some(server), 0);
    while let Some((event, outcome)) = soon("an outcome", receipts.next()).await {
        chronicle.outcome(&event, &outcome);
        acknowledged += u64::from(outcome.is_ok());
        if let Some(server) = server.take_if(|_| acknowledged >= killed_after) {
            server.kill();
        }
    }
    assert!(server.is_none(), "killed after {acknowledged} events were acknowledged");
    soon("the members to end", members.join_all()).await;
    chronicle.mark("crash", None);
    acknowledged
}

/// One member of the last life: reads until nothing of its subscription is open.
async fn read_out(server: &Server, chronicle: &Chronicle, kind: &Kind) -> BTreeSet<(u32, u64)> {
    let client = server.client().await;
    let attached = Witness::attach_as(&client, chronicle, kind.name, "last").await;
    let mut witness = attached.unwrap();
    let mut refused = BTreeSet::new();
    loop {
        if let Some(delivered) = witness.next_within(QUIET).await.unwrap() {
            answer(&witness, kind, &delivered).await.unwrap();
            let events = delivered.events().map(Result::unwrap);
            let bad = events.filter(|e| kind.is_refused(TestEvent::read(e.event).number));
            refused.extend(bad.map(|event| (delivered.partition.0, event.offset.0)));
        } else if Desk::of(server, kind.name, "").status()["lag_events"] == 0 {
            witness.detach().await;
            return refused;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_service_and_consumers_leave_every_delivery_with_one_exact_end() {
    let dir = tempfile::tempdir().unwrap();
    let (data, chronicle) = (dir.path().join("data"), Chronicle::open(dir.path()));
    for kind in KINDS {
        if kind.refuses {
            chronicle.giving_back(kind.name, TOPICS);
        } else {
            chronicle.subscription(kind.name, TOPICS);
        }
    }
    let kills = asked("TIDINGS_MIXED_KILLS", KILLS);
    let each = asked("TIDINGS_MIXED_EVENTS", EVENTS) / kills;
    let mut acknowledged = 0;
    for n in 0..kills {
        acknowledged += cycle(&data, n * each..(n + 1) * each, &chronicle).await;
    }
    let server = Server::start(&data);
    for kind in KINDS {
        let refused = read_out(&server, &chronicle, kind).await;
        let letters = Desk::of(&server, kind.name, "").letters();
        assert_eq!(letters.is_empty(), !kind.refuses);
        let mut dead = BTreeSet::new();
        for letter in &letters {
            let partition = letter["partition"].as_u64().unwrap() as u32;
            let offset = letter["offset"].as_u64().unwrap();
            chronicle.dead(kind.name, letter["topic"].as_str().unwrap(), partition, offset);
            dead.insert((partition, offset));
        }
        assert!(dead.is_superset(&refused), "what fails to the end is a dead letter");
        chronicle.mark("drained", Some(kind.name));
    }
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    chronicle.settled(settlements(&data).await);
    eprintln!("{kills} kills, {acknowledged} events acknowledged");
    chronicle.judge(&Thresholds {
        min_acked: acknowledged as usize,
        min_deliveries: acknowledged as usize,
        expect_marks: vec!["crash".to_owned(), "consumer killed".to_owned()],
        expect_redelivery: true,
    });
}

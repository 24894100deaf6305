//! kill -9 at random, of the service and of consumers, under every kind of subscription at once: the
//! checker finds nothing lost, nothing invented, nothing out of order, and every delivery's end
//! written down exactly once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use tidings_client::{Backoff, Client, ClientError, Delivered, PublisherOptions, Run};
use tidings_e2e::{
    Chronicle, Desk, Server, TestEvent, Thresholds, Witness, indicator, settlements, soon,
};
use tokio::task::JoinSet;

/// Of an ordinary run; `TIDINGS_MIXED_KILLS` and `TIDINGS_MIXED_EVENTS` ask for more. So many events
/// are acknowledged between the first start and the last kill.
const KILLS: u64 = 10;
const EVENTS: u64 = 5_000;
const TOPICS: &[&str] = &["analysis/**"];
const KEYS: u64 = 20;
/// Events that wait for their outcome at a time, at most.
const UNDER_WAY: u64 = 4_000;
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
    /// How they share it; only of several.
    sharing: &'static str,
    /// Keys that its filter selects; empty: all.
    keys: &'static [&'static str],
    /// Whether they give back one event of 49, whenever it comes.
    refuses: bool,
    /// Whether an event that fails holds back its key.
    ordered: bool,
}

/// Takes everything, and acknowledges it.
const PLAIN: Kind = Kind {
    name: "all",
    members: &["one"],
    sharing: "exclusive",
    keys: &[],
    refuses: false,
    ordered: true,
};

const KINDS: &[Kind] = &[
    PLAIN,
    Kind { name: "failing", refuses: true, ..PLAIN },
    Kind { name: "some", keys: &["KEY3", "KEY8", "KEY11"], ..PLAIN },
    Kind { name: "some-failing", keys: &["KEY1", "KEY8"], refuses: true, ..PLAIN },
    Kind { name: "parallel", keys: &["KEY2", "KEY8"], refuses: true, ordered: false, ..PLAIN },
    Kind { name: "failover", members: &["one", "two"], sharing: "failover", ..FEW },
    Kind { name: "group", members: &["one", "two", "three"], sharing: "group", ..PLAIN },
    Kind { name: "group-failing", members: &["one", "two"], sharing: "group", ..FEW },
];

/// Of a few keys, some events of which fail.
const FEW: Kind = Kind { keys: &["KEY5", "KEY14"], refuses: true, ..PLAIN };

impl Kind {
    fn document(&self) -> Value {
        let mut document = json!({"delivery": {"stream": {}}, "sharing": self.sharing});
        if self.refuses {
            document["retry"] =
                json!({"max_attempts": 2, "min_backoff_ms": 1, "max_backoff_ms": 5});
        }
        if !self.keys.is_empty() {
            let keys: Vec<String> = self.keys.iter().map(|key| format!("'{key}'")).collect();
            document["filter"] = json!(format!("instrument in [{}]", keys.join(", ")));
        }
        if !self.ordered {
            document["mode"] = json!("parallel");
        }
        document
    }

    fn is_refused(&self, number: u64) -> bool {
        self.refuses && number % 49 == 7
    }
}

/// Acknowledges what a member takes and gives back what it refuses.
async fn answer(
    witness: &mut Witness,
    kind: &Kind,
    delivered: &Delivered,
) -> Result<(), ClientError> {
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
            if answer(&mut witness, &kind, &delivered).await.is_err() {
                return;
            }
        }
    }
}

/// Lets every kind's members consume a service until it is gone.
fn attach(server: &Server, life: u64, chronicle: &Chronicle) -> JoinSet<()> {
    let mut members = JoinSet::new();
    for (n, kind) in KINDS.iter().enumerate() {
        for (m, &member) in kind.members.iter().enumerate() {
            let dies_after = 1 + random(life << 8 | (n * 7 + m) as u64) % 40;
            let url = server.url().to_owned();
            members.spawn(consume(url, chronicle.clone(), *kind, member, dies_after));
        }
    }
    members
}

/// What is published, and how many events were acknowledged.
struct Load {
    chronicle: Chronicle,
    next: u64,
    acknowledged: u64,
    /// Events that wait for their outcome at a time.
    under_way: usize,
}

impl Load {
    /// The next event, written down with what the filters should say of it.
    fn next(&mut self) -> Vec<u8> {
        let event = indicator(&key(self.next), "1m", self.next);
        self.next += 1;
        self.chronicle.invoke("p", &event);
        let instrument = TestEvent::read(&event).instrument;
        let filtered = KINDS.iter().filter(|kind| !kind.keys.is_empty());
        let said = filtered.map(|kind| (kind.name, kind.keys.contains(&instrument.as_str())));
        self.chronicle.verdict(&event, said);
        event
    }

    /// Publishes until so many events of all lives are acknowledged, and kills the service then, with
    /// others under way.
    async fn publish(&mut self, server: Server, until: u64) {
        let backoff = Backoff { give_up_after: Some(Duration::ZERO), ..Backoff::default() };
        let options = PublisherOptions { backoff, ..PublisherOptions::sequenced("p") };
        let options = PublisherOptions { max_block_bytes: 4 << 10, ..options };
        let publisher = server.client().await.publisher(options).await.unwrap();
        let (mut server, mut receipts) = (Some(server), FuturesUnordered::new());
        loop {
            while server.is_some() && receipts.len() < self.under_way {
                let event = self.next();
                let receipt = soon("room", publisher.send(&event)).await.unwrap();
                receipts.push(async move { (event, receipt.await) });
            }
            let Some((event, outcome)) = soon("an outcome", receipts.next()).await else { return };
            self.chronicle.outcome(&event, &outcome);
            self.acknowledged += u64::from(outcome.is_ok());
            if let Some(server) = server.take_if(|_| self.acknowledged >= until) {
                server.kill();
            }
        }
    }
}

/// One member of the last life: reads until nothing of its subscription is open.
async fn read_out(server: &Server, chronicle: &Chronicle, kind: &Kind) -> BTreeSet<(u32, u64)> {
    let client = server.client().await;
    let attached = Witness::attach_as(&client, chronicle, kind.name, "last").await;
    let mut witness = attached.unwrap();
    let mut refused = BTreeSet::new();
    loop {
        if let Some(delivered) = witness.next_within(QUIET).await.unwrap() {
            answer(&mut witness, kind, &delivered).await.unwrap();
            let events = delivered.events().map(Result::unwrap);
            let bad = events.filter(|e| kind.is_refused(TestEvent::read(e.event).number));
            refused.extend(bad.map(|event| (delivered.partition.0, event.offset.0)));
        } else if Desk::of(server, kind.name, "").status()["lag_events"] == 0 {
            witness.detach().await;
            return refused;
        }
    }
}

/// Where a run keeps its log and its history; with `TIDINGS_MIXED_DIR` they stay there.
fn place() -> (Option<tempfile::TempDir>, PathBuf) {
    if let Some(kept) = std::env::var_os("TIDINGS_MIXED_DIR") {
        return (None, kept.into());
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (Some(dir), path)
}

/// Everything is read, and what failed to the end lies among the dead letters.
async fn drain(data: &Path, chronicle: &Chronicle) {
    let server = Server::start(data);
    for kind in KINDS {
        let refused = read_out(&server, chronicle, kind).await;
        let letters = Desk::of(&server, kind.name, "").letters();
        assert_eq!(letters.is_empty(), !kind.refuses);
        let place = |letter: &Value| {
            (letter["partition"].as_u64().unwrap() as u32, letter["offset"].as_u64().unwrap())
        };
        let dead: BTreeSet<_> = letters.iter().map(place).collect();
        assert!(dead.is_superset(&refused), "what fails to the end is a dead letter");
        chronicle.drained(kind.name, &letters);
    }
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_service_and_consumers_leave_every_delivery_with_one_exact_end() {
    let (_dir, path) = place();
    let (data, chronicle) = (path.join("data"), Chronicle::open(&path));
    for kind in KINDS {
        let define = if kind.ordered { Chronicle::subscription } else { Chronicle::parallel };
        define(&chronicle, kind.name, TOPICS);
    }
    let kills = asked("TIDINGS_MIXED_KILLS", KILLS);
    let events = asked("TIDINGS_MIXED_EVENTS", EVENTS);
    let each = events / kills;
    let under_way = UNDER_WAY.min(each / 4 + 1) as usize;
    let mut load = Load { chronicle: chronicle.clone(), next: 0, acknowledged: 0, under_way };
    for life in 1..=kills {
        let server = Server::start(&data);
        if life == 1 {
            for kind in KINDS {
                let _desk = Desk::open(&server, kind.name, TOPICS, &kind.document());
            }
        }
        let members = attach(&server, life, &chronicle);
        let until =
            if life == kills { events } else { each * (life - 1) + random(life) % each + 1 };
        load.publish(server, until).await;
        soon("the members to end", members.join_all()).await;
        chronicle.mark("crash", None);
    }
    drain(&data, &chronicle).await;
    chronicle.settled(settlements(&data).await);
    let told = chronicle.judged(&Thresholds {
        min_acked: events as usize,
        min_deliveries: events as usize,
        expect_marks: vec!["crash".to_owned(), "consumer killed".to_owned()],
        expect_redelivery: true,
    });
    eprint!("{kills} kills\n{told}");
}

//! Groups on the real executable: each key is with one member at a time, a member that dies loses its
//! keys to the others within five seconds, and nothing is lost; failover hands everything over.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tidings_client::{
    Client, Consumer, ConsumerEvent, ConsumerOptions, Delivered, PublisherOptions,
};
use tidings_e2e::{Desk, Server, TestEvent, indicator, soon};
use tidings_event::{Clock, SystemClock};
use tokio::task::JoinSet;

const TOPICS: &[&str] = &["analysis/**"];
const KEYS: u64 = 40;
const MOVES_WITHIN: Duration = Duration::from_secs(5);

/// What all members together have seen; it panics when a key is with two at once.
#[derive(Default)]
struct Table {
    /// Who had each key last, and how many events of it that one has not settled.
    holders: HashMap<String, (String, usize)>,
    dead: HashSet<String>,
    /// Numbers of each key in the order they came for the first time.
    seen: BTreeMap<String, Vec<u64>>,
    moved: BTreeSet<String>,
}

impl Table {
    fn take(&mut self, member: &str, event: &TestEvent) {
        let key = event.instrument.clone();
        let holder = self.holders.entry(key.clone()).or_insert_with(|| (member.to_owned(), 0));
        if holder.0 != member {
            let is_dead = self.dead.contains(&holder.0);
            assert!(
                is_dead || holder.1 == 0,
                "{member} got {event:?} while {} has {} of the key",
                holder.0,
                holder.1
            );
            if is_dead {
                self.moved.insert(key.clone());
            }
            *holder = (member.to_owned(), 0);
        }
        holder.1 += 1;
        let seen = self.seen.entry(key).or_default();
        if !seen.contains(&event.number) {
            seen.push(event.number);
        }
    }

    fn settle(&mut self, event: &TestEvent) {
        if let Some(holder) = self.holders.get_mut(&event.instrument) {
            holder.1 -= 1;
        }
    }

    fn held_by(&self, member: &str) -> BTreeSet<String> {
        let held = self.holders.iter().filter(|(_, (holder, _))| holder == member);
        held.map(|(key, _)| key.clone()).collect()
    }

    fn total(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }
}

fn events(delivered: &Delivered) -> Vec<TestEvent> {
    delivered.events().map(|event| TestEvent::read(event.unwrap().event)).collect()
}

/// One member, until it is dropped.
async fn work(mut consumer: Consumer, member: String, table: Arc<Mutex<Table>>) {
    loop {
        let next = soon("something for a member", consumer.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        let events = events(&delivered);
        {
            let mut table = table.lock().unwrap();
            events.iter().for_each(|event| table.take(&member, event));
            // Settled before the service can know it.
            events.iter().for_each(|event| table.settle(event));
        }
        consumer.ack(&delivered.runs()).await.unwrap();
    }
}

async fn attach(server: &Server, member: &str) -> (Client, Consumer) {
    let client = server.client().await;
    let options = ConsumerOptions { reconnect: false, ..ConsumerOptions::new("group", member) };
    let consumer = soon("a member", client.consumer(options)).await.unwrap();
    (client, consumer)
}

async fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let client = server.client().await;
    let options = PublisherOptions { max_block_bytes: 4 << 10, ..PublisherOptions::sequenced("p") };
    let publisher = client.publisher(options).await.unwrap();
    for number in numbers {
        let event = indicator(&format!("KEY{}", number % KEYS), "1m", number);
        soon("room", publisher.send(event)).await.unwrap();
    }
    soon("the events to be stored", publisher.flush()).await.unwrap();
    publisher.close().await.unwrap();
}

/// Waits for the others to have come so far.
async fn until(table: &Mutex<Table>, what: &str, is_so: impl Fn(&Table) -> bool) {
    soon(what, async {
        while !is_so(&table.lock().unwrap()) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_member_that_dies_move_to_the_others_and_nothing_is_lost() {
    const EACH: u64 = 2_000;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let more = json!({"sharing": "group", "delivery": {"stream": {}}});
    let desk = Desk::open(&server, "group", TOPICS, &more);
    let table = Arc::new(Mutex::new(Table::default()));
    let mut members = JoinSet::new();
    for member in ["a", "b", "c"] {
        let (client, consumer) = attach(&server, member).await;
        let table = Arc::clone(&table);
        members.spawn(async move {
            let _connected = client;
            work(consumer, member.to_owned(), table).await;
        });
    }
    // The fourth takes and settles nothing of what it has last.
    let (client, mut doomed) = attach(&server, "d").await;
    publish(&server, 0..EACH).await;
    while table.lock().unwrap().held_by("d").len() < 5 {
        let next = soon("something for the fourth", doomed.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        let mut table = table.lock().unwrap();
        for event in events(&delivered) {
            table.take("d", &event);
        }
    }
    let lost = table.lock().unwrap().held_by("d");
    table.lock().unwrap().dead.insert("d".to_owned());
    let clock = SystemClock::new();
    let died = clock.monotonic();
    drop((doomed, client));
    publish(&server, EACH..2 * EACH).await;
    until(&table, "the keys to move", |table| table.moved.is_superset(&lost)).await;
    let moved = clock.monotonic() - died;
    eprintln!("{} keys moved within {moved:?}", lost.len());
    assert!(moved <= MOVES_WITHIN, "{moved:?}");
    until(&table, "every event", |table| table.total() as u64 == 2 * EACH).await;
    let table = table.lock().unwrap();
    for (key, numbers) in &table.seen {
        assert!(numbers.is_sorted(), "{key}: {numbers:?}");
    }
    let holders: BTreeSet<&str> =
        table.holders.values().map(|(holder, _)| holder.as_str()).collect();
    assert_eq!(holders, BTreeSet::from(["a", "b", "c"]), "all that are left have some");
    assert_eq!(desk.letters(), [] as [serde_json::Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_in_failover_one_has_everything_and_the_other_goes_on_where_it_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let more = json!({"sharing": "failover", "delivery": {"stream": {}}});
    let desk = Desk::open(&server, "group", TOPICS, &more);
    publish(&server, 0..KEYS).await;
    let (client, mut first) = attach(&server, "first").await;
    let (_other, mut second) = attach(&server, "second").await;
    let mut seen = Vec::new();
    let mut confirmed = 0;
    while confirmed < KEYS {
        match soon("the first one's", first.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                seen.extend(events(&delivered).iter().map(|event| event.number));
                first.ack(&delivered.runs()).await.unwrap();
            }
            ConsumerEvent::Confirmed(acks) => {
                confirmed += acks.runs.iter().map(|r| r.last.0 - r.first.0 + 1).sum::<u64>();
            }
            other => panic!("{other:?}"),
        }
    }
    publish(&server, KEYS..2 * KEYS).await;
    let next = soon("the first one's", first.next()).await.unwrap().unwrap();
    assert!(matches!(next, ConsumerEvent::Events(_)), "{next:?}");
    drop((first, client));
    while seen.len() < 2 * KEYS as usize {
        let next = soon("the second one's", second.next()).await.unwrap().unwrap();
        let ConsumerEvent::Events(delivered) = next else { continue };
        seen.extend(events(&delivered).iter().map(|event| event.number));
        second.ack(&delivered.runs()).await.unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..2 * KEYS).collect::<Vec<_>>(), "each once");
    drop(desk);
}

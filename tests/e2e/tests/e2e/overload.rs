//! More than there is memory for: consumers that do not read and bodies that do not end take the budget up.
//! What can be dropped is dropped, publishers are told when to come again, and nothing that was
//! acknowledged is lost.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use tidings_client::v1::PublishRequest;
use tidings_client::{Client, ClientError, Consumer, ConsumerEvent, ConsumerOptions};
use tidings_client::{Publisher, PublisherOptions, Receipt};
use tidings_e2e::{
    Desk, Server, TestEvent, executable, heavy_indicator, indicator, metric, resident, soon,
};
use tidings_event::{Code, Offset};
use tokio::runtime::Runtime;

/// The least that there can be.
const BUDGET: u64 = 256 << 20;
/// What may come in between two looks at the memory, and before what was dropped is given back.
const ABOVE_MAX: u64 = BUDGET / 10;

/// Consumers that do not read, and events for each: less than 8 MiB.
const STALLED: u64 = 20;
const EACH: u64 = 400;
/// Labels of an event, 400 bytes each.
const LABELS: u8 = 16;

/// Bodies that do not end: small, and more than fill the budget. Of those with events a 32nd of it is held,
/// and the others are refused; so most say what is wanted.
const BODY: usize = 255 << 10;
const BODIES: u64 = 2 * BUDGET / BODY as u64;
const WITH_EVENTS: u64 = BUDGET / 32 / BODY as u64;

/// Looks in a row that find publishing refused: more than fit between two times of dropping.
const LOOKS: u32 = 40;

/// Connections that nobody reads, consumers on each, and rounds of events that all of them are to have.
const SILENT: usize = 32;
const ON_EACH: usize = 16;
const ROUNDS: u64 = 40;
/// What each stream may have beyond what was seen to be short: a message.
const MESSAGE: u64 = 64 << 10;

const LEVEL: &str = "tidings_memory_level";

fn start(root: &tempfile::TempDir) -> Server {
    let mut command = Command::new(executable());
    command.env("TIDINGS_MEMORY__BUDGET", BUDGET.to_string());
    Server::start_by(command, &root.path().join("data"))
}

fn stalled(number: u64) -> String {
    format!("KEY{number}")
}

/// Who takes one instrument alone.
fn open<'s>(server: &'s Server, instrument: &str) -> Desk<'s> {
    let filter = json!({"filter": format!("instrument == '{instrument}'")});
    Desk::open(server, &instrument.to_lowercase(), &["analysis/**"], &filter)
}

/// A consumer of it that may be sent 64 KiB.
async fn attach(client: &Client, instrument: &str) -> Consumer {
    let options = ConsumerOptions::new(instrument.to_lowercase(), "reader");
    let options = ConsumerOptions { credit_bytes: 64 << 10, ..options };
    client.consumer(options).await.unwrap()
}

/// Hands one event of each who stalls to a publisher.
async fn send_round(publisher: &Publisher, number: u64) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for key in 0..STALLED {
        let event = heavy_indicator(&stalled(key), "1m", number, LABELS);
        receipts.push(soon("room", publisher.send(&event)).await.unwrap());
    }
    receipts
}

async fn acknowledged(receipts: Vec<Receipt>) {
    for receipt in receipts {
        soon("an ack", receipt).await.unwrap();
    }
}

/// Publishes one event by a call of its own.
async fn ask(client: &Client, instrument: &str, number: u64) -> Result<(), ClientError> {
    let event = indicator(instrument, "5m", number).into();
    let request = PublishRequest { events: vec![event], ..PublishRequest::default() };
    let results = soon("an answer", client.publish(request)).await?;
    assert_eq!(results[0].error, None);
    Ok(())
}

/// What comes to a consumer, up to a number, until its ack is confirmed: each event, in order, all in one
/// partition. On a slow machine the service has cut it off meanwhile, and what it was sent comes again, marked.
async fn read(consumer: &mut Consumer, instrument: &str, last: u64) {
    let (mut next, mut newest, mut is_confirmed) = (0, Offset(0), false);
    while next <= last || !is_confirmed {
        match soon("an event", consumer.next()).await.unwrap().unwrap() {
            ConsumerEvent::Events(delivered) => {
                for event in delivered.events() {
                    let event = event.unwrap();
                    let read = TestEvent::read(event.event);
                    assert_eq!(read.instrument, instrument);
                    let is_repeat = event.redelivered && read.number < next;
                    assert!(is_repeat || read.number == next, "{read:?} after {next}");
                    next = next.max(read.number + 1);
                }
                newest = newest.max(delivered.last_position().offset);
                // A lost connection is told of by what comes next.
                let _asked = consumer.ack_up_to(delivered.last_position()).await;
            }
            ConsumerEvent::Confirmed(acks) => {
                is_confirmed = acks.runs.iter().any(|run| run.last >= newest);
            }
            ConsumerEvent::Reconnected => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, last + 1);
}

/// A request of which all has come but the last byte.
struct Begun {
    stream: TcpStream,
    last: &'static [u8],
}

impl Begun {
    /// To publish one event.
    fn event(server: &Server, number: u64) -> Self {
        let event = tidings_event::json::to_json(&indicator("BEGUN", "15m", number)).unwrap();
        Self::send(server, "events", format!("[{event}"), b"]")
    }

    /// To acknowledge nothing, which is refused when it was read.
    fn wish(server: &Server) -> Self {
        Self::send(server, "subscriptions/asked/ack", "{\"ack_ids\":[]".to_owned(), b"}")
    }

    fn send(server: &Server, path: &str, mut body: String, last: &'static [u8]) -> Self {
        body.push_str(&" ".repeat(BODY - 1 - body.len()));
        let head = format!(
            "POST /api/v1/{path} HTTP/1.1\r\nhost: e2e\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {BODY}\r\n\r\n"
        );
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        // It may be refused before all of it is read.
        let _refused = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        Self { stream, last }
    }

    /// The status of its answer; a refusal for want of memory says when to come again. On a slow machine the
    /// time for a body may be over (408).
    fn end(mut self) -> u16 {
        let _refused = self.stream.write_all(self.last);
        let mut text = Vec::new();
        // A connection that is reset after the answer still has answered.
        let _reset = self.stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{text}"));
        if status == 429 {
            let told: Value = serde_json::from_str(body).unwrap_or_default();
            assert_eq!(told["code"], "RESOURCE_EXHAUSTED", "{text}");
            assert!(head.contains("\r\nretry-after: "), "{text}");
        }
        status
    }
}

/// Begins bodies until publishing is refused and stays so, when all that can be dropped is. First those with
/// events, as many as are held and as many again.
fn fill(server: &Server) -> (Vec<Begun>, Vec<Begun>) {
    let events = (0..2 * WITH_EVENTS).map(|number| Begun::event(server, number)).collect();
    let (mut wishes, mut looks) = (Vec::new(), 0);
    while looks < LOOKS {
        if metric(server, LEVEL) == 2 {
            looks += 1;
            continue;
        }
        looks = 0;
        let many = wishes.len() as u64 >= BODIES;
        assert!(!many, "{:?} held, {} sheds", resident(server), sheds(server));
        // One at a time: what is begun between two looks of the service is not what is tested.
        wishes.push(Begun::wish(server));
    }
    (events, wishes)
}

fn sheds(server: &Server) -> u64 {
    metric(server, "tidings_memory_sheds_total")
}

fn until_memory_is_there(server: &Server) {
    let until = async {
        while metric(server, LEVEL) != 0 {
            tokio::task::yield_now().await;
        }
    };
    Runtime::new().unwrap().block_on(soon("memory to be there", until));
}

#[test]
fn memory_stays_within_its_budget_and_nothing_is_lost() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let publishing = Runtime::new().unwrap();
    // Nobody reads its sockets while nothing waits for it.
    let stalling = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let desks: Vec<_> = (0..STALLED).map(|key| open(&server, &stalled(key))).collect();
    let (asked, begun) = (open(&server, "ASKED"), open(&server, "BEGUN"));
    let mut consumers = stalling.block_on(async {
        let client = server.client().await;
        let mut consumers = Vec::new();
        for key in 0..STALLED {
            consumers.push(attach(&client, &stalled(key)).await);
        }
        consumers
    });
    let (client, publisher) = publishing.block_on(async {
        let client = server.client().await;
        let publisher = client.publisher(PublisherOptions::sequenced("p")).await.unwrap();
        (client, publisher)
    });

    publishing.block_on(async {
        for number in 0..EACH {
            acknowledged(send_round(&publisher, number).await).await;
        }
        ask(&client, "ASKED", 0).await.unwrap();
    });
    assert_eq!((metric(&server, LEVEL), sheds(&server)), (0, 0), "{:?}", resident(&server));
    let (events, wishes) = fill(&server);
    assert!(sheds(&server) > 0, "what waits for consumers was dropped");

    let refused = publishing.block_on(ask(&client, "ASKED", 1)).unwrap_err();
    assert!(refused.is(Code::ResourceExhausted), "{refused:?}");
    assert!(refused.problem().unwrap().retry_after_ms.is_some(), "{refused:?}");
    let waiting = publishing.block_on(send_round(&publisher, EACH));
    let pulled = asked.pull(10);
    assert_eq!(pulled.iter().map(|event| event.number).collect::<Vec<_>>(), [0]);
    assert_eq!(asked.ack(&pulled), ["confirmed"], "who reads is served meanwhile");
    assert!(metric(&server, "tidings_serve_memory_refused_total") > 0);

    let heard = wishes.into_iter().map(Begun::end).collect::<BTreeSet<_>>();
    assert!(heard.contains(&400) && heard.is_subset(&[400, 408].into()), "{heard:?}");
    let ended: Vec<u16> = events.into_iter().map(Begun::end).collect();
    assert!(ended.iter().all(|status| [200, 408, 429].contains(status)), "{ended:?}");
    let taken = (0..).zip(ended).filter(|(_, status)| *status == 200).map(|(number, _)| number);
    let taken: BTreeSet<u64> = taken.collect();
    until_memory_is_there(&server);
    publishing.block_on(async {
        acknowledged(waiting).await;
        ask(&client, "ASKED", 1).await.unwrap();
    });
    stalling.block_on(async {
        for (key, consumer) in (0..).zip(&mut consumers) {
            read(consumer, &stalled(key), EACH).await;
        }
    });
    assert_eq!(asked.pull(10).iter().map(|event| event.number).collect::<Vec<_>>(), [1]);
    let mut found = BTreeSet::new();
    while begun.status()["lag_events"] != 0 {
        let pulled = begun.pull(1_000);
        assert!(pulled.iter().all(|event| found.insert(event.number)), "each comes once");
        begun.ack(&pulled);
    }
    assert_eq!(found, taken, "what was acknowledged, and nothing that was refused");
    assert!(taken.len() as u64 <= WITH_EVENTS, "more is not held: {}", taken.len());
    for desk in &desks {
        assert_eq!(desk.status()["lag_events"], 0);
    }
    let (_, most) = resident(&server);
    eprintln!("at most {} MiB of {} MiB", most >> 20, BUDGET >> 20);
    assert!(most <= BUDGET + ABOVE_MAX, "{most} bytes were held, and the budget is {BUDGET}");
}

/// Waits until nothing more is sent.
fn until_all_is_sent(server: &Server) -> u64 {
    let (mut sent, mut looks) = (0, 0);
    while looks < LOOKS {
        let now = metric(server, "tidings_deliver_in_flight_events");
        looks = if now == sent { looks + 1 } else { 0 };
        sent = now;
    }
    sent
}

#[test]
fn connections_that_nobody_reads_do_not_take_more_than_the_budget() {
    let root = tempfile::tempdir().unwrap();
    let server = start(&root);
    let publishing = Runtime::new().unwrap();
    let stalling = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let name = |number: usize| format!("s-{number}");
    for number in 0..SILENT * ON_EACH {
        let _desk = Desk::open(&server, &name(number), &["analysis/**"], &json!({}));
    }
    let consumers = stalling.block_on(async {
        let mut consumers = Vec::new();
        for connection in 0..SILENT {
            let client = server.client().await;
            for number in connection * ON_EACH..(connection + 1) * ON_EACH {
                let options = ConsumerOptions::new(name(number), "silent");
                consumers.push(client.consumer(options).await.unwrap());
            }
        }
        consumers
    });
    publishing.block_on(async {
        let client = server.client().await;
        let publisher = client.publisher(PublisherOptions::sequenced("p")).await.unwrap();
        for number in 0..ROUNDS {
            acknowledged(send_round(&publisher, number).await).await;
        }
    });
    let sent = until_all_is_sent(&server);
    let (now, most) = resident(&server);
    eprintln!("{sent} sent, {} MiB, at most {} of {} MiB", now >> 20, most >> 20, BUDGET >> 20);
    assert!(sheds(&server) > 0, "too little was held: {most}");
    let bound = BUDGET + ABOVE_MAX + (SILENT * ON_EACH) as u64 * MESSAGE;
    assert!(most <= bound, "{most} bytes were held, and the budget is {BUDGET}");

    drop((consumers, stalling));
    until_memory_is_there(&server);
    let all = usize::try_from(STALLED * ROUNDS).unwrap();
    publishing.block_on(async {
        let client = server.client().await;
        let attached = async {
            loop {
                match client.consumer(ConsumerOptions::new(name(0), "reader")).await {
                    Err(error) if error.is(Code::SubscriptionBusy) => {}
                    attached => return attached.unwrap(),
                }
            }
        };
        let mut consumer = soon("a free subscription", attached).await;
        let mut came = BTreeSet::new();
        while came.len() < all {
            let next = soon("an event", consumer.next()).await.unwrap().unwrap();
            let ConsumerEvent::Events(delivered) = next else { continue };
            for event in delivered.events() {
                assert!(came.insert(TestEvent::read(event.unwrap().event)), "each comes once");
            }
            consumer.ack_up_to(delivered.last_position()).await.unwrap();
        }
    });
}

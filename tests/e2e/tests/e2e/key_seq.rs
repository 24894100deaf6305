//! Key sequences across kill -9: what was acknowledged is contiguous, and what is out of line is
//! told by metrics and traces, also after a restart.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::json;
use tidings_client::{Backoff, PublisherOptions};
use tidings_e2e::{Server, TestEvent, ask, indicator, soon};

const INSTRUMENTS: [&str; 4] = ["AAPL", "MSFT", "IBM", "GOOG"];
const PER_CYCLE: u64 = 2_000;
const KILL_AFTER: usize = 500;

/// Events of all instruments in turn; each instrument counts from 0.
fn event(number: u64) -> Vec<u8> {
    indicator(INSTRUMENTS[(number % 4) as usize], "1m", number / 4)
}

fn counter(server: &Server, name: &str) -> u64 {
    let metrics = ask(server, "GET /metrics", "", b"").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap().parse().unwrap()
}

/// Publishes until the service is killed; the events that were acknowledged.
async fn cycle(data: &Path, from: u64) -> Vec<Vec<u8>> {
    let mut server = Some(Server::start(data));
    let client = server.as_ref().unwrap().client().await;
    let backoff = Backoff { give_up_after: Some(Duration::ZERO), ..Backoff::default() };
    let options =
        PublisherOptions { backoff, max_block_bytes: 4 << 10, ..PublisherOptions::sequenced("p") };
    let publisher = soon("a publisher", client.publisher(options)).await.unwrap();
    let (mut receipts, mut acknowledged) = (FuturesUnordered::new(), Vec::new());
    for event in (from..from + PER_CYCLE).map(event) {
        let receipt = publisher.send(&event).await.unwrap();
        receipts.push(async move { receipt.await.is_ok().then_some(event) });
    }
    while let Some(outcome) = soon("an outcome", receipts.next()).await {
        acknowledged.extend(outcome);
        if acknowledged.len() >= KILL_AFTER
            && let Some(server) = server.take()
        {
            server.kill();
        }
    }
    assert!(server.is_none(), "{} were acknowledged before the kill", acknowledged.len());
    acknowledged
}

/// The numbers of each instrument in the log, in order of their offsets.
fn stored(server: &Server) -> BTreeMap<String, Vec<u64>> {
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for partition in 0..16 {
        let mut next = 0;
        loop {
            let path = format!(
                "/api/v1/topics/analysis:indicators:1m/events?limit=1000&partition={partition}&offset={next}"
            );
            let page = ask(server, &format!("GET {path}"), "", b"").json();
            let events = page["events"].as_array().unwrap();
            for entry in events {
                let event = &entry["event"];
                let of_key = numbers.entry(event["instrument"].as_str().unwrap().to_owned());
                of_key.or_default().push(event["key_seq"].as_u64().unwrap());
            }
            if events.is_empty() {
                break;
            }
            next = page["next"].as_u64().unwrap();
        }
    }
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn key_seq_is_contiguous_for_acknowledged_events_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (mut acknowledged, mut from) = (Vec::new(), 0);
    for _ in 0..3 {
        acknowledged.extend(cycle(&data, from).await);
        // A producer goes on where the log ends, as one that reads its last sequences back does.
        let server = Server::start(&data);
        let numbers = stored(&server);
        let ends = numbers.values().map(|numbers| numbers.len() as u64);
        assert_eq!(numbers.len(), 4, "{numbers:?}");
        for (instrument, numbers) in &numbers {
            let whole: Vec<u64> = (0..numbers.len() as u64).collect();
            assert_eq!(numbers, &whole, "{instrument}");
        }
        for event in &acknowledged {
            let TestEvent { instrument, number } = TestEvent::read(event);
            assert!(numbers[&instrument].contains(&number), "{instrument} {number} was lost");
        }
        // Partitions end where they were cut off: publish what is missing of the longest.
        let longest = ends.max().unwrap();
        let client = server.client().await;
        let publisher = client.publisher(PublisherOptions::sequenced("fill"));
        let publisher = soon("a publisher", publisher).await.unwrap();
        for instrument in INSTRUMENTS {
            for number in numbers[instrument].len() as u64..longest {
                let receipt = publisher.send(&indicator(instrument, "1m", number)).await.unwrap();
                soon("an outcome", receipt).await.unwrap();
            }
        }
        assert_eq!(counter(&server, "tidings_admit_key_gaps_total"), 0);
        assert_eq!(counter(&server, "tidings_admit_key_repeats_total"), 0);
        from = longest * 4;
    }

    let server = Server::start(&data);
    let next = from / 4;
    for (number, gaps) in [(next, 0), (next + 3, 1)] {
        let event = tidings_event::json::to_json(&indicator("AAPL", "1m", number)).unwrap();
        let answer = ask(&server, "POST /api/v1/events", "application/json", event.as_bytes());
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(counter(&server, "tidings_admit_key_gaps_total"), gaps);
    }
    assert_eq!(counter(&server, "tidings_admit_key_missing_events_total"), 2);
    let event = indicator("AAPL", "1m", next + 3);
    let id = tidings_event::format_event_id(&tidings_event::scan(&event).unwrap().id);
    server.kill();
    let server = Server::start(&data);
    let trace = ask(&server, &format!("GET /api/v1/events/{id}/trace"), "", b"").json();
    let told = json!({"state": "gap", "expected": next + 1, "seen": next + 3});
    assert_eq!(trace["key_seq"], told, "{trace}");
}

//! A storm of look-alike anomalies reaches who folds as its first and a handful of digests, and nothing
//! of it is missing from them.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use tidings_e2e::{Desk, Server, ask};
use tidings_event::{Clock, SystemClock};

const ANOMALIES: u64 = 5_000;
/// Of one request; the storm takes as long as its requests do.
const EACH: u64 = 25;
const WINDOW_MS: u64 = 150;
const DIGESTS_MAX: u64 = 20;

fn anomaly(number: u64) -> String {
    let at = format!("2026-01-02T00:{:02}:{:02}Z", number / 60 % 60, number % 60);
    json!({
        "source": "e2e", "kind": "ANOMALY", "instrument": "AAPL", "venue": "XNAS",
        "severity": "HIGH", "produced_at": at, "key_seq": number,
        "anomaly": {"type": "VOLUME_SPIKE", "z_score": 4.5},
    })
    .to_string()
}

fn publish(server: &Server, numbers: std::ops::Range<u64>) {
    let body = format!("[{}]", numbers.map(anomaly).collect::<Vec<_>>().join(","));
    let answer = ask(server, "POST /api/v1/events", "application/json", body.as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn five_thousand_look_alikes_are_one_anomaly_at_once_and_at_most_twenty_digests() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let fold = json!({"fold": {"window_ms": WINDOW_MS}});
    let desk = Desk::open(&server, "desk", &["analysis/anomalies/**"], &fold);
    let clock = SystemClock::new();
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let began = clock.monotonic();
        publish(&server, 0..1);
        let first = desk.pull(10);
        eprintln!("the first came {:?} after it was sent", clock.monotonic() - began);
        assert_eq!(first.len(), 1);
        assert_eq!((first[0].number, &first[0].item["digest"]), (0, &json!(null)));
        desk.ack(&first);
        scope.spawn(|| {
            for from in (1..ANOMALIES).step_by(EACH as usize) {
                publish(&server, from..(from + EACH).min(ANOMALIES));
            }
            over.store(true, Ordering::Release);
        });
        let (mut told, mut digests) = (1, 0);
        while told < ANOMALIES {
            for event in desk.pull_within(10, 1_000) {
                let digest = &event.item["digest"];
                digests += u64::from(!digest.is_null());
                told += digest["count"].as_u64().unwrap_or(1);
                assert!(
                    digest.is_null() || !digest["ids"].as_array().unwrap().is_empty(),
                    "{digest}"
                );
                desk.ack([&event]);
            }
        }
        let took = clock.monotonic() - began;
        eprintln!("{told} anomalies in {took:?} were one and {digests} digests");
        assert_eq!(told, ANOMALIES, "each is told once");
        // A window that lasts longer, because the machine is slow, makes fewer.
        let windows = took.as_millis() as u64 / WINDOW_MS + 1;
        assert!(digests <= DIGESTS_MAX.max(windows), "{digests} digests in {took:?}");
        assert!(over.load(Ordering::Acquire));
    });
    assert_eq!(desk.status()["lag_events"], 0, "an ack of a digest settles what it tells of");
}

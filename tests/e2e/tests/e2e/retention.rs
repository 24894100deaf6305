//! Retention of what a sequenced producer sent: it comes by in its rounds, and the producer is not forgotten.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tidings_client::{Publisher, PublisherOptions};
use tidings_e2e::{Server, ask, executable, indicator, metric, soon};
use tidings_telemetry::Timer;

/// Well before admission saves what it remembers by itself.
const IN_TIME: Duration = Duration::from_secs(15);

async fn publish(publisher: &Publisher, numbers: std::ops::Range<u64>) {
    for number in numbers {
        soon("room", publisher.send(indicator("AAPL", "1m", number))).await.unwrap();
    }
    soon("the events to be stored", publisher.flush()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_takes_a_producers_events_in_its_rounds_and_the_producer_goes_on_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut command = Command::new(executable());
    command.env("TIDINGS_LOG__TRIM_INTERVAL_SECONDS", "1");
    let server = Server::start_by(command, &data);
    let topic = json!({"retention": {"seconds": 3_600, "bytes": 1}}).to_string();
    let path = "PUT /api/v1/topics/analysis:indicators:1m";
    assert_eq!(ask(&server, path, "application/json", topic.as_bytes()).status, 201);
    let client = server.client().await;
    let publisher = client.publisher(PublisherOptions::sequenced("p")).await.unwrap();
    publish(&publisher, 0..100).await;
    let gone = async {
        while metric(&server, "tidings_log_trimmed_events_total") < 100 {
            Timer.after(Duration::from_millis(50)).await;
        }
    };
    Timer.limit(IN_TIME, gone).await.expect("retention takes what is saved");
    let (addr, epoch) = (server.addr().to_owned(), publisher.producer_epoch());
    server.kill();
    let server = Server::start_at(&data, &addr);
    publish(&publisher, 100..110).await;
    assert_eq!(publisher.producer_epoch(), epoch, "it is known");
    assert_eq!(server.terminate().code, Some(0));
}

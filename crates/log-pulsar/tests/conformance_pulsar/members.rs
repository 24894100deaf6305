//! The members' topic on a real broker: one order for all, found again by who comes later.

use std::time::Duration;

use bytes::Bytes;
use tidings_log_pulsar::{MembersReader, MembersTopic, OpenError, PulsarOptions};
use tidings_telemetry::Timer;

use crate::rig::{OnPulsar, address, ask};

const LIMIT: Duration = Duration::from_secs(60);

async fn read(reader: &mut MembersReader, records: usize) -> Vec<Bytes> {
    let mut read = vec![];
    while read.len() < records {
        read.push(Timer.limit(LIMIT, reader.next()).await.unwrap().unwrap());
    }
    read
}

fn record(node: u32, number: u32) -> Bytes {
    Bytes::from(format!("{node}:{number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_nodes_read_one_order() {
    let Some(engine) = OnPulsar::find().await else { return };
    let mut one = MembersTopic::open(engine.options()).await.unwrap();
    assert!(one.reads_all && !one.reader.is_behind());
    let mut other = MembersTopic::open(engine.options()).await.unwrap();
    for number in 0..20 {
        let (a, b) = tokio::join!(
            one.writer.append(record(1, number)),
            other.writer.append(record(2, number)),
        );
        a.unwrap();
        b.unwrap();
    }
    let order = read(&mut one.reader, 40).await;
    assert_eq!(read(&mut other.reader, 40).await, order);
    let mut late = MembersTopic::open(engine.options()).await.unwrap();
    assert!(late.reads_all, "nothing is older than an hour");
    let mut found = vec![];
    while late.reader.is_behind() {
        found.extend(read(&mut late.reader, 1).await);
    }
    assert_eq!(found, order);
    late.writer.append(record(3, 0)).await.unwrap();
    for topic in [&mut one, &mut other, &mut late] {
        assert_eq!(read(&mut topic.reader, 1).await, [record(3, 0)]);
    }
    for topic in [one, other, late] {
        drop(topic.reader);
        topic.writer.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_was_unloaded_is_read_to_its_end() {
    let Some(engine) = OnPulsar::find().await else { return };
    let mut topic = MembersTopic::open(engine.options()).await.unwrap();
    for number in 0..5 {
        topic.writer.append(record(1, number)).await.unwrap();
    }
    // Its newest ledger is an empty one after that.
    set(engine.options(), "PUT", "members-partition-0/unload", "").await;
    let mut late = MembersTopic::open(engine.options()).await.unwrap();
    let mut found = 0;
    while late.reader.is_behind() {
        assert_eq!(read(&mut late.reader, 1).await, [record(1, found)]);
        found += 1;
    }
    assert_eq!(found, 5);
    // A record may be lost on a connection that ended, and is told to be.
    while topic.writer.append(record(1, 5)).await.is_err() {}
    assert_eq!(read(&mut late.reader, 1).await, [record(1, 5)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_forgets_too_soon_is_refused() {
    let Some(engine) = OnPulsar::find().await else { return };
    drop(MembersTopic::open(engine.options()).await.unwrap());
    let short = r#"{"retentionTimeInMinutes":60,"retentionSizeInMB":-1}"#;
    set(engine.options(), "POST", "members/retention", short).await;
    let refused = async {
        loop {
            // The policy comes into force a moment after it was set.
            if let Err(error) = MembersTopic::open(engine.options()).await {
                return error;
            }
        }
    };
    let error = Timer.limit(LIMIT, refused).await.unwrap();
    assert!(matches!(error, OpenError::Unkept(_)), "{error}");
    assert!(error.to_string().contains("remove-retention persistent://"), "{error}");
}

async fn set(options: &PulsarOptions, method: &'static str, path: &str, body: &'static str) {
    let PulsarOptions { tenant, namespace, admin_url, .. } = options;
    let path = format!("persistent/{tenant}/{namespace}-cluster/{path}");
    let at = address(admin_url);
    let asked = move || ask(at, method, &path, body);
    let answer = tokio::task::spawn_blocking(asked).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

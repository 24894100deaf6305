//! A machine whose capacity was measured: refusals are staggered by it, and the load is held against it.

use std::num::NonZeroU64;

use tidings_telemetry::Gauge;

use super::*;

async fn measured(events_per_second: u64) -> Node {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000)));
    let capacity = NonZeroU64::new(events_per_second);
    let settings = AdmitSettings { capacity, ..AdmitSettings::default() };
    open_with(MemoryLog::new(Arc::clone(&clock) as _), clock, settings).await
}

/// When each of three batches and blocks that find the queue full is asked to come again.
async fn asked(node: &Node) -> [Option<u64>; 3] {
    node.publish(batch([event(1, "AAPL", "5m")])).await;
    let producer = node.producer(None).await.unwrap();
    node.log.hold();
    let waits = node.admission.submit("default", batch([event(2, "AAPL", "5m")])).await.unwrap();
    node.log.limit_queues(1);
    let of_batch = async |first: u64| {
        let refused =
            node.publish(batch([event(first, "AAPL", "5m"), event(first + 1, "AAPL", "5m")]));
        let refusal = refused.await.remove(0).unwrap_err().refusal;
        (refusal.code, refusal.retry_after_ms)
    };
    let (first, second) = (of_batch(10).await, of_batch(20).await);
    let refused = node.admission.submit_block(&producer, block(0, 5)).await.err().unwrap();
    let all = [first, second, (refused.code, refused.retry_after_ms)];
    assert!(all.iter().all(|(code, _)| *code == Code::ResourceExhausted), "{all:?}");
    drop(waits);
    all.map(|(_, asked)| asked)
}

#[tokio::test]
async fn who_is_refused_is_asked_to_come_one_after_the_other() {
    // Ten events a second: two of them take a fifth of one.
    assert_eq!(asked(&measured(10).await).await, [Some(1), Some(201), Some(401)]);
}

#[tokio::test]
async fn without_a_capacity_all_are_asked_to_come_when_the_queue_is_empty() {
    assert_eq!(asked(&start().await).await, [Some(1), Some(1), Some(1)]);
}

#[tokio::test]
async fn the_load_is_held_against_the_capacity() {
    let node = measured(4).await;
    let gauges = || {
        [Gauge::AdmitCapacity, Gauge::AdmitCapacityUsed]
            .map(|gauge| node.admission.recorder.gauge(gauge))
    };
    node.admission.look_at_load();
    node.publish(batch((0..20).map(|id| event(id, "AAPL", "5m")))).await;
    node.clock.advance(Duration::from_secs(10));
    node.admission.look_at_load();
    assert_eq!(gauges(), [4, 50]);
    node.clock.advance(Duration::from_secs(10));
    node.admission.look_at_load();
    assert_eq!(gauges(), [4, 0]);
    let unmeasured = start().await;
    unmeasured.admission.look_at_load();
    assert_eq!(unmeasured.admission.recorder.gauge(Gauge::AdmitCapacity), 0);
}

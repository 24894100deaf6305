//! What is recorded is in the topic, in order; a full disk holds it back and loses nothing.

use prost::Message;
use tidings_catalog::{Boundary, SubscriptionId, SubscriptionSpec};
use tidings_event::block::events;
use tidings_event::{ManualClock, Offset, Timestamp, TopicPartition, v1};
use tidings_log::MemoryLog;

use super::*;

fn settled(first: u64, end: u64, outcome: Outcome) -> SettledOf {
    let subscription = Subscription {
        id: SubscriptionId(9),
        tenant: "default".into(),
        spec: SubscriptionSpec::new("risk", Vec::new()),
        created_at: Timestamp(1),
        boundary: Boundary::default(),
        is_paused: false,
        revisions: Vec::new(),
    };
    let run = Settled {
        partition: TopicPartition::new(1, 0),
        first,
        end,
        count: end - first,
        outcome,
        first_sent: Timestamp(1),
        attempts: 1,
        consumer: Arc::from("a"),
    };
    SettledOf { subscription: Arc::new(subscription), epoch: Epoch(1), runs: vec![run] }
}

async fn told(log: &MemoryLog) -> Vec<(u64, u64, v1::settlement::Outcome)> {
    let place = InternalTopic::SETTLEMENTS.about(PartitionId(0));
    let blocks = log.read(place, Offset(0), 1 << 20).await.unwrap();
    let items = blocks.iter().flat_map(|block| events(&block.block.body).map(Result::unwrap));
    items
        .map(|item| v1::Settlement::decode(item).unwrap())
        .map(|said| (said.first, said.last, said.outcome()))
        .collect()
}

async fn on_a_fresh_log() -> (Arc<MemoryLog>, Arc<Recorder>, Settlements) {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
    let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
    log.ensure_topic(&InternalTopic::SETTLEMENTS.spec()).await.unwrap();
    let recorder = Recorder::new();
    let shared = Arc::clone(&log) as Arc<dyn PartitionLog>;
    let settlements = Settlements::new(shared, clock, Arc::clone(&recorder));
    (log, recorder, settlements)
}

#[tokio::test]
async fn a_full_disk_holds_settlements_back_and_loses_none() {
    let (log, recorder, settlements) = on_a_fresh_log().await;
    settlements.record(vec![settled(0, 5, Outcome::Delivered)]).await.unwrap();
    log.fill(true);
    settlements.record(vec![settled(5, 6, Outcome::Expired)]).await.unwrap();
    settlements.record(vec![settled(6, 7, Outcome::Delivered)]).await.unwrap();
    assert_eq!(told(&log).await.len(), 1);
    log.fill(false);
    settlements.record(vec![settled(7, 8, Outcome::Conflated)]).await.unwrap();
    let (delivered, expired, conflated) = (
        v1::settlement::Outcome::Delivered,
        v1::settlement::Outcome::Expired,
        v1::settlement::Outcome::Conflated,
    );
    let all = [(0, 4, delivered), (5, 5, expired), (6, 6, delivered), (7, 7, conflated)];
    assert_eq!(told(&log).await, all);
    assert_eq!(recorder.counted(Counter::SettleDelivered), 6);
    assert_eq!(recorder.counted(Counter::SettleRecordsLost), 0);
    log.fail();
    let refusal = settlements.record(vec![settled(8, 9, Outcome::Delivered)]).await.unwrap_err();
    assert_eq!(refusal.code, Code::LogReadOnly);
}

#[tokio::test]
async fn a_disk_that_stays_full_costs_the_oldest_settlements_and_says_how_many() {
    let (log, recorder, settlements) = on_a_fresh_log().await;
    // One in two, so that no two of them become one.
    let of = |numbers: std::ops::Range<u64>| -> Vec<SettledOf> {
        numbers.map(|number| settled(2 * number, 2 * number + 1, Outcome::Expired)).collect()
    };
    let most = PARKED_MAX as u64;
    log.fill(true);
    settlements.record(of(0..most)).await.unwrap();
    assert_eq!(recorder.counted(Counter::SettleRecordsLost), 0);
    settlements.record(of(most..most + 3)).await.unwrap();
    assert_eq!(recorder.counted(Counter::SettleRecordsLost), 3);
    log.fill(false);
    settlements.record(Vec::new()).await.unwrap();
    let place = InternalTopic::SETTLEMENTS.about(PartitionId(0));
    assert_eq!(log.bounds(place).unwrap().tail, Offset(most));
    assert_eq!(told(&log).await[0].0, 2 * 3);
    settlements.record(Vec::new()).await.unwrap();
    assert_eq!(log.bounds(place).unwrap().tail, Offset(most), "nothing is written twice");
}

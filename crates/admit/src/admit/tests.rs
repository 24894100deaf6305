//! Admission over a log in memory: places, repeats, sequences, crashes; and a naive model of it.

mod capacity;
mod defining;
mod key_seq;

use std::collections::HashMap;

use bytes::Bytes;
use proptest::prelude::*;
use tidings_catalog::{CatalogSettings, TopicRequest};
use tidings_event::block::{BodyBuilder, crc32c};
use tidings_event::v1::{self, Kind};
use tidings_event::{ManualClock, Offset, PartitionId, TopicName, TopicPartition};
use tidings_log::MemoryLog;
use tidings_telemetry::Counter;

use super::*;
use crate::{Batch, BlockPlaced, Outcome, Producer, SequencedBlock};

struct Node {
    log: Arc<MemoryLog>,
    clock: Arc<ManualClock>,
    catalog: Arc<Catalog>,
    admission: Arc<Admission>,
}

async fn start() -> Node {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000)));
    open(MemoryLog::new(Arc::clone(&clock) as _), clock).await
}

async fn open(log: Arc<MemoryLog>, clock: Arc<ManualClock>) -> Node {
    open_with(log, clock, AdmitSettings::default()).await
}

async fn open_with(log: Arc<MemoryLog>, clock: Arc<ManualClock>, admitting: AdmitSettings) -> Node {
    let (shared, time): (Arc<dyn PartitionLog>, Arc<dyn Clock>) =
        (Arc::clone(&log) as _, Arc::clone(&clock) as _);
    let settings = CatalogSettings::default();
    let catalog = Catalog::open(Arc::clone(&shared), settings, Arc::clone(&time)).await.unwrap();
    let admission = Admission::open(shared, Arc::clone(&catalog), time, Recorder::new(), admitting);
    let admission = admission.await.unwrap();
    Node { log, clock, catalog, admission }
}

impl Node {
    /// What is there after a crash.
    async fn crash(self) -> Node {
        open(self.log.reopen(), self.clock).await
    }

    async fn publish(&self, batch: Batch) -> Vec<Outcome> {
        self.admission.publish("default", batch).await.unwrap()
    }

    async fn producer(&self, epoch: Option<u32>) -> Result<Producer, Code> {
        self.admission.open_producer("default", "p", epoch).await.map_err(|r| r.code)
    }

    async fn block(
        &self,
        producer: &Producer,
        first: u64,
        count: u64,
    ) -> Result<BlockPlaced, Code> {
        let submitted = self.admission.submit_block(producer, block(first, count)).await;
        submitted.map_err(|r| r.code)?.settled().await.map_err(|r| r.code)
    }
}

fn event(id: u64, instrument: &str, timeframe: &str) -> Vec<u8> {
    let values = [("rsi_14".to_owned(), v1::Value { value: Some(1.5), ..v1::Value::default() })];
    let indicators = v1::Indicators { values: values.into(), ..v1::Indicators::default() };
    let id = [[7; 8], (id + 1).to_be_bytes()].concat();
    tidings_event::encode(&v1::Event {
        id: id.into(),
        source: "test".into(),
        kind: Kind::Indicators as i32,
        instrument: instrument.into(),
        venue: "XNAS".into(),
        timeframe: timeframe.into(),
        interval_start: 60_000_000_000,
        interval_end: 120_000_000_000,
        produced_at: 120_000_000_000,
        payload: Some(v1::event::Payload::Indicators(indicators)),
        ..v1::Event::default()
    })
}

fn body(events: impl IntoIterator<Item = Vec<u8>>) -> Bytes {
    let mut builder = BodyBuilder::default();
    for event in events {
        assert!(builder.push(&event));
    }
    builder.take().0
}

fn batch(events: impl IntoIterator<Item = Vec<u8>>) -> Batch {
    Batch { body: body(events), ..Batch::default() }
}

/// Sequences of the producer's events for AAPL, which live in partition 13 of 16.
fn block(first: u64, count: u64) -> SequencedBlock {
    let body = body((first..first + count).map(|id| event(id, "AAPL", "5m")));
    SequencedBlock {
        body_crc: crc32c(&body),
        body,
        count: count as u32,
        topic: TopicName::default_tenant("analysis/indicators/5m").unwrap(),
        partition: 13,
        partitions: 16,
        first_sequence: first,
    }
}

/// Topic, partition, offset, duplicate; or the code.
fn told(outcome: &Outcome) -> Result<(String, u32, u64, bool), Code> {
    let placed = outcome.as_ref().map_err(|rejected| rejected.refusal.code)?;
    let offset = placed.offset.unwrap().0;
    Ok((placed.topic.name.path().to_owned(), placed.partition.0, offset, placed.duplicate))
}

#[tokio::test]
async fn events_are_placed_by_template_and_key_and_answered_in_input_order() {
    let node = start().await;
    let mut bad = event(9, "AAPL", "5m");
    bad.truncate(20);
    let outcomes = node
        .publish(batch([
            event(1, "AAPL", "5m"),
            event(2, "MSFT", "5m"),
            event(3, "AAPL", "1h"),
            bad,
            event(4, "AAPL", "5m"),
            event(5, "AAPL", "7m"),
        ]))
        .await;
    let five = "analysis/indicators/5m".to_owned();
    assert_eq!(told(&outcomes[0]), Ok((five.clone(), 13, 0, false)));
    assert_eq!(told(&outcomes[1]), Ok((five.clone(), 3, 0, false)));
    assert_eq!(told(&outcomes[2]), Ok(("analysis/indicators/1h".to_owned(), 13, 0, false)));
    assert_eq!(told(&outcomes[3]), Err(Code::EventMalformed));
    assert_eq!(told(&outcomes[4]), Ok((five, 13, 1, false)));
    assert_eq!(told(&outcomes[5]), Err(Code::TopicUnknown));
    assert_eq!(node.admission.recorder.counted(Counter::AdmitEvents), 4);
    assert_eq!(node.admission.recorder.counted(Counter::AdmitRefused), 2);
}

#[tokio::test]
async fn a_repeat_is_recognised_also_after_a_crash_and_only_within_the_window() {
    let node = start().await;
    let one = || batch([event(1, "AAPL", "5m"), event(2, "AAPL", "5m"), event(1, "AAPL", "5m")]);
    let duplicates = |outcomes: &[Outcome]| -> Vec<_> {
        outcomes.iter().map(|o| told(o).map(|(_, _, at, again)| (at, again))).collect()
    };
    let first = node.publish(one()).await;
    assert_eq!(duplicates(&first), [Ok((0, false)), Ok((1, false)), Ok((0, true))]);
    let node = node.crash().await;
    let again = node.publish(one()).await;
    assert_eq!(duplicates(&again), [Ok((0, true)), Ok((1, true)), Ok((0, true))]);
    node.clock.advance(Duration::from_secs(602));
    let late = node.publish(one()).await;
    assert_eq!(duplicates(&late), [Ok((2, false)), Ok((3, false)), Ok((2, true))]);
    let assigned = Batch { assigned_ids: true, ..batch([event(1, "AAPL", "5m")]) };
    assert_eq!(duplicates(&node.publish(assigned).await), [Ok((4, false))]);
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_durable() {
    let node = start().await;
    node.publish(batch([event(1, "AAPL", "5m")])).await;
    let producer = node.producer(None).await.unwrap();
    node.log.hold();
    let fresh = node.admission.submit("default", batch([event(2, "AAPL", "5m")])).await.unwrap();
    let again = node.admission.submit("default", batch([event(2, "AAPL", "5m")])).await.unwrap();
    let sent = node.admission.submit_block(&producer, block(0, 3)).await.unwrap();
    let resent = node.admission.submit_block(&producer, block(0, 3)).await.unwrap();
    let all = async {
        (fresh.settled().await, again.settled().await, sent.settled().await, resent.settled().await)
    };
    let mut all = std::pin::pin!(all);
    assert!(futures::poll!(&mut all).is_pending());
    node.log.release_all();
    let (fresh, again, sent, resent) = all.await;
    assert_eq!((told(&fresh[0]).unwrap().2, told(&again[0]).unwrap().3), (1, true));
    assert_eq!((sent.unwrap().duplicate, resent.unwrap().duplicate), (false, true));
}

#[tokio::test]
async fn memory_counts_only_where_the_topic_allows_it() {
    use tidings_catalog::Durability;
    let node = start().await;
    let check = async |path: &str, allowed: Durability| {
        let name = TopicName::default_tenant(path).unwrap();
        let request = TopicRequest { durability: Some(allowed), ..TopicRequest::default() };
        node.catalog.put_topic(name.clone(), request).await.unwrap();
        node.log.hold();
        let asked = Some(Durability::Memory);
        let events = batch([event(allowed as u64, "AAPL", "5m")]);
        let batch = Batch { topic: Some(name), durability: asked, ..events };
        let submitted = node.admission.submit("default", batch).await.unwrap();
        let mut settled = std::pin::pin!(submitted.settled());
        let early = futures::poll!(&mut settled);
        assert_eq!(early.is_ready(), allowed == Durability::Memory);
        node.log.release_all();
        let outcomes = match early {
            std::task::Poll::Ready(outcomes) => outcomes,
            std::task::Poll::Pending => settled.await,
        };
        assert_eq!(outcomes[0].as_ref().unwrap().durability, allowed);
    };
    check("fast", Durability::Memory).await;
    check("safe", Durability::Durable).await;
}

#[tokio::test]
async fn a_repeat_of_a_pending_event_fails_with_it() {
    let node = start().await;
    node.publish(batch([event(1, "AAPL", "5m")])).await;
    node.log.hold();
    let one = node.admission.submit("default", batch([event(2, "AAPL", "5m")])).await.unwrap();
    let two = node.admission.submit("default", batch([event(2, "AAPL", "5m")])).await.unwrap();
    node.log.fail();
    assert_eq!(told(&one.settled().await[0]), Err(Code::UnknownOutcome));
    assert_eq!(told(&two.settled().await[0]), Err(Code::UnknownOutcome));
    let later = node.publish(batch([event(3, "AAPL", "5m")])).await;
    assert_eq!(told(&later[0]), Err(Code::LogReadOnly));
    assert_eq!(node.admission.recorder.counted(Counter::AdmitErrors), 2);
}

#[tokio::test]
async fn a_refused_append_leaves_nothing_behind() {
    let node = start().await;
    node.publish(batch([event(1, "AAPL", "5m")])).await;
    node.log.fill(true);
    let twice = batch([event(2, "AAPL", "5m"), event(2, "AAPL", "5m")]);
    let refused = node.publish(twice.clone()).await;
    assert_eq!(
        [told(&refused[0]), told(&refused[1])],
        [Err(Code::StorageFull), Err(Code::StorageFull)]
    );
    node.log.fill(false);
    let stored = node.publish(twice).await;
    let told: Vec<_> = stored.iter().map(|o| told(o).map(|t| (t.2, t.3))).collect();
    assert_eq!(told, [Ok((1, false)), Ok((1, true))]);
}

#[tokio::test]
async fn an_atomic_batch_is_stored_whole_or_not_at_all() {
    let node = start().await;
    let two = || [event(1, "AAPL", "5m"), event(2, "AAPL", "7m")];
    let atomic = Batch { atomic: true, ..batch(two()) };
    let outcomes = node.publish(atomic).await;
    let codes: Vec<_> = outcomes.iter().map(|o| told(o).unwrap_err()).collect();
    assert_eq!(codes, [Code::BatchAborted, Code::TopicUnknown]);
    let outcomes = node.publish(batch(two())).await;
    assert!(told(&outcomes[0]).is_ok_and(|placed| !placed.3), "nothing of it was kept");
}

#[tokio::test]
async fn limits_are_refused_at_once() {
    let node = start().await;
    let code = async |bytes: Bytes| {
        let batch = Batch { body: bytes, ..Batch::default() };
        node.admission.submit("default", batch).await.err().map(|r| r.code)
    };
    assert_eq!(code(Bytes::new()).await, Some(Code::BatchEmpty));
    assert_eq!(code(vec![0x0A; (16 << 20) + 1].into()).await, Some(Code::BatchTooLarge));
    assert_eq!(code(Bytes::from_static(&[0x0A, 9, 1])).await, Some(Code::EventMalformed));
    let large = [&[0x0A, 0x80, 0x80, 0x80, 0x01][..], &vec![0; 2 << 20]].concat();
    assert_eq!(code(large.into()).await, Some(Code::EventTooLarge));
}

#[tokio::test]
async fn a_large_batch_becomes_blocks_and_stays_in_order() {
    let node = start().await;
    let outcomes = node
        .publish(batch((0..3_000).map(|id| event(id, ["AAPL", "MSFT"][id as usize % 2], "5m"))))
        .await;
    for (at, outcome) in (0u64..).zip(&outcomes) {
        assert_eq!(told(outcome).unwrap().2, at / 2);
    }
}

#[tokio::test]
async fn sequences_are_dense_and_survive_a_crash() {
    let node = start().await;
    let producer = node.producer(None).await.unwrap();
    let at = |placed: Result<BlockPlaced, Code>| {
        placed.map(|p| (p.base_offset.map(|o| o.0), p.repeated, p.duplicate))
    };
    assert_eq!(at(node.block(&producer, 5, 5).await), Err(Code::SequenceGap));
    assert_eq!(at(node.block(&producer, 0, 5).await), Ok((Some(0), 0, false)));
    assert_eq!(at(node.block(&producer, 6, 5).await), Err(Code::SequenceGap));
    assert_eq!(at(node.block(&producer, 0, 5).await), Ok((Some(0), 5, true)));
    assert_eq!(at(node.block(&producer, 3, 5).await), Ok((Some(3), 2, false)), "its prefix is cut");
    let epoch = producer.epoch();
    node.admission.checkpoint().await.unwrap();
    assert_eq!(at(node.block(&producer, 8, 2).await), Ok((Some(8), 0, false)));
    drop(producer);
    let node = node.crash().await;
    let producer = node.producer(Some(epoch)).await.unwrap();
    let next: Vec<_> = producer.grant().sequences.iter().map(|(_, p, next)| (*p, *next)).collect();
    assert_eq!(next, [(PartitionId(13), 10)]);
    assert_eq!(at(node.block(&producer, 8, 2).await), Ok((Some(8), 2, true)));
    assert_eq!(at(node.block(&producer, 0, 8).await), Ok((Some(0), 8, true)));
    assert_eq!(at(node.block(&producer, 11, 1).await), Err(Code::SequenceGap));
    assert_eq!(at(node.block(&producer, 10, 1).await), Ok((Some(10), 0, false)));
}

#[tokio::test]
async fn a_checkpoint_that_was_cut_short_is_made_good_by_the_next() {
    let node = start().await;
    let producer = node.producer(None).await.unwrap();
    node.block(&producer, 0, 5).await.unwrap();
    node.log.hold();
    {
        let cut_short = std::pin::pin!(node.admission.checkpoint());
        assert!(futures::poll!(cut_short).is_pending());
    }
    let lost = node.admission.submit_block(&producer, block(5, 5)).await.unwrap();
    node.log.release_all();
    lost.settled().await.unwrap();
    node.admission.close().await;
    let epoch = producer.epoch();
    drop(producer);
    let node = node.crash().await;
    let producer = node.producer(Some(epoch)).await.unwrap();
    assert_eq!(node.block(&producer, 0, 5).await.unwrap().base_offset, Some(Offset(0)));
    assert_eq!(node.block(&producer, 10, 1).await.unwrap().base_offset, Some(Offset(10)));
}

#[tokio::test]
async fn retention_leaves_what_says_how_far_a_producer_counted_until_that_is_saved() {
    let node = start().await;
    let name = TopicName::default_tenant("analysis/indicators/5m").unwrap();
    // A byte of it is kept, if nobody minds.
    let age = std::time::Duration::from_secs(3_600);
    let retention = Some(tidings_log::Retention { age, bytes: Some(1) });
    let request = TopicRequest { retention, partitions: Some(16), ..TopicRequest::default() };
    node.catalog.put_topic(name, request).await.unwrap();
    let producer = node.producer(None).await.unwrap();
    let epoch = producer.epoch();
    let trimmed = async |node: &Node| -> u64 {
        node.log.trim(node.clock.wall()).await.iter().map(|(_, events)| events).sum()
    };
    node.block(&producer, 0, 5).await.unwrap();
    node.admission.checkpoint().await.unwrap();
    node.block(&producer, 5, 5).await.unwrap();
    assert_eq!(trimmed(&node).await, 5, "what is saved goes");
    // What comes while a checkpoint is under way is not in it.
    node.log.hold();
    {
        let cut_short = std::pin::pin!(node.admission.checkpoint());
        assert!(futures::poll!(cut_short).is_pending());
    }
    let late = node.admission.submit_block(&producer, block(10, 5)).await.unwrap();
    node.log.release_all();
    late.settled().await.unwrap();
    assert_eq!(trimmed(&node).await, 0, "nobody knows whether it was saved");
    drop(producer);
    let node = node.crash().await;
    // It was, but for what came meanwhile: that stays, also now, until it is saved, too.
    assert_eq!(trimmed(&node).await, 5);
    let producer = node.producer(Some(epoch)).await.unwrap();
    assert!(node.block(&producer, 10, 5).await.unwrap().duplicate);
    drop(producer);
    // That is due, although nothing comes.
    assert!(node.admission.has_unsaved());
    node.clock.advance(node.admission.settings().checkpoint_every);
    assert!(node.admission.checkpoint_due().await);
    node.admission.checkpoint().await.unwrap();
    assert!(!node.admission.has_unsaved());
    assert_eq!(trimmed(&node).await, 5);
    let node = node.crash().await;
    let producer = node.producer(Some(epoch)).await.unwrap();
    assert_eq!(node.block(&producer, 15, 1).await.unwrap().base_offset, Some(Offset(15)));
}

#[tokio::test]
async fn a_newer_epoch_fences_the_older() {
    let node = start().await;
    let old = node.producer(None).await.unwrap();
    node.block(&old, 0, 1).await.unwrap();
    let new = node.producer(None).await.unwrap();
    assert_eq!((old.epoch(), new.epoch()), (1, 2));
    assert_eq!(node.block(&old, 1, 1).await.err(), Some(Code::ProducerFenced));
    assert_eq!(node.producer(Some(1)).await.err(), Some(Code::ProducerFenced));
    assert_eq!(node.producer(Some(3)).await.err(), Some(Code::ProducerUnknown));
    assert_eq!(node.block(&new, 0, 1).await.unwrap().base_offset, Some(Offset(1)));
    let node = node.crash().await;
    assert_eq!(node.producer(None).await.unwrap().epoch(), 3);
    let bad = node.admission.open_producer("default", "a b", None).await;
    assert_eq!(bad.err().map(|r| r.code), Some(Code::ProducerIdInvalid));
}

#[tokio::test]
async fn a_bad_block_is_refused_whole_and_names_the_event() {
    let node = start().await;
    let producer = node.producer(None).await.unwrap();
    let refusal = async |change: fn(&mut SequencedBlock)| {
        let mut bad = block(0, 2);
        change(&mut bad);
        let refusal = node.admission.submit_block(&producer, bad).await.err().unwrap();
        (refusal.code, refusal.field)
    };
    assert_eq!(refusal(|b| b.body_crc ^= 1).await.0, Code::BlockCorrupt);
    assert_eq!(refusal(|b| b.count = 3).await.0, Code::BlockCorrupt);
    assert_eq!(refusal(|b| b.partitions = 8).await.0, Code::PartitionsChanged);
    let (code, field) = refusal(|b| b.partition = 3).await;
    assert_eq!((code, field.as_str()), (Code::PartitionMismatch, "events[0]"));
    let (code, field) = refusal(|b| {
        b.body = body([event(0, "AAPL", "5m"), event(1, "AAPL", "1h")]);
        b.body_crc = crc32c(&b.body);
    })
    .await;
    assert_eq!((code, field.as_str()), (Code::TopicMismatch, "events[1]"));
    assert_eq!(node.block(&producer, 0, 2).await.unwrap().base_offset, Some(Offset(0)));
}

#[tokio::test]
async fn a_block_for_another_tenants_topic_is_refused() {
    let node = start().await;
    let theirs = TopicName::new("other", "analysis/indicators/5m").unwrap();
    let request = TopicRequest { partitions: Some(16), ..TopicRequest::default() };
    let topic = node.catalog.put_topic(theirs.clone(), request).await.unwrap().into_inner();
    let producer = node.producer(None).await.unwrap();
    let sent = SequencedBlock { topic: theirs, ..block(0, 2) };
    let refused = node.admission.submit_block(&producer, sent).await.err().map(|r| r.code);
    assert_eq!(refused, Some(Code::TopicUnknown));
    let place = TopicPartition { topic: topic.id, partition: PartitionId(13) };
    assert_eq!(node.log.bounds(place).unwrap().tail, Offset(0));
}

#[tokio::test]
async fn a_deleted_topic_takes_its_events_with_it() {
    let node = start().await;
    let one = || batch([event(1, "AAPL", "5m")]);
    let first = node.publish(one()).await;
    let name = TopicName::default_tenant("analysis/indicators/5m").unwrap();
    node.catalog.delete_topic(&name).await.unwrap();
    let second = node.publish(one()).await;
    assert_eq!(told(&second[0]).map(|t| (t.2, t.3)), Ok((0, false)));
    assert_ne!(first[0].as_ref().unwrap().topic.id, second[0].as_ref().unwrap().topic.id);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish { first: u64, count: u64 },
    Block { first: u64, count: u64 },
    Checkpoint,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..40, 1u64..6).prop_map(|(first, count)| Step::Publish { first, count }),
        6 => (0u64..30, 1u64..8).prop_map(|(first, count)| Step::Block { first, count }),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Crash),
    ]
}

/// A list and two maps: what one partition holds, by id and by sequence.
#[derive(Default)]
struct Model {
    tail: u64,
    ids: HashMap<u64, u64>,
    sequences: Vec<u64>,
}

impl Model {
    fn next(&mut self) -> u64 {
        self.tail += 1;
        self.tail - 1
    }
}

async fn agree(steps: Vec<Step>) {
    let mut node = start().await;
    let mut model = Model::default();
    let mut producer = node.producer(None).await.unwrap();
    for step in steps {
        match step {
            Step::Publish { first, count } => {
                let ids = first..first + count;
                let outcomes = node
                    .publish(batch(ids.clone().map(|id| event(1_000 + id, "AAPL", "5m"))))
                    .await;
                for (id, outcome) in ids.zip(&outcomes) {
                    let known = model.ids.get(&id).copied();
                    let at = known.unwrap_or_else(|| model.next());
                    model.ids.insert(id, at);
                    assert_eq!(told(outcome).map(|t| (t.2, t.3)), Ok((at, known.is_some())));
                }
            }
            Step::Block { first, count } => {
                let placed = node.block(&producer, first, count).await;
                let next = model.sequences.len() as u64;
                if first > next {
                    assert!(placed.is_err());
                    continue;
                }
                let placed = placed.unwrap();
                while (model.sequences.len() as u64) < first + count {
                    let at = model.next();
                    model.sequences.push(at);
                }
                assert_eq!(placed.duplicate, first + count <= next);
                let expected = model.sequences[first as usize];
                assert!(placed.base_offset.is_none_or(|at| at.0 == expected));
                if first == next {
                    assert_eq!(placed.base_offset, Some(Offset(expected)));
                }
            }
            Step::Checkpoint => node.admission.checkpoint().await.unwrap(),
            Step::Crash => {
                let epoch = producer.epoch();
                drop(producer);
                node = node.crash().await;
                producer = node.producer(Some(epoch)).await.unwrap();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_interleaving_agrees_with_a_list(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(agree(steps));
    }
}

//! Definitions on every way in: the first one is durable before its event, another is refused.

use super::*;
use crate::{DefinitionPolicy, Rejected};

async fn with(policy: DefinitionPolicy, definitions_max: usize) -> Node {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000_000_000)));
    let log = MemoryLog::new(Arc::clone(&clock) as _);
    let (shared, time): (Arc<dyn PartitionLog>, Arc<dyn Clock>) =
        (Arc::clone(&log) as _, Arc::clone(&clock) as _);
    let settings = CatalogSettings { definitions_max, ..CatalogSettings::default() };
    let catalog = Catalog::open(Arc::clone(&shared), settings, Arc::clone(&time)).await.unwrap();
    let settings = AdmitSettings { definition_conflict: policy, ..AdmitSettings::default() };
    let admission = Admission::open(shared, Arc::clone(&catalog), time, Recorder::new(), settings);
    let admission = admission.await.unwrap();
    Node { log, clock, catalog, admission }
}

/// An event of AAPL with one indicator and its definition.
fn defined(id: u64, name: &str, hash: &[u8]) -> Vec<u8> {
    let mut message: v1::Event = prost::Message::decode(&*event(id, "AAPL", "5m")).unwrap();
    let definition = Bytes::copy_from_slice(hash);
    let value = v1::Value { value: Some(1.0), definition, ..v1::Value::default() };
    let values = [(name.to_owned(), value)].into();
    let indicators = v1::Indicators { values, ..v1::Indicators::default() };
    message.payload = Some(v1::event::Payload::Indicators(indicators));
    tidings_event::encode(&message)
}

fn defined_block(first: u64, hashes: &[&[u8]]) -> SequencedBlock {
    let events = (first..).zip(hashes).map(|(id, hash)| defined(id, "rsi_14", hash));
    let body = body(events);
    let (body_crc, count) = (crc32c(&body), hashes.len() as u32);
    SequencedBlock { body, body_crc, count, ..block(first, 1) }
}

fn codes(outcomes: &[Outcome]) -> Vec<Result<bool, Code>> {
    let code = |outcome: &Outcome| match outcome {
        Ok(placed) => Ok(placed.duplicate),
        Err(rejected) => Err(rejected.refusal.code),
    };
    outcomes.iter().map(code).collect()
}

const ONE: &[u8] = b"formula1";
const TWO: &[u8] = b"formula2";
const CONFLICT: Result<bool, Code> = Err(Code::DefinitionConflict);

#[tokio::test]
async fn the_first_definition_counts_also_after_a_crash() {
    let node = start().await;
    let events = [defined(1, "rsi_14", ONE), defined(2, "rsi_14", TWO), defined(3, "sma_9", TWO)];
    let outcomes = node.publish(batch(events)).await;
    assert_eq!(codes(&outcomes), [Ok(false), CONFLICT, Ok(false)]);
    let node = node.crash().await;
    let outcomes = node.publish(batch([defined(4, "rsi_14", TWO)])).await;
    let Err(Rejected { refusal, .. }) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(refusal.field, "indicators.values.rsi_14.definition");
    let detail = "indicator `rsi_14` is defined as 666f726d756c6131 (registered by `test` at \
                  1970-01-01T00:00:01Z), this event says 666f726d756c6132";
    assert_eq!(refusal.detail, detail);
    assert!(refusal.hint.contains("release"), "{refusal}");
    assert_eq!(node.admission.recorder.counted(Counter::AdmitDefinitionConflicts), 1);
    let outcomes = node.publish(batch([event(5, "AAPL", "5m"), defined(6, "rsi_14", ONE)])).await;
    assert_eq!(codes(&outcomes), [Ok(false), Ok(false)], "none, and the same, are fine");
    node.catalog.release_definition("default", "rsi_14").await.unwrap();
    let outcomes =
        node.publish(batch([defined(4, "rsi_14", TWO), defined(6, "rsi_14", ONE)])).await;
    assert_eq!(codes(&outcomes), [Ok(false), Ok(true)], "what is stored stays a repeat");
}

#[tokio::test]
async fn a_definition_is_durable_before_its_event_is_stored() {
    let node = start().await;
    node.catalog.topic_or_template(&block(0, 1).topic).await.unwrap();
    node.log.hold();
    let submit = node.admission.submit("default", batch([defined(1, "rsi_14", ONE)]));
    tokio::pin!(submit);
    assert!(futures::poll!(&mut submit).is_pending(), "the record comes first");
    node.log.release_all();
    assert!(submit.await.unwrap().settled().await[0].is_ok());
}

#[tokio::test]
async fn of_two_producers_at_once_exactly_one_wins() {
    let node = start().await;
    let (one, two) = tokio::join!(
        node.publish(batch([defined(1, "rsi_14", ONE)])),
        node.publish(batch([defined(2, "rsi_14", TWO)])),
    );
    let all = [codes(&one), codes(&two)].concat();
    assert_eq!(all.iter().filter(|code| **code == Ok(false)).count(), 1, "{all:?}");
    assert_eq!(all.iter().filter(|code| **code == CONFLICT).count(), 1, "{all:?}");
}

#[tokio::test]
async fn a_block_that_conflicts_is_refused_whole_and_takes_no_sequence() {
    let node = start().await;
    let producer = node.producer(None).await.unwrap();
    let submit = async |block| {
        let submitted = node.admission.submit_block(&producer, block).await?;
        submitted.settled().await
    };
    submit(defined_block(0, &[ONE, ONE])).await.unwrap();
    let refusal = submit(defined_block(2, &[ONE, TWO])).await.unwrap_err();
    assert_eq!(refusal.code, Code::DefinitionConflict);
    assert_eq!(refusal.field, "events[1].indicators.values.rsi_14.definition");
    let placed = submit(defined_block(2, &[ONE])).await.unwrap();
    assert_eq!((placed.base_offset, placed.duplicate), (Some(Offset(2)), false));
    node.catalog.release_definition("default", "rsi_14").await.unwrap();
    node.publish(batch([defined(9, "rsi_14", TWO)])).await;
    assert!(submit(defined_block(2, &[ONE])).await.unwrap().duplicate, "a repeat stays one");
    let straddling = submit(defined_block(2, &[ONE, TWO])).await.unwrap();
    assert_eq!(straddling.repeated, 1, "only what is new is held against what is registered");
}

#[tokio::test]
async fn an_atomic_batch_that_is_refused_defines_nothing() {
    let node = start().await;
    let atomic = |events: Vec<Vec<u8>>| Batch { atomic: true, ..batch(events) };
    let bad = event(2, "", "5m");
    let outcomes = node.publish(atomic(vec![defined(1, "rsi_14", ONE), bad])).await;
    assert!(outcomes.iter().all(Result::is_err));
    assert!(node.catalog.definitions("default").is_empty());
    let both = vec![defined(1, "rsi_14", ONE), defined(2, "rsi_14", TWO)];
    let outcomes = node.publish(atomic(both)).await;
    assert_eq!(codes(&outcomes), [Err(Code::BatchAborted), CONFLICT]);
    assert!(node.catalog.definitions("default").is_empty());
}

#[tokio::test]
async fn by_configuration_a_conflict_is_stored_and_counted() {
    let node = with(DefinitionPolicy::Warn, 1).await;
    let events = [defined(1, "rsi_14", ONE), defined(2, "rsi_14", TWO), defined(3, "sma_9", TWO)];
    let outcomes = node.publish(batch(events)).await;
    assert_eq!(codes(&outcomes), [Ok(false); 3]);
    assert_eq!(node.admission.recorder.counted(Counter::AdmitDefinitionConflicts), 1);
    assert_eq!(node.catalog.definitions("default").len(), 1, "the limit holds");
}

#[tokio::test]
async fn definitions_have_a_limit() {
    let node = with(DefinitionPolicy::Refuse, 1).await;
    let events = [defined(1, "rsi_14", ONE), defined(2, "sma_9", ONE), event(3, "AAPL", "5m")];
    let outcomes = node.publish(batch(events)).await;
    assert_eq!(codes(&outcomes), [Ok(false), Err(Code::DefinitionLimit), Ok(false)]);
}

//! Key sequences on every way in: counted, kept in block headers, and remembered over crashes.

use tidings_event::block::{KeyNotes, KeyState};

use super::*;

/// An event of AAPL with a number in its key's sequence.
fn numbered(id: u64, timeframe: &str, number: u64) -> Vec<u8> {
    let mut message: v1::Event = prost::Message::decode(&*event(id, "AAPL", timeframe)).unwrap();
    message.key_seq = Some(number);
    tidings_event::encode(&message)
}

fn numbered_block(first: u64, numbers: &[u64]) -> SequencedBlock {
    let events = (first..).zip(numbers).map(|(id, number)| numbered(100 + id, "5m", *number));
    let body = body(events);
    let (body_crc, count) = (crc32c(&body), numbers.len() as u32);
    SequencedBlock { body, body_crc, count, ..block(first, 1) }
}

/// Gaps, missing, late, repeats and resets.
#[track_caller]
fn check(node: &Node, wanted: [u64; 5]) {
    let counters = [
        Counter::AdmitKeyGaps,
        Counter::AdmitKeyMissing,
        Counter::AdmitKeyLate,
        Counter::AdmitKeyRepeats,
        Counter::AdmitKeyResets,
    ];
    assert_eq!(counters.map(|counter| node.admission.recorder.counted(counter)), wanted);
}

/// Offset, state, expected and seen of every note in the log of a timeframe.
async fn notes(node: &Node, timeframe: &str) -> Vec<(u64, KeyState, u64, u64)> {
    let name = TopicName::default_tenant(&format!("analysis/indicators/{timeframe}")).unwrap();
    let topic = node.catalog.topic_or_template(&name).await.unwrap();
    let place = TopicPartition { topic: topic.id, partition: PartitionId(13) };
    let blocks = node.log.read(place, Offset(0), 1 << 20).await.unwrap();
    let notes = blocks.iter().flat_map(|committed| {
        let header = &committed.block.header;
        let notes = KeyNotes::of(header).unwrap_or_default().notes.into_iter();
        notes.map(|n| (header.base_offset.0 + u64::from(n.index), n.state, n.expected, n.seen))
    });
    notes.collect()
}

#[tokio::test]
async fn what_is_out_of_line_is_stored_counted_and_noted() {
    let node = start().await;
    let numbers = [1, 2, 5, 3, 3, 6];
    let events = (1..).zip(numbers).map(|(id, number)| numbered(id, "5m", number));
    let outcomes = node.publish(batch(events)).await;
    assert!(outcomes.iter().all(Result::is_ok));
    check(&node, [1, 2, 1, 1, 0]);
    let wanted = [(2, KeyState::Gap, 3, 5), (3, KeyState::Late, 6, 3), (4, KeyState::Repeat, 6, 3)];
    assert_eq!(notes(&node, "5m").await, wanted);
    // The same event again is a repeat of the event, not of its number.
    node.publish(batch([numbered(6, "5m", 6), numbered(7, "1h", 7)])).await;
    check(&node, [1, 2, 1, 1, 0]);
    node.publish(batch([numbered(8, "1h", 1)])).await;
    check(&node, [1, 2, 1, 1, 1]);
    assert_eq!(notes(&node, "1h").await, [(1, KeyState::Reset, 8, 1)]);
}

#[tokio::test]
async fn blocks_of_a_producer_are_followed_too() {
    let node = start().await;
    let producer = node.producer(None).await.unwrap();
    let submit = async |block| {
        let submitted = node.admission.submit_block(&producer, block).await.unwrap();
        submitted.settled().await.unwrap();
    };
    submit(numbered_block(0, &[1, 2])).await;
    submit(numbered_block(0, &[1, 2])).await;
    check(&node, [0; 5]);
    // The first is there already; the second is out of line.
    submit(numbered_block(1, &[2, 9, 10])).await;
    check(&node, [1, 6, 0, 0, 0]);
    assert_eq!(notes(&node, "5m").await, [(2, KeyState::Gap, 3, 9)]);
}

#[tokio::test]
async fn key_sequences_are_remembered_over_crashes_and_checkpoints() {
    let node = start().await;
    node.publish(batch([numbered(1, "5m", 1)])).await;
    let node = node.crash().await;
    node.publish(batch([numbered(2, "5m", 2), numbered(3, "5m", 4)])).await;
    check(&node, [1, 1, 0, 0, 0]);
    node.admission.checkpoint().await.unwrap();
    node.admission.checkpoint().await.unwrap();
    node.clock.advance(Duration::from_secs(3_600));
    let producer = node.producer(None).await.unwrap();
    let submitted = node.admission.submit_block(&producer, numbered_block(0, &[5, 6])).await;
    submitted.unwrap().settled().await.unwrap();
    let node = node.crash().await;
    node.publish(batch([numbered(9, "5m", 8), numbered(10, "5m", 3)])).await;
    check(&node, [1, 1, 1, 0, 0]);
}

#[tokio::test]
async fn what_the_log_refuses_leaves_no_number_behind() {
    let node = start().await;
    node.publish(batch([numbered(1, "5m", 1)])).await;
    node.log.fill(true);
    let outcomes = node.publish(batch([numbered(2, "5m", 2), numbered(3, "5m", 5)])).await;
    assert!(outcomes.iter().all(Result::is_err));
    node.log.fill(false);
    check(&node, [0; 5]);
    node.publish(batch([numbered(2, "5m", 2), numbered(3, "5m", 3)])).await;
    check(&node, [0; 5]);
}

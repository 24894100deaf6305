//! A topic that came back with another partition count: its events are grouped anew, in order.

use std::collections::BTreeMap;

use futures::FutureExt;
use proptest::prelude::*;
use tidings_event::block::events;
use tidings_event::v1::{Event, Indicators, Kind, Value, event::Payload};
use tidings_event::{Code, encode, scan};
use tidings_wire::v1;

use super::super::super::outcome::Receipt;
use super::{Queue, Routes, open, outcome, push, refused, take_all};

const TOPIC: &str = "analysis/indicators/5m";

/// A topic with so many partitions; refuses every other count, and gaps.
struct Topic {
    partitions: u32,
    next: BTreeMap<u32, u64>,
    stored: BTreeMap<u32, Vec<Vec<u8>>>,
}

impl Topic {
    fn new(partitions: u32) -> Self {
        Self { partitions, next: BTreeMap::new(), stored: BTreeMap::new() }
    }

    fn answer(&mut self, block: &v1::PublishBlock) -> v1::PublishAck {
        let ack = v1::PublishAck { request_id: block.request_id, ..Default::default() };
        if block.partitions != self.partitions {
            return refused(ack, Code::PartitionsChanged);
        }
        let next = self.next.entry(block.partition).or_default();
        if block.first_sequence != *next {
            return refused(ack, Code::SequenceGap);
        }
        let bodies: Vec<_> = events(&block.body).map(|e| e.unwrap().to_vec()).collect();
        for body in &bodies {
            let expected = scan(body).unwrap().key_hash().partition(self.partitions).0;
            assert_eq!(block.partition, expected, "an event in a partition of another count");
        }
        *next += u64::from(block.count);
        self.stored.entry(block.partition).or_default().extend(bodies);
        v1::PublishAck {
            topic: block.topic.clone(),
            partition: block.partition,
            base_offset: Some(block.first_sequence),
            ..ack
        }
    }

    /// Numbers of the events of a key, in the order stored.
    fn of_key(&self, key: u8) -> Vec<i64> {
        let all = self.stored.values().flatten().map(|body| scan(body).unwrap());
        let mine = all.filter(|envelope| envelope.instrument == name(key));
        mine.map(|envelope| i64::try_from(envelope.produced_at.0).unwrap()).collect()
    }
}

fn name(key: u8) -> String {
    format!("K{key}")
}

fn event(key: u8, number: usize) -> Vec<u8> {
    let value = Value { value: Some(1.0), ..Default::default() };
    encode(&Event {
        id: vec![1; 16].into(),
        source: "test".into(),
        kind: Kind::Indicators.into(),
        instrument: name(key),
        timeframe: "5m".into(),
        interval_start: 1,
        interval_end: 2,
        produced_at: number as u64 + 1,
        payload: Some(Payload::Indicators(Indicators {
            values: [("rsi_14".to_owned(), value)].into(),
            ..Default::default()
        })),
        ..Default::default()
    })
}

fn routes(partitions: u32) -> Routes {
    let info = v1::TopicInfo { name: TOPIC.to_owned(), topic_id: 1, partitions };
    let described = v1::DescribeResponse { topics: vec![info], ..Default::default() };
    Routes::new(described, Some(TOPIC.to_owned()))
}

fn send(queue: &mut Queue, key: u8, number: usize) -> Receipt {
    let event = event(key, number);
    queue.push(&event, Some(&scan(&event).unwrap()), event.len()).unwrap()
}

/// Sends, answers and describes until nothing is left.
fn run(queue: &mut Queue, topic: &mut Topic) {
    for _ in 0..1_000 {
        if queue.needs_routes() {
            queue.set_routes(routes(topic.partitions));
        }
        let blocks = take_all(queue);
        if blocks.is_empty() && !queue.needs_routes() {
            return;
        }
        for block in blocks {
            assert!(queue.answered(topic.answer(&block)).is_some());
        }
    }
    panic!("it does not come to an end");
}

#[derive(Clone, Debug)]
enum Step {
    Send(u8),
    Take,
    Answer,
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0u8..6).prop_map(Step::Send),
        2 => Just(Step::Take),
        2 => Just(Step::Answer),
        1 => Just(Step::Lose),
    ]
}

proptest! {
    /// Whatever was under way when the topic was made anew, every event that was not stored before
    /// is stored once after, each key's in the order sent, and its receipt says where.
    #[test]
    fn events_of_a_topic_made_anew_keep_their_order(
        steps in prop::collection::vec(step(), 1..80),
        (old, new) in (1u32..5, 5u32..9),
    ) {
        let mut queue = Queue::new(true, 200, routes(old));
        open(&mut queue, 1 << 20);
        let (mut topic, mut sent, mut receipts) = (Topic::new(new), Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Send(key) => {
                    let number = receipts.len();
                    receipts.push((key, send(&mut queue, key, number)));
                }
                Step::Take => sent.extend(queue.take()),
                Step::Answer if !sent.is_empty() => {
                    let block: v1::PublishBlock = sent.remove(0);
                    prop_assert!(queue.answered(topic.answer(&block)).is_some());
                }
                Step::Answer => {
                    if queue.needs_routes() {
                        queue.set_routes(routes(new));
                    }
                }
                Step::Lose => {
                    // What was sent never arrived.
                    sent.clear();
                    queue.lost();
                    open(&mut queue, 1 << 20);
                }
            }
        }
        for block in sent {
            prop_assert!(queue.answered(topic.answer(&block)).is_some());
        }
        run(&mut queue, &mut topic);
        prop_assert!(queue.is_empty());
        for key in 0..6 {
            let numbers = (0i64..).zip(&receipts).filter(|(_, (of, _))| *of == key);
            let expected: Vec<i64> = numbers.map(|(number, _)| number + 1).collect();
            prop_assert_eq!(topic.of_key(key), expected);
        }
        for (number, (_, receipt)) in receipts.into_iter().enumerate() {
            let placed = receipt.now_or_never().unwrap().unwrap();
            let at = usize::try_from(placed.offset.unwrap()).unwrap();
            let stored = scan(&topic.stored[&placed.partition][at]).unwrap();
            prop_assert_eq!(stored.produced_at.0, number as u64 + 1);
        }
    }
}

#[test]
fn a_body_of_the_caller_is_not_taken_apart() {
    let mut queue = Queue::new(true, 64 << 10, routes(4));
    open(&mut queue, 1 << 20);
    let mut receipt = push(&mut queue, 0, "a");
    let sent = take_all(&mut queue);
    let ack = v1::PublishAck { request_id: sent[0].request_id, ..Default::default() };
    assert!(queue.answered(refused(ack, Code::PartitionsChanged)).unwrap().stale_routes);
    assert!(!queue.needs_routes());
    assert!(outcome(&mut receipt).unwrap().unwrap_err().is(Code::PartitionsChanged));
}

#[test]
fn events_of_a_topic_that_is_gone_are_told_so() {
    let mut queue = Queue::new(true, 64 << 10, routes(4));
    open(&mut queue, 1 << 20);
    let receipts = [send(&mut queue, 1, 0), send(&mut queue, 2, 1)];
    let mut topic = Topic::new(8);
    for block in take_all(&mut queue) {
        assert!(queue.answered(topic.answer(&block)).is_some());
    }
    assert!(queue.needs_routes());
    let gone = Routes::new(v1::DescribeResponse::default(), Some(TOPIC.to_owned()));
    let bytes = event(1, 0).len() + event(2, 1).len();
    assert_eq!(queue.set_routes(gone), bytes);
    assert!(queue.is_empty());
    for receipt in receipts {
        let error = receipt.now_or_never().unwrap().unwrap_err();
        assert!(error.is(Code::TopicUnknown), "{error}");
    }
}

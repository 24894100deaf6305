//! The retry state machine against a small model of the service (promise P5).

mod regroup;

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::FutureExt;
use tidings_event::block::{BodyBuilder, events};
use tidings_event::{Code, Refusal};
use tidings_wire::{problem, v1};

use super::super::outcome::BlockPlaced;
use super::{BlockReceipt, Queue, Routes};
use crate::ClientError;

/// Stores what is next in sequence; refuses bodies that hold `poison`.
#[derive(Default)]
struct Model {
    next: BTreeMap<(String, u32), u64>,
    stored: BTreeMap<(String, u32), Vec<Vec<u8>>>,
}

impl Model {
    fn answer(&mut self, block: &v1::PublishBlock) -> v1::PublishAck {
        let place = (block.topic.clone(), block.partition);
        let next = self.next.entry(place.clone()).or_default();
        let bodies: Vec<_> = events(&block.body).map(|e| e.unwrap().to_vec()).collect();
        let ack = v1::PublishAck { request_id: block.request_id, ..Default::default() };
        if bodies.iter().any(|event| event == b"poison") {
            return refused(ack, Code::FieldMissing);
        }
        if block.first_sequence > *next {
            return refused(ack, Code::SequenceGap);
        }
        let duplicate = block.first_sequence < *next;
        if !duplicate {
            *next += u64::from(block.count);
            self.stored.entry(place).or_default().extend(bodies);
        }
        v1::PublishAck {
            topic: block.topic.clone(),
            partition: block.partition,
            base_offset: Some(block.first_sequence),
            duplicate,
            ..ack
        }
    }

    fn stored(&self, partition: u32) -> Vec<String> {
        let events = self.stored.get(&("t".to_owned(), partition)).cloned().unwrap_or_default();
        events.into_iter().map(|e| String::from_utf8(e).unwrap()).collect()
    }
}

fn refused(ack: v1::PublishAck, code: Code) -> v1::PublishAck {
    let error = problem::to_proto(&Refusal::new(code, "model"), "");
    v1::PublishAck { error: Some(error), ..ack }
}

fn queue(credit: u64) -> Queue {
    let mut queue = Queue::new(true, 64 << 10, Routes::default());
    open(&mut queue, credit);
    queue
}

fn open(queue: &mut Queue, credit: u64) {
    let opened = v1::PublishOpened { credit_bytes: credit, ..Default::default() };
    queue.opened(&opened, usize::MAX);
}

fn body(event: &str) -> Bytes {
    let mut builder = BodyBuilder::with_capacity(64);
    assert!(builder.push(event.as_bytes()));
    builder.take().0
}

fn push(queue: &mut Queue, partition: u32, event: &str) -> BlockReceipt {
    queue.push_body(Some(("t", partition, 4)), body(event), 1, event.len())
}

fn take_all(queue: &mut Queue) -> Vec<v1::PublishBlock> {
    std::iter::from_fn(|| queue.take()).collect()
}

fn outcome(receipt: &mut BlockReceipt) -> Option<Result<BlockPlaced, ClientError>> {
    match receipt.poll_unpin(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// Sends and answers until nothing is left.
fn run(queue: &mut Queue, model: &mut Model) {
    loop {
        let blocks = take_all(queue);
        if blocks.is_empty() {
            return;
        }
        for block in blocks {
            let ack = model.answer(&block);
            assert!(queue.answered(ack).is_some());
        }
    }
}

#[test]
fn a_refused_block_in_the_middle_leaves_no_gap_and_keeps_the_order() {
    let (mut queue, mut model) = (queue(1 << 20), Model::default());
    let mut receipts: Vec<_> =
        ["a", "b", "poison", "c", "d"].iter().map(|e| push(&mut queue, 0, e)).collect();
    run(&mut queue, &mut model);
    assert_eq!(model.stored(0), ["a", "b", "c", "d"]);
    let mut outcomes: Vec<_> = receipts.iter_mut().map(|r| outcome(r).unwrap()).collect();
    assert!(outcomes.remove(2).unwrap_err().is(Code::FieldMissing));
    assert!(outcomes.iter().all(Result::is_ok));
    assert!(queue.is_empty());
}

#[test]
fn what_a_lost_connection_left_unanswered_goes_again_with_the_same_sequences() {
    let (mut queue, mut model) = (queue(1 << 20), Model::default());
    let mut receipts: Vec<_> = ["a", "b", "c"].iter().map(|e| push(&mut queue, 0, e)).collect();
    let sent = take_all(&mut queue);
    let first = model.answer(&sent[0]);
    let unheard = model.answer(&sent[1]);
    assert_eq!(unheard.base_offset, Some(1));
    assert!(queue.answered(first).is_some());
    queue.lost();
    assert!(queue.answered(unheard).is_none(), "an answer of the old stream");
    open(&mut queue, 1 << 20);
    run(&mut queue, &mut model);
    assert_eq!(model.stored(0), ["a", "b", "c"]);
    let Some(Ok(BlockPlaced::Run { first, .. })) = outcome(&mut receipts[1]) else {
        panic!("no place")
    };
    assert!(first.duplicate);
    assert_eq!(first.offset, Some(1));
}

#[test]
fn a_request_for_patience_sends_the_same_sequences_again() {
    let (mut queue, mut model) = (queue(1 << 20), Model::default());
    let _receipts: Vec<_> = ["a", "b"].iter().map(|e| push(&mut queue, 0, e)).collect();
    let sent = take_all(&mut queue);
    let busy = v1::PublishAck { request_id: sent[0].request_id, ..Default::default() };
    let answered = queue.answered(refused(busy, Code::ResourceExhausted)).unwrap();
    assert!(answered.pause.is_some());
    assert!(queue.take().is_none(), "the lane waits until all is answered");
    assert!(queue.answered(model.answer(&sent[1])).is_some());
    run(&mut queue, &mut model);
    assert_eq!(model.stored(0), ["a", "b"]);
}

#[test]
fn lost_while_rewinding_still_keeps_the_order() {
    let (mut queue, mut model) = (queue(1 << 20), Model::default());
    let _receipts: Vec<_> =
        ["a", "poison", "b", "c"].iter().map(|e| push(&mut queue, 0, e)).collect();
    let sent = take_all(&mut queue);
    let acks: Vec<_> = sent.iter().map(|block| model.answer(block)).collect();
    // "a" is stored but unheard; the refusal and one gap are heard; then the connection breaks.
    assert!(queue.answered(acks[1].clone()).is_some());
    assert!(queue.answered(acks[2].clone()).is_some());
    queue.lost();
    open(&mut queue, 1 << 20);
    run(&mut queue, &mut model);
    assert_eq!(model.stored(0), ["a", "b", "c"]);
}

#[test]
fn partitions_do_not_wait_for_each_other() {
    let (mut queue, mut model) = (queue(1 << 20), Model::default());
    let mut receipts: Vec<_> =
        [(0, "poison"), (1, "x"), (0, "y"), (1, "z")].map(|(p, e)| push(&mut queue, p, e)).into();
    run(&mut queue, &mut model);
    assert_eq!(
        (model.stored(0), model.stored(1)),
        (vec!["y".into()], vec!["x".into(), "z".into()])
    );
    assert!(receipts.iter_mut().all(|receipt| outcome(receipt).is_some()));
}

#[test]
fn credit_bounds_what_is_unanswered() {
    let mut queue = queue(10);
    let _receipts: Vec<_> =
        ["aaaa", "bbbb", "cccc"].iter().map(|e| push(&mut queue, 0, e)).collect();
    let sent = take_all(&mut queue);
    assert_eq!(sent.len(), 1, "two bodies of 6 bytes pass a credit of 10");
    let ack = Model::default().answer(&sent[0]);
    assert!(queue.answered(ack).is_some());
    assert_eq!(take_all(&mut queue).len(), 1);
}

#[test]
fn a_gap_without_a_cause_is_told() {
    let mut queue = queue(1 << 20);
    let mut receipt = push(&mut queue, 0, "a");
    let sent = take_all(&mut queue);
    let ack = v1::PublishAck { request_id: sent[0].request_id, ..Default::default() };
    assert!(queue.answered(refused(ack, Code::SequenceGap)).is_some());
    assert!(outcome(&mut receipt).unwrap().unwrap_err().is(Code::SequenceGap));
}

#[test]
fn a_changed_partition_count_asks_to_describe_again() {
    let mut queue = queue(1 << 20);
    let _receipt = push(&mut queue, 0, "a");
    let sent = take_all(&mut queue);
    let ack = v1::PublishAck { request_id: sent[0].request_id, ..Default::default() };
    assert!(queue.answered(refused(ack, Code::PartitionsChanged)).unwrap().stale_routes);
}

#[test]
fn failing_frees_everything_and_tells_everyone() {
    let mut queue = queue(1 << 20);
    let mut receipts: Vec<_> = ["aa", "bb"].iter().map(|e| push(&mut queue, 0, e)).collect();
    let _sent = queue.take();
    assert_eq!(queue.fail(&ClientError::Closed), 4);
    assert!(receipts.iter_mut().all(|r| outcome(r) == Some(Err(ClientError::Closed))));
    assert!(queue.is_empty());
}

#[test]
fn without_sequences_too_every_block_names_the_topic_that_was_asked_for() {
    let routes = Routes::new(v1::DescribeResponse::default(), Some("mine".to_owned()));
    let mut queue = Queue::new(false, 64 << 10, routes);
    open(&mut queue, 1 << 20);
    queue.push(b"a", None, 1).unwrap();
    assert_eq!(queue.take().unwrap().topic, "mine");
}

#[test]
fn unsequenced_events_share_blocks_and_get_their_own_answers() {
    let mut queue = Queue::new(false, 64 << 10, Routes::default());
    open(&mut queue, 1 << 20);
    let mut first = queue.push(b"a", None, 1).unwrap();
    let alone = queue.take().unwrap();
    let rest: Vec<_> = ["b", "c"].map(|e| queue.push(e.as_bytes(), None, 1).unwrap()).into();
    assert!(queue.take().is_none(), "what is not full waits for the answer");
    let ack = v1::PublishAck { request_id: alone.request_id, ..Default::default() };
    let ack = v1::PublishAck { topic: "t".into(), base_offset: Some(7), ..ack };
    assert!(queue.answered(ack).is_some());
    let second = queue.take().unwrap();
    assert_eq!((alone.count, second.count), (1, 2));
    let result = |error| v1::PublishResult { topic: "t".into(), error, ..Default::default() };
    let bad = problem::to_proto(&Refusal::new(Code::FieldInvalid, "x"), "");
    let ack = v1::PublishAck {
        request_id: second.request_id,
        results: vec![result(None), result(Some(bad))],
        ..Default::default()
    };
    assert!(queue.answered(ack).is_some());
    let outcomes: Vec<_> = rest.into_iter().map(|r| r.now_or_never().unwrap().is_ok()).collect();
    assert_eq!(outcomes, [true, false]);
    let placed = (&mut first).now_or_never().unwrap().unwrap();
    assert_eq!((placed.offset, placed.topic.as_ref()), (Some(7), "t"));
}

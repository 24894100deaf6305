//! gRPC messages, framed deliveries, and the problems that statuses carry.

use bytes::{Bytes, BytesMut};
use prost::Message;
use tidings_event::block::crc32c;
use tidings_event::packed;
use tidings_wire::framed::{self, Framed};
use tidings_wire::{problem, v1};

/// A message that is read is written as one that reads the same.
pub(super) fn run(input: &[u8]) {
    check::<v1::PublishRequest>(input);
    check::<v1::PublishStreamRequest>(input);
    check::<v1::ConsumeRequests>(input);
    check::<v1::CreateSubscriptionRequest>(input);
    check::<v1::PutTopicRequest>(input);
    check::<v1::StreamRequest>(input);
    check::<v1::ConsumeResponses>(input);
    check::<v1::DescribeResponse>(input);
}

fn check<M: Message + Default + PartialEq + std::fmt::Debug>(input: &[u8]) {
    let Ok(message) = M::decode(Bytes::copy_from_slice(input)) else { return };
    let again = M::decode(message.encode_to_vec().as_slice()).expect("what is written is read");
    // NaN is no number of these messages, so equal means equal.
    assert!(again == message, "{message:?}");
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let position = v1::Position { topic_id: 1, epoch: 1, partition: 2, offset: 3 };
    let run = v1::PositionRun { topic_id: 1, epoch: 1, partition: 2, first: 3, last: 9 };
    let ack = v1::Ack { up_to: vec![position], runs: vec![run] };
    let message = Some(v1::consume_request::Message::Ack(ack));
    let ack = v1::ConsumeRequest { message, ..Default::default() };
    let block = v1::PublishBlock {
        request_id: 1,
        body: Bytes::from_static(b"\x0a\x01x"),
        count: 1,
        topic: "a/b".into(),
        partitions: 16,
        ..v1::PublishBlock::default()
    };
    let block = v1::publish_stream_request::Message::Block(block);
    let create = v1::CreateSubscriptionRequest {
        name: "a".into(),
        topics: vec!["**".into()],
        labels: [("a".to_owned(), "b".to_owned())].into(),
        ..v1::CreateSubscriptionRequest::default()
    };
    vec![
        v1::ConsumeRequests { requests: vec![ack] }.encode_to_vec(),
        v1::PublishStreamRequest { message: Some(block) }.encode_to_vec(),
        create.encode_to_vec(),
    ]
}

/// A problem in a message or in a document stands for one refusal, and comes back from it.
pub(super) fn problem(input: &[u8]) {
    let Ok(message) = v1::Problem::decode(input) else { return };
    let Some(refusal) = problem::from_proto(&message) else { return };
    let again = problem::to_proto(&refusal, &message.request_id);
    assert_eq!(problem::from_proto(&again), Some(refusal.clone()));
    let status = problem::to_status(&refusal, &message.request_id);
    assert_eq!(problem::of_status(&status), Some(again));
}

pub(super) fn problem_seeds() -> Vec<Vec<u8>> {
    let refusal = tidings_event::Refusal::new(tidings_event::Code::FieldInvalid, "no")
        .at_field("a.b[1]")
        .with_hint("yes");
    vec![problem::to_proto(&refusal, "r-1").encode_to_vec()]
}

/// A framed delivery that is read is written as one that reads the same, and has no more offsets than its
/// body can have events. The checksum of a head would keep most changed ones out, so it is set right, too.
pub(super) fn framed(input: &[u8]) {
    framed_as_it_is(input);
    let mut changed = input.to_vec();
    let Some(fixed) = input.first_chunk::<{ framed::FIXED_BYTES }>() else { return };
    let length = u32::from_le_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    let end = framed::FIXED_BYTES.saturating_add(length as usize);
    changed[16..20].fill(0);
    let Some(head) = changed.get(..end) else { return };
    let crc = crc32c(head);
    changed[16..20].copy_from_slice(&crc.to_le_bytes());
    framed_as_it_is(&changed);
}

fn framed_as_it_is(input: &[u8]) {
    let read = framed::read(Bytes::copy_from_slice(input));
    let Ok(Framed::Delivery(mut delivery)) = read else { return };
    let count: u64 = delivery.offsets.iter().map(|run| u64::from(run.count)).sum();
    assert!(2 * count <= delivery.body.len() as u64, "{delivery:?}");
    let again = delivery.clone();
    let body = std::mem::take(&mut delivery.body);
    let mut out = BytesMut::new();
    framed::put_head(&mut out, &delivery, Some(crc32c(&body)));
    assert_eq!(out.len(), framed::head_bytes(&delivery));
    out.extend_from_slice(&body);
    assert_eq!(framed::read(out.freeze()), Ok(Framed::Delivery(again)));
}

pub(super) fn framed_seeds() -> Vec<Vec<u8>> {
    let body = b"\x0a\x05event\x0a\x05other".repeat(9);
    let run = v1::OffsetRun { first: 40, count: 18 };
    let plain = v1::Delivery { topic_id: 1, offsets: vec![run], ..v1::Delivery::default() };
    let again = v1::Delivery {
        attempts: vec![v1::AttemptRun { first: 40, count: 1, attempt: 2 }],
        redelivered: vec![v1::OffsetRun { first: 40, count: 1 }],
        codec: packed::LZ4,
        ..plain.clone()
    };
    let packed = packed::pack(&body).expect("it repeats itself");
    let seed = |delivery: &v1::Delivery, sent: &[u8], checksum| {
        let mut out = BytesMut::new();
        framed::put_head(&mut out, delivery, checksum);
        [&out, sent].concat()
    };
    vec![
        seed(&plain, &body, Some(crc32c(&body))),
        seed(&plain, &body, None),
        seed(&again, &packed, Some(crc32c(&body))),
        v1::ConsumeResponses::default().encode_to_vec(),
    ]
}

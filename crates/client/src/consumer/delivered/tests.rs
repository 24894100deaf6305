//! Offsets, attempts and flags meet the right events; a delivery that contradicts itself is told.

use bytes::Bytes;
use tidings_event::block::BodyBuilder;
use tidings_event::{Offset, packed};
use tidings_wire::v1;

use super::Delivered;
use crate::ClientError;

fn delivered(offsets: &[(u64, u32)], events: &[&str]) -> Delivered {
    let mut body = BodyBuilder::default();
    for event in events {
        assert!(body.push(event.as_bytes()));
    }
    let run = |&(first, count): &(u64, u32)| v1::OffsetRun { first, count };
    let delivery = v1::Delivery {
        topic_id: 9,
        offsets: offsets.iter().map(run).collect(),
        attempts: vec![v1::AttemptRun { first: 4, count: 1, attempt: 3 }],
        redelivered: vec![v1::OffsetRun { first: 3, count: 2 }],
        redriven: vec![v1::OffsetRun { first: 8, count: 1 }],
        skipped_to_dead_letter: vec![1, 2],
        body: body.take().0,
        ..Default::default()
    };
    Delivered::read("t".into(), delivery).unwrap()
}

#[test]
fn every_event_has_its_own_facts() {
    let delivered = delivered(&[(3, 2), (8, 1)], &["a", "b", "c"]);
    let seen: Vec<_> = delivered
        .events()
        .map(|e| e.map(|e| (e.offset.0, e.event.to_vec(), e.attempt, e.redelivered)).unwrap())
        .collect();
    let expected =
        [(3, b"a".to_vec(), 1, true), (4, b"b".to_vec(), 3, true), (8, b"c".to_vec(), 1, false)];
    assert_eq!(seen, expected);
    let redriven = delivered.events().map(|event| event.unwrap().redriven);
    assert_eq!(redriven.collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(delivered.skipped_to_dead_letter, [Offset(1), Offset(2)]);
    assert_eq!(delivered.count, 3);
    assert_eq!(delivered.last_position().offset.0, 8);
    let runs: Vec<_> = delivered.runs().iter().map(|r| (r.first.0, r.last.0)).collect();
    assert_eq!(runs, [(3, 4), (8, 8)]);
}

#[test]
fn a_count_that_does_not_fit_is_an_error_once() {
    for (offsets, events) in [(&[(0, 2)][..], &["a"][..]), (&[(0, 1)], &["a", "b"])] {
        let delivered = delivered(offsets, events);
        let walked: Vec<_> = delivered.events().map(|e| e.is_ok()).collect();
        assert_eq!(walked, [true, false]);
    }
}

#[test]
fn a_packed_body_is_unpacked_and_a_wrong_one_is_an_error() {
    let mut body = BodyBuilder::default();
    assert!(body.push(&b"analysis ".repeat(40)));
    let body = body.take().0;
    let read = |body: Bytes, codec: u32| {
        Delivered::read("t".into(), v1::Delivery { body, codec, ..Default::default() })
    };
    let packed = packed::pack(&body).unwrap();
    assert_eq!(read(packed.clone(), packed::LZ4).unwrap().body, body);
    for (bytes, codec) in [(packed.slice(1..), packed::LZ4), (packed, 9)] {
        assert!(matches!(read(bytes, codec), Err(ClientError::Protocol(_))));
    }
}

//! What is written is read, what is damaged is not, and nothing is believed that cannot be.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost::Message as _;
use tidings_event::block::{BodyBuilder, crc32c};
use tidings_event::packed;

use super::{FIXED_BYTES, Framed, FramedError, put_head, read};
use crate::v1;

fn body(events: &[Vec<u8>]) -> Bytes {
    let mut builder = BodyBuilder::default();
    events.iter().for_each(|event| assert!(builder.push(event)));
    builder.take().0
}

fn message(delivery: &v1::Delivery, body: &[u8], checksum: Option<u32>) -> Bytes {
    let mut out = BytesMut::new();
    put_head(&mut out, delivery, checksum);
    out.extend_from_slice(body);
    out.freeze()
}

fn of_offsets(offsets: Vec<(u64, u32)>) -> v1::Delivery {
    let run = |(first, count)| v1::OffsetRun { first, count };
    v1::Delivery {
        topic_id: 7,
        partition: 3,
        epoch: 1,
        offsets: offsets.into_iter().map(run).collect(),
        ingested_at: 1_700_000_000_000_000_000,
        ..v1::Delivery::default()
    }
}

#[test]
fn the_layout_is_the_tables() {
    let body = body(&[b"one".to_vec(), b"two".to_vec()]);
    let head = of_offsets(vec![(40, 2)]);
    let message = message(&head, &body, Some(crc32c(&body)));
    let length = head.encoded_len();
    assert_eq!(&message[..4], b"TDF1");
    assert_eq!(message[4..8], [1, 0, 0, 0]);
    assert_eq!(message[8..12], u32::try_from(length).unwrap().to_le_bytes());
    assert_eq!(message[12..16], crc32c(&body).to_le_bytes());
    let mut zeroed = message[..FIXED_BYTES + length].to_vec();
    zeroed[16..20].fill(0);
    assert_eq!(message[16..20], crc32c(&zeroed).to_le_bytes());
    assert_eq!(message[20..20 + length], head.encode_to_vec());
    assert_eq!(message[20 + length..], body);
    let Ok(Framed::Delivery(delivery)) = read(message.clone()) else { panic!("no delivery") };
    assert_eq!(delivery, v1::Delivery { body: body.clone(), ..head });
    assert!(message.as_ptr_range().contains(&delivery.body.as_ptr()), "nothing is copied");
}

#[test]
fn a_packed_body_comes_unpacked_and_checked() {
    let body = body(&vec![b"again and again".to_vec(); 50]);
    let packed = packed::pack(&body).unwrap();
    let head = v1::Delivery { codec: packed::LZ4, ..of_offsets(vec![(0, 50)]) };
    let Ok(Framed::Delivery(delivery)) = read(message(&head, &packed, Some(crc32c(&body)))) else {
        panic!("no delivery")
    };
    assert_eq!((delivery.body, delivery.codec), (body, packed::PLAIN));
    let wrong = read(message(&head, &packed, Some(crc32c(&packed))));
    assert_eq!(wrong, Err(FramedError::Body));
}

#[test]
fn what_cannot_be_is_refused() {
    let body = body(&[b"one".to_vec()]);
    let cases = [
        (of_offsets(vec![(0, 3)]), "offsets"),
        (of_offsets(vec![(0, u32::MAX), (0, u32::MAX)]), "offsets"),
        (of_offsets(vec![(u64::MAX, 1)]), "offsets"),
        (of_offsets(vec![(u64::MAX, 0)]), "offsets"),
        (v1::Delivery { body: body.clone(), ..of_offsets(vec![(0, 1)]) }, "body"),
    ];
    for (head, field) in cases {
        let read = read(message(&head, &body, None));
        assert_eq!(read, Err(FramedError::Field(field)), "{head:?}");
    }
    let codec = v1::Delivery { codec: 9, ..of_offsets(vec![(0, 1)]) };
    assert!(matches!(read(message(&codec, &body, None)), Err(FramedError::Packed(_))));
    assert_eq!(read(Bytes::from_static(b"TDF1")), Err(FramedError::Cut));
    assert!(matches!(read(Bytes::from_static(b"TDF0")), Err(FramedError::Message(_))));
}

#[test]
fn everything_else_is_the_messages_of_the_protobuf_form() {
    let heartbeat = v1::Heartbeat { last_sent: Vec::new(), lag_events: 7 };
    let heartbeat = v1::consume_response::Message::Heartbeat(heartbeat);
    let response = v1::ConsumeResponse { message: Some(heartbeat), attachment: 0 };
    let said = v1::ConsumeResponses { responses: vec![response] };
    assert_eq!(read(said.encode_to_vec().into()), Ok(Framed::Said(said)));
    assert_eq!(read(Bytes::new()), Ok(Framed::Said(v1::ConsumeResponses::default())));
}

prop_compose! {
    fn deliveries()(
        events in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 1..20),
        first in 0u64..1 << 60,
        attempt in 1u32..9,
        skipped in proptest::collection::vec(any::<u64>(), 0..3),
        later in any::<bool>(),
        packs in any::<bool>(),
        is_whole in any::<bool>(),
    ) -> (v1::Delivery, Bytes, Option<u32>) {
        let body = body(&events);
        let count = u32::try_from(events.len()).unwrap();
        let run = v1::OffsetRun { first, count };
        let packed = packs.then(|| packed::pack(&body)).flatten();
        let delivery = v1::Delivery {
            attempts: (attempt > 1).then_some(v1::AttemptRun { first, count, attempt })
                .into_iter().collect(),
            redelivered: (attempt > 1).then_some(run).into_iter().collect(),
            skipped_to_dead_letter: skipped,
            later: later.then_some(v1::LaterBlock { first, ingested_at: 9 }).into_iter().collect(),
            codec: packed.as_ref().map_or(packed::PLAIN, |_| packed::LZ4),
            digests: later.then(|| v1::Digest { ids: vec![Bytes::from_static(b"x")], ..v1::Digest::default() })
                .into_iter().collect(),
            ..of_offsets(vec![(first, count)])
        };
        let checksum = is_whole.then(|| crc32c(&body));
        let sent = message(&delivery, &packed.unwrap_or_else(|| body.clone()), checksum);
        (v1::Delivery { body, codec: packed::PLAIN, ..delivery }, sent, checksum)
    }
}

proptest! {
    #[test]
    fn what_is_framed_comes_back((delivery, sent, _) in deliveries()) {
        prop_assert_eq!(read(sent), Ok(Framed::Delivery(delivery)));
    }

    /// A part of a block has no checksum: there the network's own must do.
    #[test]
    fn a_changed_byte_is_found(
        (delivery, sent, checksum) in deliveries(),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let mut changed = sent.to_vec();
        let head = FIXED_BYTES + usize::try_from(super::u32_at(sent.first_chunk().unwrap(), 8)).unwrap();
        let at = at.index(if checksum.is_some() { sent.len() } else { head });
        changed[at] ^= 1 << bit;
        match read(changed.into()) {
            Err(_) => {}
            // Another spelling of the same packed bytes is the same body.
            Ok(Framed::Delivery(read)) => prop_assert!(at >= head && read == delivery),
            Ok(other) => prop_assert!(at < 4, "{other:?}"),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        begins in any::<bool>(),
    ) {
        if begins {
            bytes.splice(..0, super::MAGIC);
        }
        let _read_or_refused = read(bytes.into());
    }
}

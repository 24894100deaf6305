//! Headers and bodies survive their bytes; damaged ones are refused, never misread.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{Epoch, Offset, Term, Timestamp, TopicPartition};

fn any_header() -> impl Strategy<Value = BlockHeader> {
    let numbers =
        (any::<u32>(), any::<u64>(), any::<u32>(), any::<u32>(), any::<u64>(), 0..u64::MAX / 2);
    let rest = (1..u32::MAX, 0u32..1 << 20, any::<u32>(), any::<u64>());
    let producer = proptest::option::of((any::<[u8; 16]>(), any::<u32>(), any::<u64>()));
    let extensions = proptest::collection::vec(any::<u64>(), 0..20);
    (numbers, rest, producer, extensions).prop_map(|(n, r, producer, extensions)| BlockHeader {
        flags: Flags(n.0),
        topic_partition: TopicPartition::new(n.1, n.2),
        epoch: Epoch(n.3),
        term: Term(n.4),
        base_offset: Offset(n.5),
        count: r.0,
        codec: 0,
        body_bytes: r.1,
        body_crc: r.2,
        ingested_at: Timestamp(r.3),
        producer: producer
            .filter(|p| p.0 != [0; 16])
            .map(|(id, epoch, first_sequence)| ProducerStamp { id, epoch, first_sequence }),
        extensions: Bytes::from(
            extensions.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>(),
        ),
    })
}

proptest! {
    #[test]
    fn header_round_trip(header in any_header(), tail: [u8; 3]) {
        let mut bytes = vec![];
        header.encode(&mut bytes);
        prop_assert_eq!(bytes.len(), header.encoded_bytes());
        let length = bytes.len();
        bytes.extend_from_slice(&tail);
        prop_assert_eq!(BlockHeader::decode(&bytes), Ok((header, length)));
    }

    #[test]
    fn a_flipped_bit_is_refused(header in any_header(), at: prop::sample::Index, bit in 0u8..8) {
        let mut bytes = vec![];
        header.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(BlockHeader::decode(&bytes).is_err());
    }

    #[test]
    fn any_bytes_decode_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _outcome = BlockHeader::decode(&bytes);
        let walked: usize = events(&bytes).map(|e| e.map_or(0, <[u8]>::len)).sum();
        prop_assert!(walked <= bytes.len());
    }

    #[test]
    fn body_round_trip(want in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let mut builder = BodyBuilder::default();
        for event in &want {
            prop_assert!(builder.push(event));
        }
        let (body, count) = builder.take();
        let got: Vec<Vec<u8>> = events(&body).map(|e| e.unwrap().to_vec()).collect();
        prop_assert_eq!(&got, &want);
        prop_assert_eq!(count as usize, want.len());


    }
}

fn any_note() -> impl Strategy<Value = KeyNote> {
    let states = [KeyState::Gap, KeyState::Late, KeyState::Repeat, KeyState::Reset];
    let parts = (any::<u32>(), proptest::sample::select(states.to_vec()), any::<[u64; 2]>());
    parts.prop_map(|(index, state, [expected, seen])| KeyNote { index, state, expected, seen })
}

proptest! {
    #[test]
    fn key_notes_survive_their_header(header in any_header(), all in proptest::collection::vec(any_note(), 0..90)) {
        let mut notes = KeyNotes::default();
        all.iter().for_each(|note| notes.push(*note));
        prop_assert_eq!(notes.notes.len() + notes.overflow as usize, all.len());
        let mut extensions = Vec::new();
        prop_assert!(put_extension(&mut extensions, extension_type::TRACE, &[7; 3]));
        prop_assert!(put_extension(&mut extensions, extension_type::KEY_NOTES, &notes.encode()));
        let mut bytes = vec![];
        BlockHeader { extensions: extensions.into(), ..header }.encode(&mut bytes);
        let (read, _) = BlockHeader::decode(&bytes).unwrap();
        prop_assert_eq!(KeyNotes::of(&read), Some(notes));
        prop_assert_eq!(extension(&read.extensions, extension_type::TRACE), Some(&[7; 3][..]));
        prop_assert_eq!(extension(&read.extensions, 9), None);
    }

    #[test]
    fn any_extensions_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _found = extension(&bytes, extension_type::KEY_NOTES);
        let _notes = KeyNotes::decode(&bytes);
    }
}

#[test]
fn extensions_that_do_not_fit_are_left_out() {
    let mut extensions = Vec::new();
    assert!(put_extension(&mut extensions, 4, &[1; EXTENSION_BYTES_MAX - 12]));
    assert!(!put_extension(&mut extensions, 5, &[1; 5]));
    assert!(put_extension(&mut extensions, 5, &[1; 4]));
    assert_eq!(extensions.len(), EXTENSION_BYTES_MAX);
    assert_eq!(extension(&extensions, 5), Some(&[1; 4][..]));
}

#[test]
fn a_body_has_a_limit_and_says_where_it_breaks() {
    let mut builder = BodyBuilder::default();
    assert!(builder.push(&vec![0; EVENT_BYTES_MAX]));
    assert!(!builder.push(&[0; 16]));
    let (body, count) = builder.take();
    assert_eq!(count, 1);
    assert!(builder.is_empty());
    assert_eq!(events(&body).count(), 1);
    let broken = [&[0x0A, 1, 7][..], &[0x0B, 0]].concat();
    assert_eq!(events(&broken).collect::<Vec<_>>(), [Ok(&[7u8][..]), Err(BodyError { at: 3 })]);
    assert_eq!(events(&[0x0A, 0x80, 0x00]).next(), Some(Err(BodyError { at: 0 })));
    assert_eq!(events(&[0x0A, 5, 1]).next(), Some(Err(BodyError { at: 0 })));
}

#[test]
fn crc32c_is_castagnoli() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
}

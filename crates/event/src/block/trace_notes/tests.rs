//! Notes come back as they were put, beside other extensions, and no bytes make reading panic.

use bytes::Bytes;
use proptest::prelude::*;

use super::{TRACE_NOTES_MAX, TraceNote};
use crate::block::{BlockHeader, Flags, put_extension};
use crate::{Epoch, Offset, Term, Timestamp, TopicPartition};

fn header() -> BlockHeader {
    BlockHeader {
        flags: Flags::default(),
        topic_partition: TopicPartition::new(1, 2),
        epoch: Epoch(1),
        term: Term(1),
        base_offset: Offset(7),
        count: 100,
        codec: 0,
        body_bytes: 0,
        body_crc: 0,
        ingested_at: Timestamp(1),
        producer: None,
        extensions: Bytes::new(),
    }
}

proptest! {
    #[test]
    fn notes_come_back(
        notes in prop::collection::vec((any::<u32>(), any::<[u8; 16]>(), any::<[u8; 8]>()), 0..40),
        before in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let notes: Vec<TraceNote> = notes
            .into_iter()
            .map(|(index, trace_id, span_id)| TraceNote { index, trace_id, span_id })
            .collect();
        let mut header = header();
        let mut extensions = Vec::new();
        prop_assert!(put_extension(&mut extensions, 5, &before));
        header.extensions = extensions.into();
        TraceNote::put(&mut header, &notes);
        let mut encoded = Vec::new();
        header.encode(&mut encoded);
        let (decoded, _) = BlockHeader::decode(&encoded).unwrap();
        let read: Vec<TraceNote> = TraceNote::read(&TraceNote::bytes_of(&decoded)).collect();
        prop_assert_eq!(&read[..], &notes[..notes.len().min(TRACE_NOTES_MAX)]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let header = BlockHeader { extensions: bytes.clone().into(), ..header() };
        let _read = TraceNote::read(&TraceNote::bytes_of(&header)).count();
        prop_assert!(TraceNote::read(&bytes).count() <= bytes.len() / 28);
    }
}

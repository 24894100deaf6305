//! Blocks: bodies, headers and what headers carry.

use bytes::Bytes;
use prost::Message;
use tidings_event::block::{
    BlockHeader, BodyBuilder, Flags, KeyNote, KeyNotes, KeyState, ProducerStamp, crc32c, events,
};
use tidings_event::packed::{LZ4, pack, unpack};
use tidings_event::{Epoch, Offset, Term, Timestamp, TopicPartition};

/// A body that is walked to its end is an `EventBatch` of the same events, and building it again
/// gives the same bytes.
pub(super) fn body(input: &[u8]) {
    let walked: Result<Vec<&[u8]>, _> = events(input).collect();
    let Ok(walked) = walked else { return };
    let batch = Batch::decode(input).expect("a body is an EventBatch");
    assert_eq!(batch.events, walked);
    let mut builder = BodyBuilder::default();
    if walked.iter().all(|event| builder.push(event)) {
        let (bytes, count) = builder.take();
        assert_eq!((&bytes[..], count as usize), (input, walked.len()));
    }
}

/// `EventBatch` whose events are not looked into.
#[derive(Clone, PartialEq, Message)]
struct Batch {
    #[prost(bytes = "vec", repeated, tag = "1")]
    events: Vec<Vec<u8>>,
}

pub(super) fn body_seeds() -> Vec<Vec<u8>> {
    let mut builder = BodyBuilder::default();
    for event in super::event::scan_seeds() {
        builder.push(&event);
    }
    vec![builder.take().0.to_vec(), b"\x0a\x01x\x0a\x00".to_vec()]
}

/// A packed body that is read is no longer than so few bytes can be, and packing it again gives it
/// back; any other is refused.
pub(super) fn packed(input: &[u8]) {
    let Ok(body) = unpack(Bytes::copy_from_slice(input), LZ4) else { return };
    assert!(body.len() <= input.len() * 255);
    if let Some(again) = pack(&body) {
        assert_eq!(unpack(again, LZ4).expect("what is packed is read"), body);
    }
}

pub(super) fn packed_seeds() -> Vec<Vec<u8>> {
    let bodies = body_seeds().into_iter().chain([b"tidings ".repeat(400), vec![0; 70_000]]);
    let packed = bodies.filter_map(|body| pack(&body));
    packed.map(|bytes| bytes.to_vec()).chain([b"\x01\0\0\0\x10a".to_vec()]).collect()
}

/// A header that is read says how long it is, and is written the same again.
pub(super) fn header(input: &[u8]) {
    // A bent header has a checksum that fits only when somebody made it so: that is the point.
    let mut mended = input.to_vec();
    mend(&mut mended);
    for bytes in [input, &mended] {
        let Ok((header, taken)) = BlockHeader::decode(bytes) else { continue };
        assert!(taken <= bytes.len() && header.count > 0);
        let mut again = Vec::new();
        header.encode(&mut again);
        let (read, length) = BlockHeader::decode(&again).expect("what is written is read");
        assert_eq!((read, length), (header.clone(), again.len()));
        if let Some(notes) = KeyNotes::of(&header) {
            assert_eq!(KeyNotes::decode(&notes.encode()), Some(notes));
        }
    }
}

/// Makes the checksum fit, where there is room for one.
fn mend(bytes: &mut [u8]) {
    const CRC: std::ops::Range<usize> = 96..100;
    let Some(length) = bytes.get(6..8) else { return };
    let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
    let Some(header) = bytes.get_mut(..length).filter(|header| header.len() >= CRC.end) else {
        return;
    };
    header[CRC].fill(0);
    let crc = crc32c(header);
    header[CRC].copy_from_slice(&crc.to_le_bytes());
}

pub(super) fn header_seeds() -> Vec<Vec<u8>> {
    let plain = BlockHeader {
        flags: Flags::default(),
        topic_partition: TopicPartition::new(7, 3),
        epoch: Epoch(1),
        term: Term(2),
        base_offset: Offset(40),
        count: 3,
        codec: 0,
        body_bytes: 300,
        body_crc: 0xDEAD_BEEF,
        ingested_at: Timestamp(1_700_000_000_000_000_000),
        producer: None,
        extensions: Bytes::new(),
    };
    let stamp = ProducerStamp { id: [9; 16], epoch: 4, first_sequence: 12 };
    let notes = key_notes_seeds().remove(0);
    let mut extension = vec![5, 0];
    extension.extend_from_slice(&u16::try_from(notes.len()).unwrap_or(0).to_le_bytes());
    extension.extend_from_slice(&notes);
    let full = BlockHeader {
        producer: Some(stamp),
        extensions: Bytes::from(extension),
        flags: Flags::MEMORY,
        ..plain.clone()
    };
    [plain, full]
        .iter()
        .map(|header| {
            let mut out = Vec::new();
            header.encode(&mut out);
            out
        })
        .collect()
}

/// Notes that are read are written the same again, unknown states left out.
pub(super) fn key_notes(input: &[u8]) {
    let Some(notes) = KeyNotes::decode(input) else { return };
    let again = notes.encode();
    assert!(again.len() <= input.len());
    assert_eq!(KeyNotes::decode(&again), Some(notes));
}

pub(super) fn key_notes_seeds() -> Vec<Vec<u8>> {
    let mut notes = KeyNotes::default();
    for (index, state) in [(0, KeyState::Gap), (4, KeyState::Repeat), (5, KeyState::Reset)] {
        notes.push(KeyNote { index, state, expected: 10, seen: 12 });
    }
    vec![notes.encode(), KeyNotes::default().encode()]
}

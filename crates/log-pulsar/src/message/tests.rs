//! Messages come back as they were sent, or say that they do not.

use bytes::Bytes;
use tidings_event::block::{Block, BlockHeader, Flags, crc32c};
use tidings_event::{Epoch, Offset, Term, Timestamp, TopicPartition};

use super::{Front, Hold, MessageError, decode, encode, start};

fn block(base: u64, body: &'static [u8]) -> Block {
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: TopicPartition::new(7, 3),
        epoch: Epoch(1),
        term: Term(5),
        base_offset: Offset(base),
        count: 2,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(body),
        ingested_at: Timestamp(99),
        producer: None,
        extensions: Bytes::from_static(&[1, 0, 4, 0, 5, 6, 7, 8]),
    };
    Block { header, body: Bytes::from_static(body) }
}

const FRONT: Front =
    Front { epoch: Epoch(1), hold: Hold { term: Term(5), number: 2 }, seq: Some(u64::MAX - 1) };

#[test]
fn a_group_comes_back_as_it_was_sent() {
    let blocks = [block(0, b"one"), block(2, b""), block(4, b"three")];
    let (front, found) = decode(&encode(&FRONT, &blocks)).unwrap();
    assert_eq!(front, FRONT);
    let found: Vec<Block> =
        found.into_iter().map(|(header, body)| Block { header, body: body.unwrap() }).collect();
    assert_eq!(found, blocks);
}

#[test]
fn a_start_has_no_blocks() {
    let hold = Hold { term: Term(9), number: 0 };
    let (front, blocks) = decode(&start(Epoch(3), hold)).unwrap();
    assert_eq!(front, Front { epoch: Epoch(3), hold, seq: None });
    assert!(blocks.is_empty());
}

#[test]
fn no_changed_byte_goes_unseen() {
    let sent = encode(&FRONT, &[block(0, b"one"), block(2, b"two")]);
    let bodies_at = sent.len() - 6;
    for at in 0..sent.len() {
        let mut changed = sent.to_vec();
        changed[at] ^= 1;
        let found = decode(&changed.into());
        if at < bodies_at {
            assert!(found.is_err(), "byte {at}");
            continue;
        }
        let (front, blocks) = found.unwrap();
        assert_eq!(front, FRONT);
        let whole: Vec<bool> = blocks.iter().map(|(_, body)| body.is_some()).collect();
        assert_eq!(whole, [at >= bodies_at + 3, at < bodies_at + 3], "byte {at}");
    }
}

#[test]
fn a_message_cut_anywhere_is_seen() {
    let sent = encode(&FRONT, &[block(0, b"one")]);
    for length in 0..sent.len() {
        let whole = decode(&sent.slice(..length))
            .is_ok_and(|(_, blocks)| blocks.iter().all(|(_, body)| body.is_some()));
        assert!(!whole, "{length} bytes");
    }
}

#[test]
fn strangers_and_later_versions_are_told_apart() {
    assert_eq!(decode(&Bytes::from_static(b"hello")), Err(MessageError::Foreign));
    assert_eq!(decode(&Bytes::new()), Err(MessageError::Foreign));
    assert_eq!(decode(&Bytes::from_static(b"TPG1\x02")), Err(MessageError::Version(2)));
}

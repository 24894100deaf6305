//! Whatever is dropped, lags or is read twice: every event comes out once, in order.

use bytes::Bytes;
use proptest::prelude::*;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c, events};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, JournalSeq, Offset, Term, Timestamp, TopicPartition};

use super::{Feed, Piece};

fn block(first: u64, count: u32) -> Committed {
    let mut builder = BodyBuilder::default();
    for offset in first..first + u64::from(count) {
        assert!(builder.push(&offset.to_le_bytes()));
    }
    let (body, count) = builder.take();
    let header = BlockHeader {
        flags: Flags::default(),
        topic_partition: TopicPartition::new(1, 0),
        epoch: Epoch(1),
        term: Term(1),
        base_offset: Offset(first),
        count,
        codec: 0,
        body_bytes: u32::try_from(body.len()).unwrap(),
        body_crc: crc32c(&body),
        ingested_at: Timestamp(0),
        producer: None,
        extensions: Bytes::new(),
    };
    Committed { seq: JournalSeq(1), block: Block { header, body } }
}

fn offsets(body: &[u8]) -> Vec<u64> {
    events(body).map(|event| u64::from_le_bytes(event.unwrap().try_into().unwrap())).collect()
}

proptest! {
    /// Live blocks come in order; some are dropped, some arrive while reads are under way; reads
    /// start at the block that holds the asked offset and bring at most so many blocks.
    #[test]
    fn hand_over_from_log_to_live_has_no_gap_and_no_repeat(
        counts in proptest::collection::vec(1u32..6, 1..20),
        steps in proptest::collection::vec((0u8..4, 1u64..8, 1u64..60), 1..120),
        dropped in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let mut first = 0;
        let blocks: Vec<Committed> = counts.iter().map(|&count| {
            let made = block(first, count);
            first += u64::from(count);
            made
        }).collect();
        let tail = first;
        let (mut feed, mut next, mut pushed) = (Feed::default(), 0u64, 0);
        let mut out = Vec::new();
        let mut step = |(what, count, bytes): (u8, u64, u64), feed: &mut Feed, out: &mut Vec<u64>| {
            match what {
                0 if pushed < blocks.len() => {
                    if !dropped[pushed] {
                        feed.push(&blocks[pushed], next, None);
                    }
                    pushed += 1;
                }
                1 => {
                    let at = blocks.partition_point(|b| b.end_offset().0 <= next);
                    let until = (at + usize::try_from(count).unwrap()).min(blocks.len());
                    feed.fill(blocks[at.min(until)..until].iter().map(|b| Piece::of(b, None)).collect(), next);
                }
                _ => if let Some(piece) = feed.take(next, count, bytes) {
                    assert_eq!(piece.first, next);
                    assert!(u64::from(piece.count) <= count && piece.count > 0);
                    assert!(piece.count == 1 || piece.body.len() as u64 <= bytes);
                    out.extend(offsets(&piece.body));
                    next = piece.end();
                },
            }
            next
        };
        for what in steps {
            step(what, &mut feed, &mut out);
        }
        while step((1, 3, 0), &mut feed, &mut out) < tail {
            step((2, 5, 100), &mut feed, &mut out);
        }
        prop_assert_eq!(out, (0..tail).collect::<Vec<_>>());
        feed.has(tail);
        prop_assert_eq!(feed.bytes(), 0);
    }
}

#[test]
fn a_whole_block_is_given_without_copying() {
    let stored = block(7, 50);
    let mut feed = Feed::default();
    assert!(feed.push(&stored, 7, None));
    let piece = feed.take(7, 100, 1 << 20).unwrap();
    assert_eq!(piece.body.as_ptr(), stored.block.body.as_ptr());
    assert_eq!((piece.count, feed.bytes()), (50, 0));
}

#[test]
fn a_part_of_a_block_is_a_slice_of_it() {
    let stored = block(0, 10);
    let mut feed = Feed::default();
    feed.push(&stored, 0, None);
    let piece = feed.take(4, 3, 1 << 20).unwrap();
    assert_eq!(offsets(&piece.body), [4, 5, 6]);
    let range = stored.block.body.as_ptr_range();
    assert!(range.contains(&piece.body.as_ptr()));
}

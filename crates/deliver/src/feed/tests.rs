//! Whatever is dropped, lags or is read twice: every event comes out once, in order.

use bytes::Bytes;
use proptest::prelude::*;
use tidings_event::block::{Block, BlockHeader, BodyBuilder, Flags, crc32c, events};
use tidings_event::hop::Committed;
use tidings_event::{Epoch, JournalSeq, Offset, Term, Timestamp, TopicPartition};

use super::{Feed, Known, Piece};
use crate::matching::Selected;

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

/// What a filter takes that lets an event pass where `passes` has its offset.
fn select(block: &Committed, passes: &[bool]) -> Selected {
    Selected::passing(block, |offset, _| passes[usize::try_from(offset).unwrap()])
}

struct Playing {
    blocks: Vec<Committed>,
    dropped: Vec<bool>,
    passes: Vec<bool>,
    feed: Feed,
    /// The first offset that is not looked at, and how many blocks came live.
    next: u64,
    pushed: usize,
    out: Vec<u64>,
}

impl Playing {
    fn step(&mut self, (what, count, bytes): (u8, u64, u64)) {
        match what {
            0 if self.pushed < self.blocks.len() => {
                let block = &self.blocks[self.pushed];
                if !self.dropped[self.pushed] {
                    self.feed.push(block, self.next, &select(block, &self.passes));
                }
                self.pushed += 1;
            }
            1 => {
                let at = self.blocks.partition_point(|b| b.end_offset().0 <= self.next);
                let until = (at + usize::try_from(count).unwrap()).min(self.blocks.len());
                let read = self.blocks[at.min(until)..until].iter();
                let piece = |b| Piece::of(b, &select(b, &self.passes));
                self.feed.fill(read.map(piece).collect(), self.next);
            }
            2 => {
                self.feed.shed();
            }
            _ => self.take(count, bytes),
        }
    }

    fn take(&mut self, count: u64, bytes: u64) {
        match self.feed.known(self.next) {
            Known::Filtered(end) => self.next = end,
            Known::Taken(_) => {
                let piece = self.feed.take(self.next, count, bytes).unwrap();
                assert_eq!(piece.first, self.next);
                let taken = offsets(&piece.body);
                assert!(taken.len() as u64 <= count && !taken.is_empty());
                assert!(taken.len() == 1 || piece.body.len() as u64 <= bytes);
                let runs: Vec<_> = piece.runs().collect();
                assert!(runs.iter().flat_map(|run| run.0..run.1).eq(taken.iter().copied()));
                assert_eq!(runs.iter().map(|run| run.2).sum::<u64>(), piece.body.len() as u64);
                let is_whole = self.blocks.iter().any(|block| block.block.body == piece.body);
                assert_eq!(piece.checksum, is_whole.then(|| crc32c(&piece.body)));
                assert!(
                    (piece.first..piece.end()).all(|at| piece.holds(at) == taken.contains(&at))
                );
                self.out.extend(taken);
                self.next = piece.end();
            }
            Known::Offered | Known::Nothing => {}
        }
    }
}

proptest! {
    /// Live blocks come in order; some are dropped, all that wait now and then, some arrive while reads are under way; reads
    /// start at the block that holds the asked offset and bring at most so many blocks; a filter
    /// takes any events of them.
    #[test]
    fn hand_over_from_log_to_live_has_no_gap_and_no_repeat(
        counts in proptest::collection::vec(1u32..6, 1..20),
        steps in proptest::collection::vec((0u8..5, 1u64..8, 1u64..60), 1..120),
        dropped in proptest::collection::vec(any::<bool>(), 20),
        passes in prop_oneof![
            Just(vec![true; 120]),
            proptest::collection::vec(any::<bool>(), 120),
        ],
    ) {
        let mut tail = 0;
        let blocks: Vec<Committed> = counts.iter().map(|&count| {
            let made = block(tail, count);
            tail += u64::from(count);
            made
        }).collect();
        let (feed, out) = (Feed::default(), Vec::new());
        let mut playing = Playing { blocks, dropped, passes, feed, next: 0, pushed: 0, out };
        steps.into_iter().for_each(|what| playing.step(what));
        while playing.next < tail {
            playing.step((1, 3, 0));
            playing.step((3, 5, 100));
        }
        let passes = |at: &u64| playing.passes[usize::try_from(*at).unwrap()];
        prop_assert_eq!(&playing.out, &(0..tail).filter(passes).collect::<Vec<_>>());
        playing.feed.has(tail);
        prop_assert_eq!(playing.feed.bytes(), 0);
    }
}

#[test]
fn a_whole_block_is_given_without_copying() {
    let stored = block(7, 50);
    let mut feed = Feed::default();
    assert!(feed.push(&stored, 7, &Selected::all(&stored)));
    let piece = feed.take(7, 100, 1 << 20).unwrap();
    assert_eq!(piece.body.as_ptr(), stored.block.body.as_ptr());
    assert_eq!((piece.count, feed.bytes()), (50, 0));
    assert_eq!(piece.checksum, Some(crc32c(&piece.body)), "and its checksum with it");
}

#[test]
fn a_part_of_a_block_is_a_slice_of_it() {
    let stored = block(0, 10);
    let mut feed = Feed::default();
    feed.push(&stored, 0, &Selected::all(&stored));
    let piece = feed.take(4, 3, 1 << 20).unwrap();
    assert_eq!(offsets(&piece.body), [4, 5, 6]);
    assert_eq!(piece.checksum, None, "that of the block is not its own");
    let range = stored.block.body.as_ptr_range();
    assert!(range.contains(&piece.body.as_ptr()));
}

#[test]
fn a_few_events_that_wait_do_not_keep_their_block() {
    let stored: Vec<Committed> = (0..1000).map(|n| block(50 * n, 50)).collect();
    let few = (0..50_000).map(|at| at % 50 == 30).collect();
    let many = (0..50_000).map(|at| at % 50 >= 30).collect();
    for (passes, part) in [(few, 1), (many, 20)] {
        let passes: Vec<bool> = passes;
        let mut feed = Feed::default();
        stored.iter().for_each(|block| assert!(feed.push(block, 0, &select(block, &passes))));
        // Each event has 10 bytes with its frame.
        let (mut next, mut held) = (0, 0);
        for block in &stored {
            let is_shared = part == 20 || held < 8 << 10;
            held += size_of::<Piece>() + part * 10;
            while let Known::Filtered(end) = feed.known(next) {
                next = end;
            }
            let piece = feed.take(next, 100, 1 << 20).unwrap();
            assert_eq!(block.block.body.as_ptr_range().contains(&piece.body.as_ptr()), is_shared);
            next = piece.end();
        }
    }
}

//! Consecutive blocks of a partition, and what each filter takes of them.

use tidings_catalog::SubscriptionId;
use tidings_event::hop::Committed;
use tidings_match::{Matches, Run};

use crate::feed::Piece;
use crate::matching::Selected;
use crate::routes::Route;

/// Most bytes of what was found, before a stretch ends; a single block is always looked up.
const FOUND_BYTES: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(crate) struct Stretch {
    blocks: Vec<Looked>,
    /// Its offsets, as runs `first..end`.
    spans: Vec<(u64, u64)>,
    /// Of the index that was looked into.
    version: u32,
    /// What some filter takes of a block.
    parts: Vec<Box<[Run]>>,
    /// In order of subscriptions, then of blocks.
    shares: Vec<Share>,
}

/// A block that was looked up.
#[derive(Debug)]
struct Looked {
    block: Committed,
    /// Where in the body each event ends.
    ends: Box<[usize]>,
}

/// What a subscription takes of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Share {
    id: u64,
    /// First offset of the block.
    first: u64,
    /// Number of the block.
    block: usize,
    /// Number of the part.
    part: usize,
}

impl Stretch {
    /// Looks blocks of one partition up for everybody on its route; of no blocks there is none.
    pub(crate) fn look_up(
        blocks: Vec<Committed>,
        route: &Route,
        matches: &mut Matches<u64>,
    ) -> Option<Self> {
        blocks.first()?;
        let (mut ends, mut parts, mut shares) = (Vec::new(), Vec::<Box<[Run]>>::new(), Vec::new());
        let mut found = 0;
        let version = route.look_up(&blocks, matches, |looked, matches| {
            let first = looked.block.header.base_offset.0;
            for (keys, runs) in matches.iter() {
                let (block, part) = (ends.len(), parts.len());
                shares.extend(keys.iter().map(|&id| Share { id, first, block, part }));
                parts.push(runs.into());
                found += size_of_val(keys) / size_of::<u64>() * size_of::<Share>();
                found += size_of::<Box<[Run]>>() + size_of_val(runs);
            }
            ends.push(Box::from(matches.ends()));
            found < FOUND_BYTES
        });
        shares.sort_unstable();
        let blocks = blocks.into_iter().zip(ends).map(|(block, ends)| Looked { block, ends });
        let blocks = blocks.collect::<Vec<_>>();
        Some(Self { spans: spans(&blocks), blocks, version, parts, shares })
    }

    /// Whether it holds an offset, or what follows where that is lost.
    pub(crate) fn holds(&self, offset: u64) -> bool {
        let ends = self.spans.first().zip(self.spans.last());
        ends.is_some_and(|((first, _), (_, end))| (*first..*end).contains(&offset))
    }

    /// Of the index that was looked into.
    pub(super) fn version(&self) -> u32 {
        self.version
    }

    /// What a subscription takes of the blocks from an offset on, and in between what it does not take.
    pub(crate) fn pieces(&self, id: SubscriptionId, from: u64) -> Vec<Piece> {
        let mut shares = self.shares_of(id.0).iter().peekable();
        let mut pieces = Vec::new();
        for &(first, end) in &self.spans {
            let mut at = first.max(from);
            let here = |share: &&Share| share.first < end;
            while let Some(share) = shares.next_if(here) {
                let Some(piece) = self.piece(*share).filter(|piece| piece.end() > from) else {
                    continue;
                };
                pieces.extend((at < piece.first).then(|| Piece::nothing(at, piece.first)));
                at = piece.end();
                pieces.push(piece);
            }
            pieces.extend((at < end).then(|| Piece::nothing(at, end)));
        }
        pieces
    }

    fn piece(&self, share: Share) -> Option<Piece> {
        let (looked, runs) = (self.blocks.get(share.block)?, self.parts.get(share.part)?);
        let selected = Selected::found(runs, |run| run.span(&looked.ends), &looked.block);
        Some(Piece::of(&looked.block, &selected))
    }

    fn shares_of(&self, id: u64) -> &[Share] {
        let first = self.shares.partition_point(|share| share.id < id);
        let rest = self.shares.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|share| share.id == id)).unwrap_or_default()
    }
}

/// The offsets of blocks, those together that follow each other.
fn spans(blocks: &[Looked]) -> Vec<(u64, u64)> {
    let mut spans = Vec::<(u64, u64)>::new();
    for Looked { block, .. } in blocks {
        let (first, end) = (block.block.header.base_offset.0, block.end_offset().0);
        match spans.last_mut().filter(|last| last.1 == first) {
            Some(last) => last.1 = end,
            None => spans.push((first, end)),
        }
    }
    spans
}

#[cfg(test)]
mod tests;

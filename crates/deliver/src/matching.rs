//! Which events of a partition a subscription is for: its revisions, each in force from its
//! boundary on.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tidings_catalog::{Revision, Subscription, SubscriptionId};
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::{Offset, TopicPartition};
use tidings_match::Run;

/// Which offsets of a block a subscription takes, as runs `first..end` in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// All of them.
    All,
    /// None of them.
    None,
    /// Those of one run.
    One([(u64, u64); 1]),
    /// Those of some runs.
    Many(Arc<[(u64, u64)]>),
}

impl Runs {
    /// The runs; nothing where it takes all.
    pub(crate) fn some(&self) -> Option<&[(u64, u64)]> {
        match self {
            Self::All => None,
            Self::None => Some(&[]),
            Self::One(run) => Some(run),
            Self::Many(runs) => Some(runs),
        }
    }
}

/// What a subscription takes of a block.
#[derive(Clone, Debug)]
pub(crate) struct Selected {
    pub(crate) runs: Runs,
    /// Exactly these events: of one run, where they are in the block; of more, copied out.
    pub(crate) body: Bytes,
}

impl Selected {
    /// All of it.
    pub(crate) fn all(block: &Committed) -> Self {
        Self { runs: Runs::All, body: block.block.body.clone() }
    }

    /// How many events.
    pub(crate) fn events(&self, block: &Committed) -> u64 {
        let runs = self.runs.some().map(|runs| runs.iter().map(|(first, end)| end - first).sum());
        runs.unwrap_or_else(|| u64::from(block.block.header.count))
    }

    /// What an index found: runs, of which `span` says the bytes.
    pub(crate) fn found(
        runs: &[Run],
        span: impl Fn(Run) -> Range<usize>,
        block: &Committed,
    ) -> Self {
        let base = block.block.header.base_offset.0;
        let place = |run: &Run| {
            let first = base + u64::from(run.first);
            ((first, first + u64::from(run.count)), span(*run))
        };
        if let [one] = runs {
            return Self::one(block, place(one));
        }
        let (runs, spans): (Vec<_>, Vec<_>) = runs.iter().map(place).unzip();
        Self::many(block, runs, &spans)
    }

    /// The events that pass.
    pub(crate) fn passing(block: &Committed, passes: impl Fn(u64, &[u8]) -> bool) -> Self {
        let (mut runs, mut spans) = (Vec::new(), Vec::<Range<usize>>::new());
        let mut walk = events(&block.block.body);
        let (mut offset, mut start) = (block.block.header.base_offset.0, 0);
        while let Some(Ok(event)) = walk.next() {
            let (end, stop) = (offset + 1, walk.offset());
            if passes(offset, event) {
                match (runs.last_mut(), spans.last_mut()) {
                    (Some((_, last)), Some(span)) if *last == offset => {
                        (*last, span.end) = (end, stop);
                    }
                    _ => {
                        runs.push((offset, end));
                        spans.push(start..stop);
                    }
                }
            }
            (offset, start) = (end, stop);
        }
        Self::many(block, runs, &spans)
    }

    fn one(block: &Committed, (run, span): ((u64, u64), Range<usize>)) -> Self {
        if run == (block.block.header.base_offset.0, block.end_offset().0) {
            return Self::all(block);
        }
        Self { runs: Runs::One([run]), body: block.block.body.slice(span) }
    }

    fn many(block: &Committed, runs: Vec<(u64, u64)>, spans: &[Range<usize>]) -> Self {
        match (runs.as_slice(), spans) {
            ([], []) => return Self { runs: Runs::None, body: Bytes::new() },
            ([run], [span]) => return Self::one(block, (*run, span.clone())),
            _ => {}
        }
        let mut body = BytesMut::with_capacity(spans.iter().map(Range::len).sum());
        spans.iter().for_each(|span| body.extend_from_slice(&block.block.body[span.clone()]));
        Self { runs: Runs::Many(runs.into()), body: body.freeze() }
    }
}

/// What of blocks in one topic a subscription is for.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    subscription: Arc<Subscription>,
    /// Path of the topic.
    path: Box<str>,
}

impl Judge {
    /// Who judges the events of a topic for a subscription; nobody where it takes all of them.
    pub(crate) fn of(subscription: &Arc<Subscription>, path: &str) -> Option<Self> {
        let takes_all = |revision: &Revision| revision.filter.is_none() && revision.covers(path);
        if subscription.revisions.iter().all(takes_all) {
            return None;
        }
        Some(Self { subscription: Arc::clone(subscription), path: path.into() })
    }

    /// What the subscription takes of a block.
    pub(crate) fn select(&self, block: &Committed) -> Selected {
        let place = block.topic_partition();
        Selected::passing(block, |offset, event| self.matches(place, offset, event))
    }

    fn matches(&self, place: TopicPartition, offset: u64, event: &[u8]) -> bool {
        let Some(revision) = self.subscription.revision_at(place, Offset(offset)) else {
            return true;
        };
        revision.covers(&self.path) && revision.selects(event)
    }

    /// The subscription, and the number of the revision that is in force now, where that one decides
    /// from an offset on.
    pub(crate) fn in_force(
        &self,
        place: TopicPartition,
        from: u64,
    ) -> Option<(SubscriptionId, u32)> {
        let last = self.subscription.revision().filter(|_| self.in_force_from(place) <= from)?;
        Some((self.subscription.id, last.number))
    }

    /// From where on the revision that is in force now decides.
    pub(crate) fn in_force_from(&self, place: TopicPartition) -> u64 {
        let last = self.subscription.revision();
        last.and_then(|revision| revision.boundary.get(place)).map_or(0, |first| first.0)
    }
}

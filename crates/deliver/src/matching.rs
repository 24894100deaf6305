//! Which events of a partition a subscription is for: its revisions, each in force from its
//! boundary on.

use std::sync::Arc;

use tidings_catalog::{Revision, Subscription};
use tidings_event::block::events;
use tidings_event::hop::Committed;
use tidings_event::{Offset, TopicPartition};
use tidings_match::Run;

/// Matching runs of a block, `first..end` in ascending order; nothing where all of it matches.
pub(crate) type Matched = Option<Arc<[(u64, u64)]>>;

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

    /// The matching runs of a block.
    pub(crate) fn runs(&self, block: &Committed) -> Matched {
        let place = block.topic_partition();
        let base = block.block.header.base_offset.0;
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for (offset, event) in (base..).zip(events(&block.block.body).map_while(Result::ok)) {
            if self.matches(place, offset, event) {
                match runs.last_mut() {
                    Some((_, end)) if *end == offset => *end += 1,
                    _ => runs.push((offset, offset + 1)),
                }
            }
        }
        shared(&runs, base, block.end_offset().0)
    }

    fn matches(&self, place: TopicPartition, offset: u64, event: &[u8]) -> bool {
        let Some(revision) = self.subscription.revision_at(place, Offset(offset)) else {
            return true;
        };
        revision.covers(&self.path) && revision.selects(event)
    }

    /// From where on the revision that is in force now decides.
    pub(crate) fn in_force_from(&self, place: TopicPartition) -> u64 {
        let last = self.subscription.revision();
        last.and_then(|revision| revision.boundary.get(place)).map_or(0, |first| first.0)
    }
}

/// The runs that an index found in a block.
pub(crate) fn found(runs: &[Run], block: &Committed) -> Matched {
    let base = block.block.header.base_offset.0;
    let at = |run: &Run| {
        let first = base + u64::from(run.first);
        (first, first + u64::from(run.count))
    };
    let runs: Vec<(u64, u64)> = runs.iter().map(at).collect();
    shared(&runs, base, block.end_offset().0)
}

fn shared(runs: &[(u64, u64)], first: u64, end: u64) -> Matched {
    if runs == [(first, end)] { None } else { Some(runs.into()) }
}

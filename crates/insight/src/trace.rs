//! What became of one event in every subscription that existed when it was taken in.
//!
//! A subscription's revision in force at the event's place says whether it selects the event; the
//! newest settlement that speaks of the place says how the delivery ended. What is neither is still
//! open, and whoever delivers knows the rest.

mod search;

use std::sync::Arc;

use tidings_catalog::{Catalog, Start, Subscription};
use tidings_event::v1;
use tidings_event::{Code, Position, Refusal, Timestamp};
use tidings_log::PartitionLog;

/// The event that is traced.
#[derive(Clone, Copy, Debug)]
pub struct TracedEvent<'a> {
    /// Path of its topic.
    pub topic: &'a str,
    /// Where it lies.
    pub position: Position,
    /// When it was taken in.
    pub ingested_at: Timestamp,
    /// Its bytes.
    pub event: &'a [u8],
}

/// A subscription that an event may have gone to, and when it was deleted, if it was.
pub type Candidate = (Arc<Subscription>, Option<Timestamp>);

/// What became of an event in one subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// The subscription.
    pub subscription: Arc<Subscription>,
    /// When it was deleted, if it was.
    pub deleted_at: Option<Timestamp>,
    /// Number of the revision that decided on the event.
    pub revision: u32,
    /// What became of it.
    pub fate: Fate,
}

/// What the log says of an event in one subscription.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// No pattern selected its topic.
    NotMatched,
    /// The subscription starts after it.
    BeforeStart,
    /// The filter left it out.
    Filtered,
    /// Its delivery ended.
    Ended(Box<v1::Settlement>),
    /// Nothing says that its delivery ended.
    Open,
}

/// How far settlements were looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookedFor {
    /// Blocks of settlements that were read.
    pub blocks: u64,
    /// Whether the search ended at its bound, before the newest settlement: then a later one may
    /// say something else.
    pub is_cut: bool,
    /// Damaged ranges that were passed over.
    pub damaged: u64,
}

/// Tells what became of events.
pub struct Traces {
    log: Arc<dyn PartitionLog>,
    catalog: Arc<Catalog>,
}

impl Traces {
    /// Traces over a log and its catalog.
    #[must_use]
    pub fn new(log: Arc<dyn PartitionLog>, catalog: Arc<Catalog>) -> Self {
        Self { log, catalog }
    }

    /// The subscriptions of a tenant that an event may have gone to, by name and number: those that
    /// are there, and those that were deleted after it was taken in.
    ///
    /// # Errors
    /// `INTERNAL` when a record of the catalog cannot be read.
    pub fn subscriptions(
        &self,
        tenant: &str,
        ingested_at: Timestamp,
    ) -> Result<Vec<Candidate>, Refusal> {
        let snapshot = self.catalog.snapshot();
        let there = snapshot.subscriptions().filter(|of| *of.tenant == *tenant);
        let mut all: Vec<_> = there.map(|of| (Arc::clone(of), None)).collect();
        let past = self.catalog.past_subscriptions(tenant);
        let past = past.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        let then = past.into_iter().filter(|past| past.deleted_at >= ingested_at);
        all.extend(then.map(|past| (Arc::new(past.subscription), Some(past.deleted_at))));
        all.sort_by(|(a, _), (b, _)| (&a.spec.name, a.id).cmp(&(&b.spec.name, b.id)));
        Ok(all)
    }

    /// What became of an event in these subscriptions.
    ///
    /// # Errors
    /// `INTERNAL` when the log cannot be read.
    pub async fn trace(
        &self,
        event: TracedEvent<'_>,
        subscriptions: Vec<Candidate>,
    ) -> Result<(Vec<Traced>, LookedFor), Refusal> {
        let (mut ended, looked) = search::settlements(&*self.log, &event).await?;
        let traced = subscriptions.into_iter().map(|(subscription, deleted_at)| {
            let settlement = ended.remove(&subscription.id.0);
            let (revision, fate) = fate(&subscription, &event, settlement);
            Traced { subscription, deleted_at, revision, fate }
        });
        Ok((traced.collect(), looked))
    }
}

/// A run of a settlement may reach over events that were not selected: those are not meant.
fn fate(
    subscription: &Subscription,
    event: &TracedEvent<'_>,
    settlement: Option<v1::Settlement>,
) -> (u32, Fate) {
    let (place, offset) = (event.position.topic_partition(), event.position.offset);
    let Some(revision) = subscription.revision_at(place, offset) else {
        return (0, Fate::NotMatched);
    };
    let starts = subscription.boundary.get(place);
    let fate = if !revision.covers(event.topic) {
        Fate::NotMatched
    } else if !revision.selects(event.event) {
        Fate::Filtered
    } else if let Some(settlement) = settlement {
        Fate::Ended(Box::new(settlement))
    } else if starts.is_some_and(|start| offset < start)
        && subscription.spec.start != Start::LastPerKey
    {
        Fate::BeforeStart
    } else {
        Fate::Open
    };
    (revision.number, fate)
}

impl std::fmt::Debug for Traces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! Subscriptions that begin with last values: their first cursors leave those open and settle
//! everything else below the boundary.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use tidings_catalog::{Beginning, Beginnings, Filter, SubscriptionId, SubscriptionSpec};
use tidings_event::{Code, Offset, Refusal, TopicPartition, glance};
use tidings_log::{Table, TableChange};
use tidings_telemetry::Timer;

use super::LastValues;
use super::store::Entry;
use crate::cursor::{self, Cursor};

/// How long it is waited for the newest values; what is not there by then comes after the boundary.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// Most bytes of one cursor: what a commit takes.
const CURSOR_BYTES_MAX: usize = 768 << 10;

/// Knows where subscriptions begin, as long as last values are kept.
#[derive(Debug)]
pub(crate) struct LastValueStart(Weak<LastValues>);

impl LastValueStart {
    pub(crate) fn of(values: &Arc<LastValues>) -> Self {
        Self(Arc::downgrade(values))
    }
}

#[async_trait]
impl Beginnings for LastValueStart {
    async fn beginning(
        &self,
        subscription: SubscriptionId,
        tenant: &str,
        spec: &SubscriptionSpec,
        partitions: Vec<TopicPartition>,
    ) -> Result<Beginning, Refusal> {
        let stopping = || Refusal::new(Code::ShuttingDown, "the service is stopping");
        let values = self.0.upgrade().ok_or_else(stopping)?;
        let starts = values.starts(tenant, spec.filter.as_ref(), &partitions).await?;
        let mut beginning = Beginning::default();
        for (partition, (lasts, boundary)) in starts {
            beginning.boundary.insert(partition, Offset(boundary));
            let Some(cursor) = leaving(&lasts, boundary) else { continue };
            let value = Cursor::encode(cursor.low, &cursor.settled);
            if value.len() > CURSOR_BYTES_MAX {
                let detail = format!("{partition} has {} last values", lasts.len());
                let refusal = Refusal::new(Code::ResourceExhausted, detail).at_field("start");
                return Err(refusal.with_hint("select fewer topics, or start elsewhere"));
            }
            let key = cursor::key(subscription, partition);
            beginning.changes.push(TableChange { table: Table::CURSORS, key, value: Some(value) });
        }
        Ok(beginning)
    }
}

/// A cursor that has everything below the boundary settled but these; nothing without any.
pub(crate) fn leaving(lasts: &[u64], boundary: u64) -> Option<Cursor> {
    let mut cursor = Cursor { low: *lasts.first()?, ..Cursor::default() };
    let ends = lasts.iter().skip(1).copied().chain([boundary]);
    for (last, end) in lasts.iter().zip(ends) {
        cursor.settled.insert(last + 1, end);
    }
    Some(cursor)
}

/// Of each partition the last values in offset order, and from where on everything follows them.
pub(crate) type Starts = BTreeMap<TopicPartition, (Vec<u64>, u64)>;

impl LastValues {
    /// Where a reader of these partitions begins that is first sent the last values: of a thing in
    /// a topic the last one when the filter takes it, or else the last finished one.
    ///
    /// # Errors
    /// `REBUILDING`.
    pub(crate) async fn starts(
        &self,
        tenant: &str,
        filter: Option<&Filter>,
        partitions: &[TopicPartition],
    ) -> Result<Starts, Refusal> {
        self.check_rebuilt()?;
        let mut bounds = BTreeMap::new();
        for &partition in partitions {
            let known = self.log.bounds(partition);
            let known = known.map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
            bounds.insert(partition, known);
        }
        let tails: Vec<_> = bounds.iter().map(|(at, known)| (*at, known.durable_tail.0)).collect();
        let _or_with_what_there_is = Timer.limit(WAIT_MAX, self.taken_to(&tails)).await;
        let passes = |place, entry: &Entry| {
            let is_kept = bounds.get(&place).is_some_and(|b| b.trim <= entry.position.offset);
            is_kept && filter.is_none_or(|filter| takes(filter, &entry.event))
        };
        let topics = self.catalog.snapshot();
        // What is in the store and how far it is belong together.
        let mut store = self.store();
        store.retain(|partition| topics.topic_by_id(partition.topic).is_some());
        let mut lasts = store.lasts(tenant, passes);
        let start =
            |&at: &TopicPartition| (at, (lasts.remove(&at).unwrap_or_default(), store.reach(at)));
        Ok(partitions.iter().map(start).collect())
    }

    /// Resolves when everything below these offsets was taken.
    async fn taken_to(&self, tails: &[(TopicPartition, u64)]) {
        loop {
            let mut fed = std::pin::pin!(self.fed.notified());
            // From here on nothing is missed.
            fed.as_mut().enable();
            let is_there = {
                let store = self.store();
                tails.iter().all(|&(partition, tail)| store.reach(partition) >= tail)
            };
            if is_there {
                return;
            }
            fed.await;
        }
    }
}

fn takes(filter: &Filter, event: &[u8]) -> bool {
    glance(event).is_some_and(|envelope| filter.matches(&envelope, event))
}

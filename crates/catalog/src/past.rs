//! Subscriptions that are gone, as they were at their end: whoever traces an event asks what became
//! of it in those, too. Kept as long as settlements are.

use std::time::Duration;

use tidings_event::Timestamp;
use tidings_log::{PartitionLog, Table, TableChange};

use crate::error::CatalogError;
use crate::internal::InternalTopic;
use crate::records;
use crate::subscription::Subscription;

/// Most of the oldest that are let go at once.
const DROPPED_MAX: usize = 100;

/// A subscription that was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastSubscription {
    /// As it was at its end.
    pub subscription: Subscription,
    /// When that was.
    pub deleted_at: Timestamp,
}

/// What keeps a subscription that is deleted now, and lets go of those of long ago.
pub(crate) fn keep(
    log: &dyn PartitionLog,
    subscription: &Subscription,
    now: Timestamp,
) -> Vec<TableChange> {
    let mut changes = vec![records::put_past(subscription, now)];
    let age = u64::try_from(age().as_nanos()).unwrap_or(u64::MAX);
    let is_old = |value: &[u8]| {
        records::past_time(value).is_some_and(|deleted_at| deleted_at.0.saturating_add(age) < now.0)
    };
    let table = log.table(Table::PAST_SUBSCRIPTIONS);
    let old = table.into_iter().filter(|(_, value)| is_old(value)).map(|(key, _)| key);
    changes.extend(old.take(DROPPED_MAX).map(|key| TableChange {
        table: Table::PAST_SUBSCRIPTIONS,
        key,
        value: None,
    }));
    changes
}

/// Those of a tenant that are kept, in order of their numbers.
pub(crate) fn of(
    log: &dyn PartitionLog,
    tenant: &str,
) -> Result<Vec<PastSubscription>, CatalogError> {
    let mut all = Vec::new();
    for (key, value) in log.table(Table::PAST_SUBSCRIPTIONS) {
        let past = records::past(&String::from_utf8_lossy(&key), &value)?;
        if *past.subscription.tenant == *tenant {
            all.push(past);
        }
    }
    Ok(all)
}

const fn age() -> Duration {
    InternalTopic::SETTLEMENTS.age
}

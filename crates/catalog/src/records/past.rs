//! A subscription that is gone, as bytes: when it was deleted, then its record as it was.

use prost::Message;
use prost::bytes::Bytes;
use tidings_event::Timestamp;
use tidings_log::{Table, TableChange};

use super::{decode, put, put_subscription, subscription};
use crate::error::CatalogError;
use crate::past::PastSubscription;
use crate::subscription::Subscription;

#[derive(Clone, PartialEq, Message)]
struct PastRecord {
    #[prost(uint64, tag = "1")]
    deleted_at: u64,
    #[prost(bytes = "bytes", tag = "2")]
    subscription: Bytes,
}

pub(crate) fn put_past(of: &Subscription, deleted_at: Timestamp) -> TableChange {
    let record = PastRecord {
        deleted_at: deleted_at.0,
        subscription: put_subscription(of).value.unwrap_or_default(),
    };
    let change = put(format!("{:016x}", of.id.0), &record);
    TableChange { table: Table::PAST_SUBSCRIPTIONS, ..change }
}

pub(crate) fn past(key: &str, value: &[u8]) -> Result<PastSubscription, CatalogError> {
    let record: PastRecord = decode(key, value)?;
    Ok(PastSubscription {
        subscription: subscription(key, &record.subscription)?,
        deleted_at: Timestamp(record.deleted_at),
    })
}

/// When it was deleted; nothing for a record that cannot be read.
pub(crate) fn past_time(value: &[u8]) -> Option<Timestamp> {
    let record: Result<PastRecord, _> = decode("", value);
    record.ok().map(|record| Timestamp(record.deleted_at))
}

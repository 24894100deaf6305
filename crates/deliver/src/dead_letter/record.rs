//! The record of a letter, as a key and a value of its table.

use bytes::{Buf, BufMut, Bytes};
use tidings_catalog::SubscriptionId;
use tidings_event::{Epoch, Offset, TopicPartition};
use tidings_log::{Table, TableChange};

use super::letter::{LetterState, Reason};

const VERSION: u8 = 1;
const KEY_BYTES: usize = 28;

/// What the key of a letter's mark ends with, behind the key of its record.
const MARK: u8 = 1;

/// Where a letter's event was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    pub(crate) partition: TopicPartition,
    pub(crate) offset: u64,
}

/// What is known of a letter without reading its copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where the copy's note lies in the topic of dead letters; the event follows it.
    pub(crate) copy: Offset,
    /// Bytes of the event.
    pub(crate) bytes: u32,
    /// Of the event's position.
    pub(crate) epoch: Epoch,
    pub(crate) reason: Reason,
    pub(crate) state: LetterState,
}

impl Record {
    pub(crate) fn put(&self, subscription: SubscriptionId, place: Place) -> TableChange {
        let mut value = Vec::with_capacity(19);
        value.push(VERSION);
        value.put_u64_le(self.copy.0);
        value.put_u32_le(self.bytes);
        value.put_u32_le(self.epoch.0);
        value.put_u8(code(self.reason));
        value.put_u8(u8::from(self.state == LetterState::Redriving));
        let (table, key) = (Table::DEAD_LETTERS, key(subscription, place));
        TableChange { table, key, value: Some(value.into()) }
    }

    /// Reads what [`Self::put`] wrote; `None` for anything else.
    pub(crate) fn read(mut value: &[u8]) -> Option<Self> {
        if value.try_get_u8().ok()? != VERSION {
            return None;
        }
        let copy = Offset(value.try_get_u64_le().ok()?);
        let bytes = value.try_get_u32_le().ok()?;
        let epoch = Epoch(value.try_get_u32_le().ok()?);
        let number = value.try_get_u8().ok()?;
        let reason = Reason::ALL.into_iter().find(|&reason| code(reason) == number)?;
        let state = match value.try_get_u8().ok()? {
            0 => LetterState::Dead,
            1 => LetterState::Redriving,
            _ => return None,
        };
        value.is_empty().then_some(Self { copy, bytes, epoch, reason, state })
    }
}

const fn code(reason: Reason) -> u8 {
    match reason {
        Reason::AttemptsExhausted => 1,
        Reason::MaxAge => 2,
        Reason::Rejected => 3,
        Reason::ParkFull => 4,
        Reason::Retention => 5,
    }
}

pub(crate) fn delete(subscription: SubscriptionId, place: Place) -> TableChange {
    TableChange { table: Table::DEAD_LETTERS, key: key(subscription, place), value: None }
}

/// Says that no durable cursor covers a letter yet; part of the commit of its record.
pub(crate) fn mark(subscription: SubscriptionId, place: Place) -> TableChange {
    let value = Some(Bytes::from_static(&[VERSION]));
    TableChange { table: Table::DEAD_LETTERS, key: mark_key(subscription, place), value }
}

/// A cursor covers the letter, or its event comes again.
pub(crate) fn unmark(subscription: SubscriptionId, place: Place) -> TableChange {
    let key = mark_key(subscription, place);
    TableChange { table: Table::DEAD_LETTERS, key, value: None }
}

fn mark_key(subscription: SubscriptionId, place: Place) -> Bytes {
    let mut key = put_key(subscription, place);
    key.push(MARK);
    key.into()
}

fn key(subscription: SubscriptionId, place: Place) -> Bytes {
    put_key(subscription, place).into()
}

/// Subscription, topic, partition, offset, big-endian.
fn put_key(subscription: SubscriptionId, place: Place) -> Vec<u8> {
    let mut key = Vec::with_capacity(KEY_BYTES + 1);
    key.put_u64(subscription.0);
    key.put_u64(place.partition.topic.0);
    key.put_u32(place.partition.partition.0);
    key.put_u64(place.offset);
    key
}

/// Reads the key of a mark; `None` for one that is none.
pub(crate) fn read_mark(key: &[u8]) -> Option<(SubscriptionId, Place)> {
    let (&last, key) = key.split_last()?;
    (last == MARK).then(|| read_key(key)).flatten()
}

/// Reads a key; `None` for one that is none.
pub(crate) fn read_key(mut key: &[u8]) -> Option<(SubscriptionId, Place)> {
    let subscription = SubscriptionId(key.try_get_u64().ok()?);
    let (topic, partition) = (key.try_get_u64().ok()?, key.try_get_u32().ok()?);
    let partition = TopicPartition::new(topic, partition);
    let place = Place { partition, offset: key.try_get_u64().ok()? };
    key.is_empty().then_some((subscription, place))
}

#[cfg(test)]
mod tests;

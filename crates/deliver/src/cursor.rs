//! Cursors: a low-water offset and the settled runs above it, and their durable form.

use bytes::{BufMut, Bytes};
use tidings_catalog::SubscriptionId;
use tidings_event::TopicPartition;

use crate::runs::RunSet;

/// Most settled runs above the low-water offset before a partition stops sending.
pub(crate) const RUNS_MAX: usize = 10_000;

/// Most bytes of a cursor before a partition stops sending.
pub(crate) const BYTES_MAX: usize = 64 << 10;

/// Bytes of a cursor's key.
const KEY_BYTES: usize = 20;

/// Bytes of most cursors, with their keys.
pub(crate) const USUAL_BYTES: usize = 28;

const VERSION: u8 = 1;

/// Where a subscription is in one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Everything below is settled.
    pub(crate) low: u64,
    /// Settled offsets above it.
    pub(crate) settled: RunSet,
}

impl Cursor {
    /// The bytes of [`Self::put`].
    pub(crate) fn encode(low: u64, settled: &RunSet) -> Bytes {
        let mut out = Vec::with_capacity(12 + settled.len() * 4);
        Self::put(&mut out, low, settled);
        out.into()
    }

    /// `version, varint low, { varint gap, varint length }`.
    pub(crate) fn put(out: &mut impl BufMut, low: u64, settled: &RunSet) {
        out.put_u8(VERSION);
        push(out, low);
        let mut at = low;
        for (first, end) in settled.iter() {
            push(out, first - at);
            push(out, end - first);
            at = end;
        }
    }

    /// Reads what [`Self::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, mut rest) = bytes.split_first()?;
        if version != VERSION {
            return None;
        }
        let low = pull(&mut rest)?;
        let mut settled = RunSet::default();
        let mut at = low;
        while !rest.is_empty() {
            let first = at.checked_add(pull(&mut rest)?)?;
            let end = first.checked_add(pull(&mut rest)?)?;
            if first == at || end == first {
                return None;
            }
            settled.insert(first, end);
            at = end;
        }
        Some(Self { low, settled })
    }
}

/// Key of a cursor in its table.
pub(crate) fn key(subscription: SubscriptionId, partition: TopicPartition) -> Bytes {
    let mut key = Vec::with_capacity(KEY_BYTES);
    put_key(&mut key, subscription, partition);
    key.into()
}

/// Subscription, topic, partition, big-endian.
pub(crate) fn put_key(out: &mut impl BufMut, subscription: SubscriptionId, at: TopicPartition) {
    out.put_u64(subscription.0);
    out.put_u64(at.topic.0);
    out.put_u32(at.partition.0);
}

fn push(out: &mut impl BufMut, mut value: u64) {
    while value >= 0x80 {
        // The low seven bits.
        out.put_u8((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

fn pull(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7F);
        value |= part.checked_shl(shift).filter(|v| v >> shift == part)?;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests;

//! Cursors: a low-water offset and the settled runs above it, and their durable form.

use bytes::Bytes;
use tidings_catalog::SubscriptionId;
use tidings_event::TopicPartition;

use crate::runs::RunSet;

/// Most settled runs above the low-water offset before a partition stops sending.
pub(crate) const RUNS_MAX: usize = 10_000;

/// Most bytes of a cursor before a partition stops sending.
pub(crate) const BYTES_MAX: usize = 64 << 10;

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
    /// `version, varint low, { varint gap, varint length }`.
    pub(crate) fn encode(low: u64, settled: &RunSet) -> Bytes {
        let mut out = Vec::with_capacity(12 + settled.len() * 4);
        out.push(VERSION);
        push(&mut out, low);
        let mut at = low;
        for (first, end) in settled.iter() {
            push(&mut out, first - at);
            push(&mut out, end - first);
            at = end;
        }
        out.into()
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

/// Key of a cursor in its table: subscription, topic, partition, big-endian.
pub(crate) fn key(subscription: SubscriptionId, partition: TopicPartition) -> Bytes {
    let mut key = Vec::with_capacity(20);
    key.extend_from_slice(&subscription.0.to_be_bytes());
    key.extend_from_slice(&partition.topic.0.to_be_bytes());
    key.extend_from_slice(&partition.partition.0.to_be_bytes());
    key.into()
}

fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        // The low seven bits.
        out.push((value & 0x7F) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
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
